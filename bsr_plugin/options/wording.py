"""How problems with options are worded: the dotted path to the key, what is wrong, and what was perhaps meant."""

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any

from pydantic_core import ErrorDetails

#: Similarity (difflib's ratio) above which a key is taken for another one with a slip of the finger.
MISSPELT = 0.87


def line(path: Iterable[str | int], sentence: str) -> str:
    """The line that reports ``sentence`` about the key at ``path``."""
    dotted = ''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in path)
    return f'`{dotted.lstrip(".")}`: {sentence}'


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that looks most like ``name``, or ``None`` where none does."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    # RFSDataset: RFSPairedImageDataset, of which words are missing, before REDSDataset, which has fewer other letters.
    longer = [key for key, candidate in by_lower_case.items() if _words(name) < _words(candidate)]
    misspelt = by_lower_case, max(cutoff, MISSPELT)
    for candidates, least in (misspelt, (longer, 0.3), (by_lower_case, cutoff)) if cutoff < MISSPELT else (misspelt,):
        if matches := difflib.get_close_matches(name.lower(), candidates, n=1, cutoff=least):
            return by_lower_case[matches[0]]
    return None


def _words(name: str) -> set[str]:
    """RFSPairedImageDataset: rfs, paired, image, dataset; gt_size: gt, size."""
    return {word.lower() for word in re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+', name)}


def did_you_mean(name: str, known: Collection[str]) -> str:
    """What to say of an unknown key: ``did you mean `gt_size`?``, or what is known where nothing is near."""
    neighbour = nearest(name, known)
    return f'did you mean `{neighbour}`?' if neighbour else f'unknown key; known here: {", ".join(sorted(known))}'


def perhaps(name: str, known: Iterable[str]) -> str:
    """``; did you mean `rfs`?`` to end a sentence with, or nothing where nothing is near."""
    neighbour = nearest(name, known)
    return f'; did you mean `{neighbour}`?' if neighbour else ''


def shown(value: Any) -> str:
    """A value as an option file spells it, text in quotes, shortened to fit a sentence."""
    text = repr(value) if isinstance(value, str) else spelt(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def spelt(value: Any) -> str:
    """A value as an option file spells it."""
    if value is None:
        return '~'
    return str(value).lower() if isinstance(value, bool) else str(value)


def sentence(details: ErrorDetails) -> str:
    """What pydantic found, with the value as the file spells it; a nested section's problem is a sentence already."""
    if details['type'] == 'missing':
        return 'missing'
    context = details.get('ctx', {})
    value = details['input']
    if details['type'] == 'value_error':
        return str(context['error'])
    message = re.sub('^(Input|List|Dictionary)(?= should)', lambda _: shown(value), details['msg'])
    choices = re.findall("'([^']+)'", str(context.get('expected', '')))
    message = message.replace(' after validation', '').replace('valid dictionary', 'mapping of keys to values')
    return message + perhaps(str(value), choices)

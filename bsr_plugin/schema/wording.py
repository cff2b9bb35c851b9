"""How problems with options are worded: the dotted path to the key, what is wrong, and what was perhaps meant."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

#: Similarity (difflib's ratio) above which a key is taken for another one with a slip of the finger.
MISSPELT = 0.87


def line(path: Iterable[str | int], sentence: str) -> str:
    """The line that reports ``sentence`` about the key at ``path``, or about the whole where there is no path."""
    dotted = ''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in path)
    return f'`{dotted.lstrip(".")}`: {sentence}' if dotted else sentence


def lines(error: ValidationError, *section: str) -> list[str]:
    """A line for each problem that pydantic found in what stands at the path ``section``."""
    return [line((*section, *each['loc']), sentence(each)) for each in error.errors(include_url=False)]


def sentence(details: ErrorDetails) -> str:
    """What pydantic found, with the value as the file spells it; what a validator raised is a sentence already."""
    kind, value, context = details['type'], details['input'], details.get('ctx', {})
    if kind == 'missing':
        return 'missing'
    if kind == 'value_error':
        return str(context['error'])
    if kind in ('dict_type', 'model_type'):
        return f'{shown(value)} is not a mapping of keys to values'
    message = re.sub('^(Input|List|Dictionary)(?= should)', lambda _: shown(value), details['msg'])
    choices = re.findall("'([^']+)'", str(context.get('expected', '')))
    return message.replace(' after validation', '') + perhaps(str(value), choices)


def unknown(key: str, known: Iterable[str]) -> str:
    """What to say of a key that nothing reads."""
    known = sorted(known)
    return perhaps(key, known).removeprefix('; ') or f'unknown key; known here: {", ".join(known)}'


def perhaps(name: str, known: Iterable[str]) -> str:
    """``; did you mean `rfs`?`` to end a sentence with, or nothing where nothing is near."""
    neighbour = nearest(name, known)
    return f'; did you mean `{neighbour}`?' if neighbour else ''


def nearest(name: str, known: Iterable[str], misspelt_only: bool = False) -> str | None:
    """The known name that looks most like ``name``, or ``None`` where none does."""
    names = {candidate.lower(): candidate for candidate in known}
    # RFSDataset: RFSPairedImageDataset, of which words are missing, before REDSDataset, which has fewer other letters.
    longer = [key for key, candidate in names.items() if _words(name) < _words(candidate)]
    for candidates, similarity in ((names, MISSPELT), (longer, 0.3), (names, 0.6))[: 1 if misspelt_only else None]:
        if matches := difflib.get_close_matches(name.lower(), candidates, n=1, cutoff=similarity):
            return names[matches[0]]
    return None


def _words(name: str) -> set[str]:
    """RFSPairedImageDataset: rfs, paired, image, dataset; gt_size: gt, size."""
    return {word.lower() for word in re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+', name)}


def shown(value: Any) -> str:
    """A value as an option file spells it, text in quotes, shortened to fit a sentence."""
    text = repr(value) if isinstance(value, str) else spelt(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def spelt(value: Any) -> str:
    """A value as an option file spells it."""
    if value is None:
        return '~'
    if isinstance(value, dict):
        return f'{{{", ".join(f"{key}: {spelt(each)}" for key, each in value.items())}}}'
    return str(value).lower() if isinstance(value, bool) else str(value)

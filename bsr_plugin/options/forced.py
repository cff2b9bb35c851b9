"""``--force_yml KEY:KEY=VALUE``: one option changed on the command line, read as the file is."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bsr_plugin.errors import InputError
from bsr_plugin.options.loader import parse
from bsr_plugin.schema.wording import shown


def force(options: Mapping[str, Any], entries: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Applies entries such as ``train:ema_decay=0.999`` or ``network_g:rgb_mean=[0, 0, 0]``.

    Args:
        options: The mapping of an option file; it is left as it is.
        entries: A path of keys joined by colons, ``=``, and a value in YAML; ``none`` is ``~`` as in BasicSR.

    Returns:
        The changed options, and one sentence for each entry that cannot be applied. Whether the keys exist is for
        the schema to say.
    """
    changed, problems = dict(options), []
    for entry in entries:
        path, equals, value = entry.partition('=')
        keys = [key.strip() for key in path.split(':')]
        try:
            if not equals or not all(keys):
                raise InputError('write it as key:key=value, such as train:ema_decay=0.999')
            changed = _set(changed, keys, _value(value.strip()))
        except InputError as error:
            problems.append(f'--force_yml {entry}: {error}')
    return changed, problems


def recorded(text: str) -> list[str]:
    """The entries of the command that BasicSR writes above its copy of an option file, in a run's folder.

    Args:
        text: The copy. Its head is ``# GENERATE TIME: ...``, ``# CMD:`` and ``# COMMAND``, whose words are joined by
            spaces and not quoted: an entry goes on until the next key with an equals sign.

    Returns:
        Entries as ``force`` takes them; none if the command had none, or there is no such head.
    """
    command = re.match(r'# GENERATE TIME: .*\n# CMD:\n# (.*)\n', text)
    entries = re.search(r' --force_yml (.*?)(?= -opt | --[a-z]|$)', command[1]) if command else None
    return re.split(r' (?=[\w:]+ ?=)', entries[1]) if entries else []


def _value(text: str) -> Any:
    if text.lower() == 'none':
        return None
    try:
        return parse(text)
    except InputError:
        # A list, a quoted text or a tag that went wrong; anything else, such as {}x4, is text without quotes.
        if text.startswith(('[', '"', "'", '!')):
            raise
        return text


def _set(options: Any, keys: list[str], value: Any) -> Any:
    """A copy of ``options`` with ``value`` at the path ``keys``; sections on the way are made where there are none."""
    if not keys:
        return value
    if not isinstance(options, dict | None):
        raise InputError(f'{shown(options)} is not a section that `{keys[0]}` could be in')
    section = options or {}
    return {**section, keys[0]: _set(section.get(keys[0]), keys[1:], value)}

"""Reads option files without running anything: plain YAML, the plugin's own tag, and numbers as people write them."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from bsr_plugin.errors import InputError

#: The one tag an option file may carry; BasicSR's own loader resolves it by importing the plugin.
PLUGIN_TAG = '!!python/name:bsr_plugin.__version__'
_PREFIX = 'tag:yaml.org,2002:'
#: The other tags, and what a value that carries one has to be. SafeLoader's dates, sets and bytes are left out.
_KINDS = {
    **{f'{_PREFIX}map': 'a mapping', f'{_PREFIX}seq': 'a list', f'{_PREFIX}str': 'text', f'{_PREFIX}null': 'nothing'},
    **{f'{_PREFIX}bool': 'true or false', f'{_PREFIX}int': 'an integer', f'{_PREFIX}float': 'a number'},
}

#: ``1e-4``, ``5E3`` and ``1.5e3``: YAML 1.1 wants a dot and a sign in the exponent, and reads these as text.
SHORT_NUMBER = re.compile(r'[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$')


class OptionLoader(yaml.SafeLoader):
    """YAML 1.1 as BasicSR reads it, made safe and strict.

    Mappings keep their order, have text for keys and may not repeat one; ``1e-4`` is the number it looks like; any
    tag but the plain ones (``!!str``, ``!!int``, ``!!float``, ``!!bool``, ``!!null``, ``!!seq``, ``!!map``) and
    ``!!python/name:bsr_plugin.__version__`` is refused.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Builds a value in one go: one that contains itself cannot be built so, and PyYAML says it."""
        try:
            return super().construct_object(node, deep=True)
        except (ValueError, KeyError):
            raise _error(node, f'{node.value!r} is not {_KINDS[node.tag]}') from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Builds a mapping whose own keys are text, each given once."""
        seen = set()
        for key, _ in node.value:
            if key.tag == f'{_PREFIX}merge':
                continue
            if key.tag != f'{_PREFIX}str':
                source = key.start_mark.buffer[key.start_mark.pointer : key.end_mark.pointer]
                raise _error(key, f'the key {source} is not text; put it in quotes')
            if key.value in seen:
                raise _error(key, f'the key `{key.value}` appears twice')
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_options(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads an option file into plain dicts, lists, strings, numbers, booleans and ``None``.

    Args:
        path: A YAML file in UTF-8.

    Returns:
        The file's mapping, its keys in the order of the file.

    Raises:
        InputError: The file cannot be read, is not YAML, is not a mapping, repeats a key, or carries another tag.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
    except FileNotFoundError:
        raise InputError(f'{path}: no such option file') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: cannot be read as text ({error})') from error
    try:
        options = parse(text)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    if not isinstance(options, dict):
        raise InputError(f'{path}: an option file is a mapping of keys to values, which this file is not')
    return options


def parse(text: str) -> Any:
    """Reads one YAML document, as :func:`read_options` does.

    Raises:
        InputError: One sentence with the line and the column (both from 1).
    """
    try:
        return yaml.load(text, Loader=OptionLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f'line {mark.line + 1}, column {mark.column + 1}: ' if mark else ''
        what = ', '.join(part for part in (error.context, error.problem) if part)
        raise InputError(where + what) from error
    except yaml.reader.ReaderError as error:
        raise InputError(f'character {error.position + 1} cannot be read: {error.reason}') from error
    except RecursionError:
        raise InputError('the file is nested too deeply') from None


def _plugin_version(loader: OptionLoader, node: yaml.Node) -> str:
    from bsr_plugin import __version__

    return __version__


def _unknown_tag(loader: OptionLoader, node: yaml.Node) -> None:
    tag = node.tag.replace(_PREFIX, '!!')
    raise _error(node, f'the tag {tag} is refused; {PLUGIN_TAG} is the only one an option file may carry')


def _error(node: yaml.Node, sentence: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, sentence, node.start_mark)


OptionLoader.yaml_constructors = {tag: yaml.SafeLoader.yaml_constructors[tag] for tag in _KINDS}
OptionLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KINDS or tag == f'{_PREFIX}merge']
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
OptionLoader.add_constructor(PLUGIN_TAG.replace('!!', _PREFIX), _plugin_version)
OptionLoader.add_constructor(None, _unknown_tag)
OptionLoader.add_implicit_resolver(f'{_PREFIX}float', SHORT_NUMBER, list('-+.0123456789'))

"""Reads and checks a whole option file; everything that is wrong with it is reported at once."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bsr_plugin.errors import InputError
from bsr_plugin.options.contradictions import SR_MODELS, contradictions
from bsr_plugin.options.forced import force as apply_forced
from bsr_plugin.options.loader import read_options
from bsr_plugin.options.machine import missing_on_this_machine
from bsr_plugin.options.run import OtherTrainingRun, TestRun, TrainingRun
from bsr_plugin.options.wording import line

#: Says which keys of an option file nothing reads, one line each; without handlers, Python writes it to stderr.
logger = logging.getLogger('bsr_plugin.options')


def load_options(
    path: str | os.PathLike[str], is_train: bool, force: Sequence[str] = (), check_paths: bool = True
) -> dict[str, Any]:
    """Reads an option file, applies changes, and checks the result.

    A key that nothing reads and that does no harm (BasicSR's former ``use_shuffle``, or a key for the other phase
    that is ``~``) is left out, which the logger ``bsr_plugin.options`` says in a warning of one line.

    Args:
        path: The file.
        is_train: Whether it is for training or for a test.
        force: Entries of ``--force_yml``, such as ``train:ema_decay=0.999``.
        check_paths: Whether the folders, files and GPUs it asks for must be on this machine.

    Returns:
        The options as plain dicts, lists and values, without anything the file does not give and in its order:
        numbers are numbers also where the file spells them ``1e-4`` or ``5e3``. Nothing is shared with another call.

    Raises:
        InputError: One line for each problem, each beginning with the file and the dotted path to the key.
    """
    options, problems = apply_forced(read_options(path), force)
    checked, found = _check(options, is_train, check_paths)
    problems += found
    if problems:
        raise InputError('\n'.join(f'{path}: {problem}' for problem in problems))
    for key in _dropped(checked, options):
        logger.warning('%s: %s', path, line(key, 'is ignored; nothing reads it here'))
    return _in_order(checked, options)


def check_options(options: Mapping[str, Any], is_train: bool, check_paths: bool = True) -> list[str]:
    """Everything that is wrong with options, as ``load_options`` finds it.

    Args:
        options: The mapping of an option file; it is left as it is.
        is_train: Whether it is for training or for a test.
        check_paths: Whether the folders, files and GPUs it asks for must be on this machine.

    Returns:
        One line for each problem; none for options a run can start with.
    """
    return _check(options, is_train, check_paths)[1]


def _check(options: Mapping[str, Any], is_train: bool, check_paths: bool) -> tuple[dict[str, Any], list[str]]:
    is_foreign = isinstance(options.get('model_type'), str) and options['model_type'] not in SR_MODELS
    schema = TestRun if not is_train else OtherTrainingRun if is_foreign else TrainingRun
    checked, problems = {}, []
    try:
        # As any: a data set or a loss is written out by its own schema, not by its base class's.
        run = schema.model_validate(dict(options), context={'foreign': True} if is_foreign else None)
        checked = run.model_dump(exclude_unset=True, serialize_as_any=True)
    except ValidationError as error:
        problems = [line(each['loc'], each['msg']) for each in error.errors(include_url=False)]
    problems += contradictions(options)
    if check_paths:
        problems += missing_on_this_machine(options, is_train)
    return checked, problems


def _dropped(checked: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[list[str]]:
    """The paths to the keys that the schema has dropped."""
    for key in given:
        if key not in checked:
            yield [key]
        elif isinstance(checked[key], dict):
            yield from ([key, *path] for path in _dropped(checked[key], given[key]))


def _in_order(checked: Any, given: Any) -> Any:
    """The checked options in the order of the file."""
    if not isinstance(checked, dict):
        return checked
    return {key: _in_order(checked[key], given[key]) for key in given if key in checked}

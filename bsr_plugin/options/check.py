"""Reads and checks a whole option file; everything that is wrong with it is reported at once."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bsr_plugin.errors import InputError
from bsr_plugin.options.contradictions import SR_MODELS, contradictions
from bsr_plugin.options.forced import force as apply_forced
from bsr_plugin.options.loader import read_options
from bsr_plugin.options.machine import missing_on_this_machine
from bsr_plugin.options.run import TestRun, TrainingRun
from bsr_plugin.schema.wording import line, lines

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
    if problems := [*problems, *found]:
        raise InputError('\n'.join(f'{path}: {problem}' for problem in problems))
    return _as_given(options, checked, path)


def check_options(options: Mapping[str, Any], is_train: bool, check_paths: bool = True) -> list[str]:
    """One line for each problem of options, which are left as they are; the arguments are those of ``load_options``."""
    return _check(options, is_train, check_paths)[1]


def _check(options: Mapping[str, Any], is_train: bool, check_paths: bool) -> tuple[dict[str, Any], list[str]]:
    is_foreign = isinstance(options.get('model_type'), str) and options['model_type'] not in SR_MODELS
    checked, problems = {}, []
    try:
        run = (TrainingRun if is_train else TestRun).model_validate(dict(options), context={'foreign': is_foreign})
        # As any: a data set or a loss is written out by its own schema, not by its base class's.
        checked = run.model_dump(exclude_unset=True, serialize_as_any=True)
    except ValidationError as error:
        problems = lines(error)
    problems += contradictions(options)
    if check_paths:
        problems += missing_on_this_machine(options, is_train)
    return checked, problems


def _as_given(given: Any, checked: Any, file: str | os.PathLike[str], *path: str) -> Any:
    """The checked values in the order of the file; tells of the keys that the schema has dropped."""
    if not isinstance(checked, dict):
        return checked
    for key in given:
        if key not in checked:
            logger.warning('%s: %s', file, line([*path, key], 'is ignored; nothing reads it here'))
    return {key: _as_given(given[key], checked[key], file, *path, key) for key in given if key in checked}

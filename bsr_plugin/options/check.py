"""Reads and checks a whole option file; everything that is wrong with it is reported at once."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bsr_plugin.errors import InputError
from bsr_plugin.options import registered
from bsr_plugin.options.contradictions import SR_MODELS, contradictions
from bsr_plugin.options.forced import force as apply_forced
from bsr_plugin.options.loader import read_options
from bsr_plugin.options.machine import missing_on_this_machine
from bsr_plugin.options.run import OtherTestRun, OtherTrainingRun, TestRun, TrainingRun
from bsr_plugin.options.section import Section, sentences
from bsr_plugin.options.wording import line, perhaps, shown


def load_options(
    path: str | os.PathLike[str], is_train: bool, force: Sequence[str] = (), check_paths: bool = True
) -> dict[str, Any]:
    """Reads an option file, applies changes, and checks the result.

    Args:
        path: The file.
        is_train: Whether it is for training or for a test.
        force: Entries of ``--force_yml``, such as ``train:ema_decay=0.999``.
        check_paths: Whether the folders, files and GPUs it asks for must be on this machine.

    Returns:
        The options as plain dicts, lists and values, without anything the file does not give: numbers are numbers
        also where the file spells them ``1e-4`` or ``5e3``. Nothing in it is shared with another call.

    Raises:
        InputError: One line for each problem, each beginning with the file and the dotted path to the key.
    """
    options, problems = apply_forced(read_options(path), force)
    checked, found = _check(options, is_train, check_paths)
    problems += found
    if problems:
        raise InputError('\n'.join(f'{path}: {problem}' for problem in problems))
    return checked


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
    engine = options.get('model_type')
    problems = _wrong_engine(engine)
    schema = _schema_for(str(engine), is_train)
    checked: dict[str, Any] = {}
    try:
        # As any: a data set or a loss is written out by its own schema, not by its base class's.
        checked = schema.model_validate(dict(options)).model_dump(exclude_unset=True, serialize_as_any=True)
    except ValidationError as error:
        problems += sentences(error)
    problems += contradictions(options)
    if check_paths:
        problems += missing_on_this_machine(options, is_train)
    return checked, problems


def _wrong_engine(engine: Any) -> list[str]:
    if not isinstance(engine, str) or registered.find('model', engine):
        return []
    hint = perhaps(engine, registered.names('model'))
    return [line(['model_type'], f'{shown(engine)} is no model that is registered{hint}')]


def _schema_for(engine: str, is_train: bool) -> type[Section]:
    if engine in SR_MODELS or registered.find('model', engine) is None:
        return TrainingRun if is_train else TestRun
    return OtherTrainingRun if is_train else OtherTestRun

"""Sections whose ``type`` names a registered class: the plugin's own field by field, all others by what they take."""

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any, ClassVar

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from bsr_plugin.options import registered
from bsr_plugin.options.section import Section, problem
from bsr_plugin.options.wording import perhaps, shown


class ByArguments(Section):
    """Options of a class that takes them as arguments, checked against its signature."""

    kind: ClassVar[registered.Kind]

    @classmethod
    def further_keys(cls, value: Mapping[str, Any]) -> Collection[str] | None:
        """The names of the class's arguments."""
        return registered.arguments(cls.kind, value['type'])

    @classmethod
    def further_required(cls, value: Mapping[str, Any]) -> Collection[str]:
        """The arguments without a default."""
        taken = registered.arguments(cls.kind, value['type']) or {}
        return [name for name, argument in taken.items() if argument.default is Parameter.empty]


def by_type(kind: registered.Kind, own: Mapping[str, type[Section]], other: type[Section]) -> Callable[[Any], Section]:
    """A validator that picks the section class by the ``type`` in the mapping.

    Args:
        kind: The registry that ``type`` names a member of.
        own: Section classes of the types that are declared field by field.
        other: Section class of every other registered type.

    Returns:
        ``validate(value)`` for pydantic's ``BeforeValidator``.
    """

    def validate(value: Any) -> Section:
        name = type_in(value, kind, registered.names(kind))
        return own.get(name, other).model_validate(value)

    return validate


def type_in(value: Any, kind: str, known: Collection[str]) -> str:
    """The ``type`` that a mapping names.

    Args:
        value: The section.
        kind: What it is the type of, for the sentence.
        known: The names there are.

    Raises:
        PydanticCustomError: The value is no mapping.
        ValidationError: Its ``type`` is missing or unknown.
    """
    if not isinstance(value, dict):
        raise problem(f'{shown(value)} is no mapping of keys to values')
    if 'type' not in value:
        raise _problem_with_type(problem('missing'))
    name = value['type']
    if not isinstance(name, str):
        raise _problem_with_type(problem(f'{shown(name)} is no text'))
    if name not in known and f'{name}_basicsr' not in known:
        raise _problem_with_type(problem(f'{shown(name)} is no {kind} that is registered{perhaps(name, known)}'))
    return name


def _problem_with_type(error: PydanticCustomError) -> ValidationError:
    return ValidationError.from_exception_data('type', [InitErrorDetails(type=error, loc=('type',), input=None)])

"""The base of every section of an option file: its errors are sentences, and a misspelt key meets its neighbour.

A section is a pydantic model whose fields are the keys, each with a docstring that becomes its line in the option
reference. Sections nest; every problem of every section is collected in one pass.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from bsr_plugin.options.wording import MISSPELT, did_you_mean, line, nearest, sentence, shown


class Section(BaseModel):
    """A mapping of known keys to checked values; any other key is refused."""

    model_config = ConfigDict(extra='allow', strict=True, use_attribute_docstrings=True, protected_namespaces=())

    @classmethod
    def further_keys(cls, value: Mapping[str, Any]) -> Collection[str] | None:
        """Keys allowed beyond the fields, for the mapping at hand; ``None`` allows every key."""
        return ()

    @classmethod
    def further_required(cls, value: Mapping[str, Any]) -> Collection[str]:
        """Keys required beyond the fields."""
        return ()

    @classmethod
    def unknown_keys(cls, value: Mapping[str, Any]) -> dict[str, list[str]]:
        """The keys that are refused, each with all that are known."""
        further = cls.further_keys(value)
        if further is None:
            return {}
        known = list(dict.fromkeys([*cls.model_fields, *further]))
        return {key: known for key in value if key not in known}

    @model_validator(mode='wrap')
    @classmethod
    def _collect(cls, value: Any, handler: ModelWrapValidatorHandler['Section']) -> 'Section':
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise problem(f'{shown(value)} is no mapping of keys to values')
        problems = [_unknown(key, known) for key, known in cls.unknown_keys(value).items()]
        problems += [_missing(key) for key in cls.further_required(value) if key not in value]
        section = None
        try:
            section = handler(value)
        except ValidationError as error:
            problems += [_as_problem(details, cls.model_fields) for details in error.errors(include_url=False)]
        if problems or section is None:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return section


class LenientSection(Section):
    """A section whose reader looks up keys of its own: a key is refused only if it is a declared one, misspelt."""

    @classmethod
    def unknown_keys(cls, value: Mapping[str, Any]) -> dict[str, list[str]]:
        """The keys that differ from a declared one by hardly a letter."""
        known = list(cls.model_fields)
        return {key: known for key in value if key not in known and nearest(key, known, cutoff=MISSPELT)}


def validate_each(title: str, values: Mapping[str, Any], check: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Applies ``check(key, value)`` to every entry and raises all their problems together.

    Raises:
        ValidationError: With the key as the first part of every problem's path.
    """
    checked: dict[str, Any] = {}
    problems: list[InitErrorDetails] = []
    for key, value in values.items():
        checked[key], found = _checked(key, value, check)
        problems += found
    if problems:
        raise ValidationError.from_exception_data(title, problems)
    return checked


def _checked(key: str, value: Any, check: Callable[[str, Any], Any]) -> tuple[Any, list[InitErrorDetails]]:
    try:
        return check(key, value), []
    except ValidationError as error:
        return None, [_under(key, details) for details in error.errors(include_url=False)]
    except PydanticCustomError as error:
        return None, [InitErrorDetails(type=error, loc=(key,), input=value)]


def problem(sentence: str) -> PydanticCustomError:
    """A problem with the value at hand, as one sentence."""
    return PydanticCustomError('problem', '{sentence}', {'sentence': sentence})


def sentences(error: ValidationError) -> list[str]:
    """One line for each problem: the dotted path to the key in backticks, a colon, the sentence."""
    return [line(details['loc'], details['msg']) for details in error.errors(include_url=False)]


def _unknown(key: str, known: Collection[str]) -> InitErrorDetails:
    return InitErrorDetails(type=problem(did_you_mean(key, known)), loc=(key,), input=None)


def _missing(key: str) -> InitErrorDetails:
    return InitErrorDetails(type=problem('missing'), loc=(key,), input=None)


def _under(key: str, details: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=problem(details['msg']), loc=(key, *details['loc']), input=details['input'])


def _as_problem(details: ErrorDetails, fields: Mapping[str, FieldInfo]) -> InitErrorDetails:
    return InitErrorDetails(type=problem(sentence(details, fields)), loc=details['loc'], input=details['input'])

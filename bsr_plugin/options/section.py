"""The base of every section of an option file: its errors are sentences, and a misspelt key meets its neighbour.

A section is a pydantic model whose fields are the keys, each with a docstring that becomes its line in the option
reference. Sections nest; every problem of every section is collected in one pass.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import InitErrorDetails, PydanticCustomError

from bsr_plugin.options.wording import MISSPELT, did_you_mean, nearest, sentence, shown


class Section(BaseModel):
    """A mapping of known keys to checked values; any other key is refused, unless it does no harm: then it is dropped.

    The context of a validation says whether the model is a foreign one, neither SRModel nor BSRModel.
    """

    model_config = ConfigDict(extra='allow', strict=True, use_attribute_docstrings=True, protected_namespaces=())

    #: Whether the reader of the section looks up keys of its own: then only a misspelt key is refused.
    open: ClassVar[bool] = False
    #: Whether a foreign model does so.
    read_by_model: ClassVar[bool] = False
    #: Keys that option files carry and nothing reads.
    unread: ClassVar[Collection[str]] = ()

    @classmethod
    def known(cls, value: Mapping[str, Any]) -> list[str]:
        """The keys that the mapping at hand may have."""
        return list(cls.model_fields)

    def refusal(self) -> str:
        """What is wrong with values that are right one by one; nothing where they go together."""
        return ''

    @model_validator(mode='wrap')
    @classmethod
    def _in_sentences(
        cls, value: Any, handler: ModelWrapValidatorHandler['Section'], info: ValidationInfo
    ) -> 'Section':
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise problem(f'{shown(value)} is not a mapping of keys to values')
        known, is_open = cls.known(value), cls.open or (cls.read_by_model and bool(info.context))
        problems = [
            _detail(did_you_mean(key, known), key)
            for key in value
            if key not in known and cls._is_wrong(key, value[key], known, is_open)
        ]
        try:
            section = handler({key: value[key] for key in value if key in known or is_open})
        except ValidationError as error:
            problems += [_detail(sentence(each), *each['loc']) for each in error.errors(include_url=False)]
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        if refusal := section.refusal():
            raise problem(refusal)
        return section

    @classmethod
    def _is_wrong(cls, key: str, value: Any, known: Collection[str], is_open: bool) -> bool:
        if key in cls.unread:
            return False
        if is_open:
            return nearest(key, known, MISSPELT) is not None
        # Often a key of the other phase, left in with nothing said: path.resume_state in the file of a test.
        return value is not None or nearest(key, known) is not None


def problem(sentence: str) -> PydanticCustomError:
    """A problem with the value at hand, as one sentence."""
    return PydanticCustomError('problem', '{sentence}', {'sentence': sentence})


def problem_at(key: str, sentence: str) -> ValidationError:
    """A problem with one key of the section at hand."""
    return ValidationError.from_exception_data(key, [_detail(sentence, key)])


def _detail(sentence: str, *path: str | int) -> InitErrorDetails:
    return InitErrorDetails(type=problem(sentence), loc=path, input=None)

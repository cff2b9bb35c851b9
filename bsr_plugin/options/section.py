"""The base of every section of an option file: its errors are sentences, and a misspelt key meets its neighbour.

A section is a pydantic model whose fields are the keys, each with a docstring that becomes its line in the option
reference. Sections nest; every problem of every section is collected in one pass.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import InitErrorDetails, PydanticCustomError

from bsr_plugin.options.wording import MISSPELT, did_you_mean, nearest, sentence, shown


class Section(BaseModel):
    """A mapping of known keys to checked values.

    Any other key is refused, unless nobody reads it and it does no harm: such a key is a problem of the kind
    ``ignored``, with which the options are as good as without the key. The context of a validation says whether the
    model is a foreign one, neither SRModel nor BSRModel.
    """

    model_config = ConfigDict(extra='allow', strict=True, use_attribute_docstrings=True, protected_namespaces=())

    #: Whether the reader of the section looks up keys of its own: then only a misspelt key is refused.
    open: ClassVar[bool] = False
    #: Whether a foreign model does so.
    read_by_model: ClassVar[bool] = False
    #: Keys that option files carry and nobody reads, each with the reason.
    unread: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def known(cls, value: Mapping[str, Any]) -> list[str]:
        """The keys that the mapping at hand may have."""
        return list(cls.model_fields)

    @classmethod
    def missing(cls, value: Mapping[str, Any]) -> list[str]:
        """The keys that the mapping at hand lacks, beyond the fields without a default."""
        return []

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
        unknown = dict(cls._unknown(value, cls.open or (cls.read_by_model and bool(info.context))))
        problems = [_detail(error, key) for key, error in unknown.items()]
        problems += [_detail(problem('missing'), key) for key in cls.missing(value)]
        try:
            section = handler({key: value[key] for key in value if key not in unknown})
        except ValidationError as error:
            for each in error.errors(include_url=False):
                problems.append(_detail(problem(sentence(each), ignored=each['type'] == 'ignored'), *each['loc']))
        if not problems and (refusal := section.refusal()):
            raise problem(refusal)
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return section

    @classmethod
    def _unknown(cls, value: Mapping[str, Any], is_open: bool) -> Iterator[tuple[str, PydanticCustomError]]:
        known = cls.known(value)
        for key in (key for key in value if key not in known):
            if key in cls.unread:
                yield key, problem(cls.unread[key], ignored=True)
            elif is_open:
                if nearest(key, known, MISSPELT):
                    yield key, problem(did_you_mean(key, known))
            elif value[key] is None and not nearest(key, known):
                yield key, problem('nothing reads it here', ignored=True)
            else:
                yield key, problem(did_you_mean(key, known))


def problem(sentence: str, *, ignored: bool = False) -> PydanticCustomError:
    """A problem with the value at hand, as one sentence."""
    return PydanticCustomError('ignored' if ignored else 'problem', '{sentence}', {'sentence': sentence})


def problem_at(key: str, sentence: str) -> ValidationError:
    """A problem with one key of the section at hand."""
    return ValidationError.from_exception_data(key, [_detail(problem(sentence), key)])


def _detail(error: PydanticCustomError, *path: str | int) -> InitErrorDetails:
    return InitErrorDetails(type=error, loc=path, input=None)

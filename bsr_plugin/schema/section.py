"""The base of every section of an option file: a mapping of known keys to checked values.

A section is a pydantic model whose fields are the keys, each with a docstring that becomes its line in the option
reference. Sections nest; every problem of every section is collected in one pass. A validator raises ``InputError``
with the sentence to report.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import InitErrorDetails
from typing_extensions import Self

from bsr_plugin.errors import InputError
from bsr_plugin.schema.wording import lines, nearest, unknown

_Handler = ModelWrapValidatorHandler['Section']


class Section(BaseModel):
    """Refuses any other key, unless it does no harm: then it is dropped."""

    model_config = ConfigDict(
        extra='allow', strict=True, frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )

    #: Whether the reader of the section looks up keys of its own, so that only a misspelt key is refused. ``None``:
    #: if the model is neither SRModel nor BSRModel, which the context of a validation says.
    open: ClassVar[bool | None] = None
    #: Keys that only such a model reads.
    adversarial: ClassVar[Collection[str]] = ()
    #: Keys that option files carry and nothing reads.
    unread: ClassVar[Collection[str]] = ()

    @classmethod
    def known(cls, given: Mapping[str, Any]) -> Collection[str]:
        """The keys that the mapping at hand may have."""
        return cls.model_fields

    @classmethod
    def read(cls, given: Mapping[str, Any], *path: str, of: str = '') -> Self:
        """The keys of this section among others, for a class that looks up its own in a larger mapping.

        Args:
            given: The mapping.
            path: Where it stands in the option file.
            of: What every line begins with.

        Raises:
            InputError: One line for each problem.
        """
        try:
            return cls.model_validate({key: given[key] for key in cls.model_fields if key in given})
        except ValidationError as error:
            raise InputError('\n'.join(of + each for each in lines(error, *path))) from None

    @model_validator(mode='wrap')
    @classmethod
    def _only_known_keys(
        cls, value: Any, handler: ModelWrapValidatorHandler['Section'], info: ValidationInfo
    ) -> 'Section':
        if not isinstance(value, dict):
            return handler(value)
        is_foreign = bool(info.context and info.context['foreign'])
        known = [key for key in cls.known(value) if is_foreign or key not in cls.adversarial]
        is_open = is_foreign if cls.open is None else cls.open
        problems = [
            InitErrorDetails(type='value_error', loc=(key,), input=None, ctx={'error': InputError(unknown(key, known))})
            for key in value
            if key not in known and cls._is_wrong(key, value[key], known, is_open)
        ]
        try:
            section = handler({key: value[key] for key in value if key in known or is_open})
        except ValidationError as error:
            problems += error.errors()  # type: ignore[arg-type]
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return section

    @classmethod
    def _is_wrong(cls, key: str, value: Any, known: Collection[str], is_open: bool) -> bool:
        if key in cls.unread:
            return False
        if is_open:
            return nearest(key, known, misspelt_only=True) is not None
        # Often a key of the other phase, left in with nothing said: path.resume_state in the file of a test.
        return value is not None or nearest(key, known) is not None

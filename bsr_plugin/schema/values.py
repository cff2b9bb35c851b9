"""Kinds of values in an option file: numbers, which text may spell, and names of folders.

BasicSR's own loader reads ``1e-4`` as text; wherever a number belongs, text that spells one is that number.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from bsr_plugin.errors import InputError
from bsr_plugin.schema.wording import shown

#: Bytes of a name in UTF-8: file systems end at 255, and ``train_NAME_20260101_000000.log`` is longer than the name.
LONGEST_NAME = 200


def _number(value: Any) -> Any:
    number = _spelled(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InputError(f'{shown(value)} is not a number')
    return number


def numbers_in(value: Any) -> Any:
    """A mapping, list or value with numbers in place of all text that spells one, for a rule that checks it itself."""
    if isinstance(value, dict):
        return {key: numbers_in(each) for key, each in value.items()}
    if isinstance(value, list):
        return [numbers_in(each) for each in value]
    return _spelled(value)


def _spelled(value: Any) -> Any:
    """The number that text spells; anything else as it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def otherwise(sentence: str) -> WrapValidator:
    """For a choice of kinds: says once what is wrong with a value, where pydantic says it for each kind."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise InputError(f'{shown(value)} is {sentence}') from None

    return WrapValidator(validate)


def _path_component(text: str) -> str:
    if not text or text in ('.', '..') or text != text.strip() or not text.isprintable() or set(text) & {'/', '\\'}:
        raise InputError(
            f'{shown(text)} cannot name a folder; use a name without slashes, control characters and outer blanks'
        )
    if (size := len(text.encode())) > LONGEST_NAME:
        raise InputError(f'{shown(text)} has {size} bytes; {LONGEST_NAME} is the most')
    return text


#: Last in a kind of numbers, so that its bounds stay a part of pydantic's schema.
NUMBER = BeforeValidator(_number)
Real = Annotated[float, Field(strict=False, allow_inf_nan=False), NUMBER]
Positive = Annotated[float, Field(strict=False, allow_inf_nan=False, gt=0), NUMBER]
NotNegative = Annotated[float, Field(strict=False, allow_inf_nan=False, ge=0), NUMBER]
#: At least 0 and less than 1, as decay rates are.
Fraction = Annotated[float, Field(strict=False, allow_inf_nan=False, ge=0, lt=1), NUMBER]
#: ``5e3``, which YAML reads as a float, is 5000.
Whole = Annotated[int, Field(strict=False), NUMBER]
#: 1, 2, 3, ...
Count = Annotated[int, Field(strict=False, ge=1), NUMBER]
#: 0, 1, 2, ...
CountOrZero = Annotated[int, Field(strict=False, ge=0), NUMBER]
#: NumPy's global generator, which the toolbox seeds with this plus the number of a rank or worker, takes 32 bits.
Seed = Annotated[int, Field(strict=False, ge=0, lt=2**31), NUMBER]
#: Names a folder, or is a part of a file name.
PathComponent = Annotated[str, AfterValidator(_path_component)]

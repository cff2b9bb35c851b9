"""Kinds of values in an option file: numbers, which text may spell, and names of folders.

BasicSR's own loader reads ``1e-4`` as text; wherever a number belongs, text that spells one is that number.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from bsr_plugin.options.section import problem
from bsr_plugin.options.wording import shown

#: Bytes of a name in UTF-8: file systems end at 255, and ``train_NAME_20260101_000000.log`` is longer than the name.
LONGEST_NAME = 200


def _number(value: Any) -> Any:
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise problem(f'{shown(value)} is not a number')
    return number


def _path_component(text: str) -> str:
    if not text or text in ('.', '..') or text != text.strip() or not text.isprintable() or set(text) & {'/', '\\'}:
        raise problem(
            f'{shown(text)} cannot name a folder; use a name without slashes, control characters and outer blanks'
        )
    if (size := len(text.encode())) > LONGEST_NAME:
        raise problem(f'{shown(text)} has {size} bytes; {LONGEST_NAME} is the most')
    return text


Real = Annotated[float, Field(strict=False, allow_inf_nan=False), BeforeValidator(_number)]
#: ``5e3``, which YAML reads as a float, is 5000.
Whole = Annotated[int, Field(strict=False), BeforeValidator(_number)]
#: 1, 2, 3, ...
Count = Annotated[Whole, Field(ge=1)]
#: 0, 1, 2, ...
CountOrZero = Annotated[Whole, Field(ge=0)]
Positive = Annotated[Real, Field(gt=0)]
NotNegative = Annotated[Real, Field(ge=0)]
#: At least 0 and less than 1, as decay rates are.
Fraction = Annotated[Real, Field(ge=0, lt=1)]
#: Names a folder, or is a part of a file name.
PathComponent = Annotated[str, AfterValidator(_path_component)]

_WHOLE: TypeAdapter[int] = TypeAdapter(Whole)


def whole_or_none(value: Any) -> int | None:
    """``value`` as an integer, or ``None`` where it is anything else."""
    try:
        return _WHOLE.validate_python(value)
    except ValidationError:
        return None

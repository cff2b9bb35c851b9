"""Kinds of values in an option file: whole numbers, numbers, lists of them, folders.

BasicSR's own loader reads ``1e-4`` as text; wherever a number belongs, text that spells one is that number.
"""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from bsr_plugin.options.section import problem
from bsr_plugin.options.wording import shown

#: Bytes of a name in UTF-8.
LONGEST_NAME = 200
_SPELLS_A_NUMBER = re.compile(r'[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?')


def number(value: Any) -> float | int:
    """``value`` as a finite number; ``true`` and ``false`` are none."""
    if isinstance(value, str) and _SPELLS_A_NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise problem(f'{shown(value)} is no number')
    return value


def whole_number(value: Any) -> int:
    """``value`` as an integer; ``5e3`` is 5000."""
    whole = whole_or_none(value)
    if whole is None:
        raise problem(f'{shown(value)} is no whole number')
    return whole


def whole_or_none(value: Any) -> int | None:
    """``value`` as an integer, or ``None`` where it is anything else."""
    return int(number(value)) if is_number(value) and number(value) == int(number(value)) else None


def is_number(value: Any) -> bool:
    """Whether :func:`number` takes ``value``."""
    try:
        number(value)
    except ValueError:
        return False
    return True


def path_component(text: str) -> str:
    """``text`` where it can name a folder inside another: nothing that leads elsewhere or that listings hide.

    A run's name is part of longer file names (``train_NAME_20260101_000000.log``), and file systems end at 255 bytes.
    """
    if not text or text in ('.', '..') or text != text.strip() or not text.isprintable() or set(text) & {'/', '\\'}:
        raise problem(
            f'{shown(text)} cannot name a folder; use a name without slashes, control characters and outer blanks'
        )
    if (size := len(text.encode())) > LONGEST_NAME:
        raise problem(f'{shown(text)} has {size} bytes; {LONGEST_NAME} is the most')
    return text


Real = Annotated[float, BeforeValidator(number)]
Whole = Annotated[int, BeforeValidator(whole_number)]
#: 1, 2, 3, ...
Count = Annotated[Whole, Field(ge=1)]
#: 0, 1, 2, ...
CountOrZero = Annotated[Whole, Field(ge=0)]
Positive = Annotated[Real, Field(gt=0)]
NotNegative = Annotated[Real, Field(ge=0)]
#: At least 0 and less than 1, as decay rates are.
Fraction = Annotated[Real, Field(ge=0, lt=1)]
#: Names a folder, or is a part of a file name.
PathComponent = Annotated[str, AfterValidator(path_component)]

"""The one exception that means "the user can fix this"."""

import math
from typing import TypeGuard


class InputError(ValueError):
    """Wrong input: a path, an option or a file that the user can fix.

    The message is one sentence that names the offending value and the fix. Library code raises it; the
    command line prints it without a traceback and exits with status 2.
    """

    def __str__(self) -> str:
        # PyTorch's loader raises what a worker raised with the worker's traceback before the sentence.
        return super().__str__().rpartition('bsr_plugin.errors.InputError: ')[2].rstrip()


def is_whole(value: object) -> TypeGuard[int]:
    """Whether an argument is an integer, which a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether an argument is a finite number, which a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

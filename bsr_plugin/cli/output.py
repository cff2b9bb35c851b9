"""What commands share in printing: exit statuses, tables and JSON files."""

import json
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from bsr_plugin.atomic import write_text

EXIT_DONE, EXIT_PARTLY, EXIT_WRONG_INPUT = 0, 1, 2


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns: the first flush left, the others flush right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return '\n'.join(
        '  '.join(
            word.ljust(width) if column == 0 else word.rjust(width)
            for column, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def count_of(number: int, what: str) -> str:
    """``1 image``, ``2 images``."""
    return f'{number:,} {what}{"" if number == 1 else "s"}'


def write_json(path: Path | None, content: Any) -> None:
    """Writes ``content`` to ``path``, whole or not at all; does nothing without a path.

    It is ASCII, because the bytes of a file's name need not be text. Numbers that JSON does not have are strings, as in
    ``metrics.json``: ``Infinity`` is the PSNR of an image that equals its HR image.
    """
    if path is not None:
        write_text(path, json.dumps(_with_strings(content), indent=1, allow_nan=False) + '\n')


def _with_strings(content: Any) -> Any:
    if isinstance(content, float) and not isfinite(content):
        return json.dumps(content)
    if isinstance(content, dict):
        return {key: _with_strings(value) for key, value in content.items()}
    return [_with_strings(value) for value in content] if isinstance(content, list | tuple) else content

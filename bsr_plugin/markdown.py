"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of cells that are Markdown: the first column flush left, the others flush right."""
    rule = ['---', *['---:'] * (len(heads) - 1)]
    return [markdown_row(cells) for cells in (heads, rule, *rows)]


def markdown_row(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f'| {" | ".join(cells)} |'


def markdown_text(text: str) -> str:
    """Text without a meaning of its own in Markdown, in one line."""
    escapes = str.maketrans({character: f'\\{character}' for character in '\\`*_<>|[]#'})
    return ' '.join(text.translate(escapes).split())

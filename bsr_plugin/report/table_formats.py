"""Comparison tables as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict

from bsr_plugin.report.tables import PSNR_PLACES, SSIM_PLACES, Cell, Row, RowKey, Table

_CSV_COLUMNS = (
    'table', 'degradation', 'scale', 'dataset', 'method', 'source', 'images', 'psnr_y', 'ssim_y', 'psnr_rgb',
    'psnr_rank', 'ssim_rank', 'psnr_difference', 'ssim_difference', 'misprint', 'note',
)  # fmt: skip


def figure_text(value: float | None, places: int) -> str:
    """A figure as tables print it; a dash where there is none."""
    if value is None:
        return '–'  # noqa: RUF001
    return 'NaN' if math.isnan(value) else f'{value:.{places}f}'


def both_texts(cell: Cell) -> tuple[str, str]:
    """PSNR and SSIM of a cell as tables print them."""
    return figure_text(cell.psnr, PSNR_PLACES), figure_text(cell.ssim, SSIM_PLACES)


def signed(value: float | None, places: int) -> str:
    """A difference with its sign; nothing where there is none."""
    if value is None:
        return ''
    text = f'{value:+.{places}f}'
    return text if float(text) else text[1:]


def footnotes(table: Table) -> dict[tuple[RowKey, str], tuple[int, str]]:
    """What is said of single cells below a table: row and set -> mark and sentence, in the order of the cells."""
    notes: dict[tuple[RowKey, str], tuple[int, str]] = {}
    for row in table.rows if table.number != 4 else ():
        for name in table.sets:
            cell = row.cell(name)
            if cell.note:
                what = f'misprint of the paper: {cell.note}' if cell.misprint else cell.note
                notes[row.key, name] = len(notes) + 1, f'{row.method}, {name}: {what}'
    return notes


def mark_of(table: Table, row: Row, name: str) -> str:
    """The mark of a cell's footnote, or nothing."""
    mark, _ = footnotes(table).get((row.key, name), ('', ''))
    return str(mark)


def below(table: Table) -> list[str]:
    """What is said below a table as a whole."""
    return [table.legend, *([table.reproduction] if table.reproduction else [])]


def to_csv(tables: Sequence[Table]) -> str:
    """One line for each method and set of each table; measured figures at full length."""
    text = io.StringIO()
    lines = csv.DictWriter(text, _CSV_COLUMNS, lineterminator='\n')
    lines.writeheader()
    for table in tables:
        kind = {'table': table.number or '', 'degradation': table.degradation, 'scale': table.scale}
        for row in table.rows:
            source = 'measured' if row.measured else 'paper'
            for name in [name for name in table.sets if name in row.cells]:
                cell = _csv_cell(row.cell(name))
                lines.writerow({**kind, 'dataset': name, 'method': row.method, 'source': source, **cell})
    return text.getvalue()


def _csv_cell(cell: Cell) -> dict[str, object]:
    figures = {key: value for key, value in asdict(cell).items() if value is not None}
    figures |= {key: f'{value:.6f}' for key, value in figures.items() if key.endswith('difference')}
    return {{'psnr': 'psnr_y', 'ssim': 'ssim_y'}.get(key, key): value for key, value in figures.items()}


def to_markdown(tables: Sequence[Table]) -> str:
    """A section for each table; per set PSNR-Y / SSIM-Y, then difference and rank of the PSNR."""
    return '\n'.join(_markdown_table(table) for table in tables)


def _markdown_table(table: Table) -> str:
    both = table.number != 4
    kinds = 'PSNR-Y / SSIM-Y' if both else 'PSNR-Y'
    heads = [head for name in table.sets for head in (f'{_markdown_text(name)} {kinds}', 'Δ (rank)')]
    lines = [f'## {table.title}', '', _markdown_row(['Method', *heads]), _markdown_row(['---', *['---:'] * len(heads)])]
    for row in table.rows:
        words = [f'**{_markdown_text(row.method)}**' if row.measured else row.method]
        for name in table.sets:
            cell = row.cell(name)
            mark = mark_of(table, row, name)
            rank = f' ({cell.psnr_rank})' if cell.psnr_rank else ''
            figures = ' / '.join(both_texts(cell)[: 1 + both])
            words += [figures + (f' [{mark}]' if mark else ''), signed(cell.psnr_difference, PSNR_PLACES) + rank]
        lines.append(_markdown_row(words))
    notes = [f'[{mark}] {_markdown_text(sentence)}' for mark, sentence in footnotes(table).values()]
    return '\n'.join([*lines, '', '  \n'.join([*map(_markdown_text, below(table)), *notes]), ''])


def _markdown_row(words: Sequence[str]) -> str:
    return f'| {" | ".join(words)} |'


def _markdown_text(text: str) -> str:
    for character in '\\`*_<>|[]#':
        text = text.replace(character, f'\\{character}')
    return ' '.join(text.split())


def to_latex(tables: Sequence[Table]) -> str:
    """A ``table`` environment for each table, for the package booktabs; best bold, second underlined."""
    return '% needs \\usepackage{booktabs}\n' + '\n'.join(_latex_table(table) for table in tables)


def _latex_table(table: Table) -> str:
    both = table.number != 4
    columns = 2 if both else 1
    heads = ' & '.join(f'\\multicolumn{{{columns}}}{{c}}{{{_latex_text(name)}}}' for name in table.sets)
    kinds = ' & '.join(['PSNR & SSIM' if both else 'PSNR'] * len(table.sets))
    caption = _latex_text(f'{table.title}. In brackets: difference in dB. {" ".join(below(table))}')
    lines = [
        '\\begin{table}',
        f'\\caption{{{caption}}}',
        f'\\begin{{tabular}}{{l{"r" * columns * len(table.sets)}}}',
        '\\toprule',
        f'Method & {heads} \\\\',
        f' & {kinds} \\\\',
        '\\midrule',
    ]
    for number, row in enumerate(table.rows):
        if row.measured and number and not table.rows[number - 1].measured:
            lines.append('\\midrule')
        words = [_latex_text(row.method)]
        for name in table.sets:
            words += _latex_cell(row.cell(name), mark_of(table, row, name), both)
        lines.append(f'{" & ".join(words)} \\\\')
    notes = [
        f'\\par\\footnotesize $^{{{mark}}}$ {_latex_text(sentence)}' for mark, sentence in footnotes(table).values()
    ]
    return '\n'.join([*lines, '\\bottomrule', '\\end{tabular}', *notes, '\\end{table}', ''])


def _latex_cell(cell: Cell, mark: str, both: bool) -> list[str]:
    difference = signed(cell.psnr_difference, PSNR_PLACES)
    psnr, ssim = (text.replace('–', '--') for text in both_texts(cell))  # noqa: RUF001
    psnr = _emphasis(psnr, cell.psnr_rank) + (f' {{\\scriptsize ($ {difference} $)}}' if difference else '')
    psnr += f'$^{{{mark}}}$' if mark else ''
    return [psnr, _emphasis(ssim, cell.ssim_rank)][: 1 + both]


def _emphasis(text: str, rank: int | None) -> str:
    return f'\\textbf{{{text}}}' if rank == 1 else f'\\underline{{{text}}}' if rank == 2 else text


def _latex_text(text: str) -> str:
    escapes = {'\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}'}
    return ''.join(escapes.get(c, f'\\{c}' if c in '&%$#_{}' else c) for c in text)

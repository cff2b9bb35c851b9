"""Comparison tables as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict

from bsr_plugin.markdown import markdown_table, markdown_text
from bsr_plugin.report.cost import COST_HEADS
from bsr_plugin.report.table_model import PLACES, Cell, Table

_CSV_COLUMNS = (
    'table', 'degradation', 'scale', 'dataset', 'method', 'source', 'images', 'psnr_y', 'ssim_y', 'psnr_rgb',
    'psnr_rank', 'ssim_rank', 'psnr_difference', 'ssim_difference', 'misprint', 'note', 'parameters', 'macs_per_pixel',
)  # fmt: skip


def figure_text(value: float | None, places: int) -> str:
    """A figure as tables print it; a dash where there is none."""
    if value is None:
        return '–'  # noqa: RUF001
    return 'NaN' if math.isnan(value) else f'{value:.{places}f}'


def both_texts(cell: Cell) -> tuple[str, str]:
    """PSNR and SSIM of a cell as tables print them."""
    return figure_text(cell.psnr, PLACES['psnr']), figure_text(cell.ssim, PLACES['ssim'])


def signed(value: float | None, places: int) -> str:
    """A difference with its sign; nothing where there is none."""
    if value is None:
        return ''
    text = f'{value:+.{places}f}'
    return text if float(text) else text[1:]


def to_csv(tables: Sequence[Table]) -> str:
    """One line for each method and set of each table; measured figures at full length."""
    text = io.StringIO()
    lines = csv.DictWriter(text, _CSV_COLUMNS, lineterminator='\n', extrasaction='ignore')
    lines.writeheader()
    for table in tables:
        kind = {'table': table.number or '', 'degradation': table.degradation, 'scale': table.scale}
        for row in table.rows:
            method = {'method': row.method, 'source': row.source, **asdict(row.cost)}
            for name in [name for name in table.sets if name in row.cells]:
                cell = asdict(row.cells[name])
                for key in PLACES:
                    cell[f'{key}_y'], difference = cell[key], cell[f'{key}_difference']
                    cell[f'{key}_difference'] = None if difference is None else f'{difference:.6f}'
                lines.writerow({**kind, **method, 'dataset': name, **cell})
    return text.getvalue()


def to_markdown(tables: Sequence[Table]) -> str:
    """A section for each table; per set PSNR-Y / SSIM-Y, then difference and rank of the PSNR."""
    return '\n'.join(_markdown_table(table) for table in tables)


def _markdown_table(table: Table) -> str:
    kinds = ' / '.join(f'{key.upper()}-Y' for key in table.keys)
    heads = [*COST_HEADS] if table.has_costs else []
    heads += [head for name in table.sets for head in (f'{markdown_text(name)} {kinds}', 'Δ (rank)')]
    rows = []
    for row in table.rows:
        words = [row.method if row.source == 'paper' else f'**{markdown_text(row.method)}**']
        words += row.cost.texts if table.has_costs else ()
        for cell in map(row.cell, table.sets):
            figures = ' / '.join(both_texts(cell)[: len(table.keys)])
            mark = f' [{cell.footnote}]' if cell.footnote else ''
            rank = f' ({cell.psnr_rank})' if cell.psnr_rank else ''
            words += [figures + mark, signed(cell.psnr_difference, PLACES['psnr']) + rank]
        rows.append(words)
    notes = [f'[{number}] {markdown_text(sentence)}' for number, sentence in table.footnotes]
    lines = markdown_table(['Method', *heads], rows)
    return '\n'.join([f'## {table.title}', '', *lines, '', '  \n'.join([*map(markdown_text, table.below), *notes]), ''])


def to_latex(tables: Sequence[Table]) -> str:
    """A ``table`` environment for each table, for the package booktabs; best bold, second underlined."""
    return '% needs \\usepackage{booktabs}\n' + '\n'.join(_latex_table(table) for table in tables)


def _latex_table(table: Table) -> str:
    columns = len(table.keys)
    costs = [*COST_HEADS] if table.has_costs else []
    heads = ['Method', *costs, *(f'\\multicolumn{{{columns}}}{{c}}{{{latex_text(name)}}}' for name in table.sets)]
    kinds = [key.upper() for key in table.keys] * len(table.sets)
    caption = latex_text(f'{table.title}. In brackets: difference in dB. {" ".join(table.below)}')
    lines = [
        '\\begin{table}',
        f'\\caption{{{caption}}}',
        f'\\begin{{tabular}}{{l{"r" * len(costs + kinds)}}}',
        '\\toprule',
        f'{" & ".join(heads)} \\\\',
        f'{" & ".join(["", *("" for _ in costs), *kinds])} \\\\',
        '\\midrule',
    ]
    after_published = False
    for row in table.rows:
        if row.measured and after_published:
            lines.append('\\midrule')
        after_published = not row.measured
        cells = [text for name in table.sets for text in _latex_cell(row.cell(name))[:columns]]
        words = [latex_text(row.method), *(row.cost.texts if costs else ()), *cells]
        lines.append(f'{" & ".join(words)} \\\\')
    notes = [f'\\par\\footnotesize $^{{{number}}}$ {latex_text(sentence)}' for number, sentence in table.footnotes]
    return '\n'.join([*lines, '\\bottomrule', '\\end{tabular}', *notes, '\\end{table}', ''])


def _latex_cell(cell: Cell) -> list[str]:
    difference = signed(cell.psnr_difference, PLACES['psnr'])
    psnr, ssim = (text.replace('–', '--') for text in both_texts(cell))  # noqa: RUF001
    psnr = _emphasis(psnr, cell.psnr_rank) + (f' {{\\scriptsize ($ {difference} $)}}' if difference else '')
    psnr += f'$^{{{cell.footnote}}}$' if cell.footnote else ''
    return [psnr, _emphasis(ssim, cell.ssim_rank)]


def _emphasis(text: str, rank: int | None) -> str:
    return f'\\textbf{{{text}}}' if rank == 1 else f'\\underline{{{text}}}' if rank == 2 else text


def latex_text(text: str) -> str:
    """Text without a meaning of its own in LaTeX."""
    escapes = {character: f'\\{character}' for character in '&%$#_{}'}
    escapes |= {'\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}'}
    return ''.join(escapes.get(character, character) for character in text)

"""``index.html``: tables, pictures and plots in one file that needs no network."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray

from bsr_plugin.evaluation.results import ImageResult, Kind, SetResult
from bsr_plugin.report.baselines import BaselineKey, baseline_of, key_of
from bsr_plugin.report.bicubic import Quality
from bsr_plugin.report.difference import coloured, difference_maps
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example, Run
from bsr_plugin.report.table_formats import below, both_texts, figure_text, footnotes, mark_of, signed
from bsr_plugin.report.tables import PSNR_PLACES, SSIM_PLACES, Cell, Table

_KINDS: tuple[tuple[Kind, str, int], ...] = (
    ('psnr_y', 'PSNR-Y', PSNR_PLACES),
    ('ssim_y', 'SSIM-Y', SSIM_PLACES),
    ('psnr_rgb', 'PSNR-RGB', PSNR_PLACES),
)


@dataclass(frozen=True)
class Plot:
    """A plot of the page.

    Attributes:
        section: Where it goes: ``curves``, ``pic`` or ``attention``.
        svg: The plot.
        title: What stands above it, if anything.
        caption: What it was measured on.
    """

    section: str
    svg: str
    title: str = ''
    caption: str = ''


@dataclass(frozen=True)
class Content:
    """What the page shows; a part that is empty is left out.

    Attributes:
        title: Heading.
        runs: Test runs.
        baselines: Bicubic figures.
        tables: Comparisons with the paper.
        examples: Images to look at.
        plots: Training curves, PIC distribution, attention.
        warnings: Why figures are not what they seem.
        problems: What is missing, and why.
    """

    title: str
    runs: Sequence[Run]
    baselines: Mapping[BaselineKey, Quality]
    tables: Sequence[Table]
    examples: Sequence[Example] = ()
    plots: Sequence[Plot] = ()
    warnings: Sequence[str] = ()
    problems: Sequence[str] = ()


_SECTIONS = {
    'measured': 'What was measured',
    'tables': 'Beside the paper',
    'pictures': 'Pictures',
    'images': 'Image by image',
    'curves': 'Training',
    'pic': 'Patch information capacity',
    'attention': 'Attention',
}


def render(content: Content) -> str:
    """The page as HTML."""
    source = files('bsr_plugin.report')
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(source.joinpath('page.html').read_text(encoding='utf-8'))
    plots: dict[str, list[dict[str, Any]]] = {}
    for plot in content.plots:
        plots.setdefault(plot.section, []).append({**asdict(plot), 'svg': Markup(plot.svg)})
    parts = {
        'measured': _measured(content),
        'tables': [_table(table) for table in content.tables],
        'pictures': [_example(number, example) for number, example in enumerate(content.examples)],
        'images': list(_image_tables(content)),
    }
    return template.render(
        title=content.title,
        versions=_versions(content.runs),
        sections={anchor: name for anchor, name in _SECTIONS.items() if parts.get(anchor) or anchor in plots},
        warnings=content.warnings,
        problems=content.problems,
        css=Markup(source.joinpath('page.css').read_text(encoding='utf-8')),
        js=Markup(source.joinpath('page.js').read_text(encoding='utf-8')),
        plots=plots,
        **parts,
    )


def _versions(runs: Sequence[Run]) -> str:
    found = sorted({f'{name} {version}' for run in runs for name, version in run.result.versions.items()})
    return ', '.join(found)


def _word(text: str) -> dict[str, str | None]:
    """A cell of a table that is text: it has no value to sort by."""
    return {'text': text, 'value': None}


def _number(value: float | None, text: str) -> dict[str, str | None]:
    """A cell of a table with its text for the eye and the full figure for sorting, which NaN has none of."""
    known = value is not None and not math.isnan(value)
    return {'text': text, 'value': str(value).replace('inf', 'Infinity') if known else ''}


def _figure(value: float | None, places: int) -> dict[str, str | None]:
    return _number(value, '' if value is None else figure_text(value, places))


def _measured(content: Content) -> dict[str, Any]:
    """A row for each run and set."""
    heads = ['Run', 'Set', 'Scale', 'Degradation', 'Images', 'Parameters', *(label for _, label, _ in _KINDS)]
    rows = [
        [
            _word(run.result.name),
            _word(part.name),
            _number(part.scale, f'x{part.scale}'),
            _word(part.degradation),
            _number(len(part.images), str(len(part.images))),
            _number(run.result.parameters, f'{run.result.parameters:,}'),
            *(_figure(run.result.value(part, kind), places) for kind, _, places in _KINDS),
            _gain(run, part, content.baselines),
        ]
        for run in content.runs
        for part in run.result.sets
    ]
    return {'heads': [*heads, 'over bicubic'], 'rows': rows}


def _gain(run: Run, part: SetResult, baselines: Mapping[BaselineKey, Quality]) -> dict[str, str | None]:
    bicubic = [quality.psnr_y for quality in baseline_of(part, baselines)]
    value = run.result.value(part, 'psnr_y')
    if value is None or math.isnan(value) or len(bicubic) < max(1, len(part.images)):
        return _number(None, '')
    gain = value - float(np.mean(bicubic))
    return _number(gain, f'{gain:+.{PSNR_PLACES}f} dB')


def _table(table: Table) -> dict[str, Any]:
    """A table of the paper, its cells in twos: PSNR and SSIM."""
    keys = ('psnr',) if table.number == 4 else ('psnr', 'ssim')
    rows = []
    for number, row in enumerate(table.rows):
        cells = []
        for name in table.sets:
            cell = row.cell(name)
            mark = mark_of(table, row, name)
            cells += [_compared(cell, key, mark if cell.misprint in ('', key) else '') for key in keys]
        first = row.measured and number > 0 and not table.rows[number - 1].measured
        rows.append({'method': row.method, 'measured': row.measured, 'first': first, 'cells': cells})
    heads = [f'{name} {key.upper()}' for name in table.sets for key in keys]
    notes = footnotes(table).values()
    return {'title': table.title, 'heads': heads, 'rows': rows, 'below': below(table), 'notes': notes}


def _compared(cell: Cell, key: str, mark: str) -> dict[str, Any]:
    psnr = key == 'psnr'
    difference = cell.psnr_difference if psnr else cell.ssim_difference
    text = signed(difference, PSNR_PLACES if psnr else SSIM_PLACES)
    return {
        'text': both_texts(cell)[not psnr],
        'mark': mark,
        'rank': cell.psnr_rank if psnr else cell.ssim_rank,
        'difference': text,
        'direction': '' if not text or float(text) == 0 else 'up' if float(text) > 0 else 'down',
    }


def _example(number: int, example: Example) -> dict[str, Any]:
    rows, columns = example.region
    top, left, side = example.detail
    truth = example.versions[-1].picture
    versions = [
        {
            'caption': version.caption,
            'region': data_uri(version.picture[rows, columns]),
            'detail': data_uri(version.picture[top : top + side, left : left + side]),
        }
        for version in example.versions
    ]
    maps = [
        entry
        for version in example.versions
        if version.label != HR_LABEL
        for entry in _maps(version.label, version.picture, truth, example)
    ]
    return {
        'id': f'picture-{number}',
        'title': f'{example.dataset}: {example.name}, x{example.scale}, {example.degradation}',
        'versions': versions,
        'right': min(1, len(versions) - 1),
        'width': columns.stop - columns.start,
        'height': rows.stop - rows.start,
        'maps': maps,
    }


def _maps(label: str, picture: NDArray[np.uint8], truth: NDArray[np.uint8], example: Example) -> list[dict[str, str]]:
    region = example.region
    l2, lp = difference_maps(picture[region], truth[region])
    return [
        {'caption': f'{label}: {name}, up to {values.max():.3g}', 'picture': data_uri(coloured(values)[..., ::-1])}
        for name, values in (('L2', l2), ('Lp', lp))
    ]


def _image_tables(content: Content) -> Iterable[dict[str, Any]]:
    """A table for each set, scale and degradation, with the columns of all runs that tested it."""
    shapes: dict[tuple[str, int, str], dict[str, tuple[SetResult, ImageResult]]] = {}
    for run in content.runs:
        for part in run.result.sets:
            images = shapes.setdefault((part.name, part.scale, part.degradation), {})
            for image in part.images:
                images.setdefault(image.gt, (part, image))
    for number, ((name, scale, degradation), images) in enumerate(shapes.items()):
        runs = [
            (run, {image.gt: image for image in part.images})
            for run in content.runs
            for part in run.result.sets
            if (part.name, part.scale, part.degradation) == (name, scale, degradation)
        ]
        shown = [(run, own, kind) for run, own in runs for kind in _KINDS if run.result.metric_named(kind[0])]
        heads = ['Image', f'{BICUBIC_LABEL} PSNR-Y', f'{BICUBIC_LABEL} SSIM-Y']
        heads += [f'{run.result.name} {label}' for run, _, (_, label, _) in shown]
        rows = []
        for gt, (part, image) in sorted(images.items(), key=lambda entry: entry[1][1].name):
            quality = content.baselines.get(key_of(part, image))
            row = [_word(image.name)]
            row.append(_figure(None if quality is None else quality.psnr_y, PSNR_PLACES))
            row.append(_figure(None if quality is None else quality.ssim_y, SSIM_PLACES))
            for run, own, (kind, _, places) in shown:
                row.append(_figure(run.result.value(own[gt], kind) if gt in own else None, places))
            rows.append(row)
        if rows:
            title = f'{name}, x{scale}, {degradation}: {len(rows)} images'
            yield {'id': f'images-{number}', 'title': title, 'heads': heads, 'rows': rows}


def data_uri(image: NDArray[np.uint8]) -> str:
    """A (H, W, 3) BGR picture for the page, without loss."""
    lossless = 101  # WebP's quality above 100
    done, data = cv2.imencode('.webp', np.ascontiguousarray(image), [cv2.IMWRITE_WEBP_QUALITY, lossless])
    if not done:
        raise ValueError(f'A picture of shape {image.shape} cannot be encoded as WebP.')
    return f'data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}'

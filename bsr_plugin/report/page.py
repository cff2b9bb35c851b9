"""``index.html``: tables, pictures and plots in one file that needs no network."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray

from bsr_plugin.evaluation.results import ImageResult, Kind, SetResult
from bsr_plugin.report.baselines import BaselineKey, key_of
from bsr_plugin.report.bicubic import Quality
from bsr_plugin.report.difference import coloured, difference_maps
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example, Run
from bsr_plugin.report.table_formats import below, footnotes, mark_of, psnr_text, signed, ssim_text
from bsr_plugin.report.tables import PSNR_PLACES, SSIM_PLACES, Cell, Table

_KINDS: tuple[tuple[Kind, str, int], ...] = (
    ('psnr_y', 'PSNR-Y', PSNR_PLACES),
    ('ssim_y', 'SSIM-Y', SSIM_PLACES),
    ('psnr_rgb', 'PSNR-RGB', PSNR_PLACES),
)


@dataclass(frozen=True)
class AttentionPart:
    """The attention of a network, drawn.

    Attributes:
        title: Name of the test run.
        caption: What it was measured on.
        svg: Mean weights and maps.
    """

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Content:
    """What the page shows; a part that is empty is left out.

    Attributes:
        title: Heading.
        runs: Test runs.
        baselines: Bicubic figures.
        tables: Comparisons with the paper.
        examples: Images to look at.
        curves: SVG of the training curves.
        pic: Caption and SVG of the PIC distribution.
        attention: Attention of the networks.
        problems: Sentences on what is missing, and why.
    """

    title: str
    runs: Sequence[Run]
    baselines: Mapping[BaselineKey, Quality]
    tables: Sequence[Table]
    examples: Sequence[Example] = ()
    curves: str = ''
    pic: tuple[str, str] | None = None
    attention: Sequence[AttentionPart] = ()
    problems: Sequence[str] = field(default_factory=tuple)


def render(content: Content) -> str:
    """The page as HTML."""
    source = files('bsr_plugin.report')
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(source.joinpath('page.html').read_text(encoding='utf-8'))
    parts = {
        'measured': _measured(content),
        'tables': [_table(table) for table in content.tables],
        'pictures': [_example(number, example) for number, example in enumerate(content.examples)],
        'images': list(_image_tables(content)),
        'curves': Markup(content.curves),
        'pic': content.pic and {'caption': content.pic[0], 'svg': Markup(content.pic[1])},
        'attention': [
            {'title': part.title, 'caption': part.caption, 'svg': Markup(part.svg)} for part in content.attention
        ],
    }
    return template.render(
        title=content.title,
        versions=_versions(content.runs),
        sections=[(anchor, _SECTIONS[anchor]) for anchor in _SECTIONS if parts[anchor]],
        problems=content.problems,
        css=Markup(source.joinpath('page.css').read_text(encoding='utf-8')),
        js=Markup(source.joinpath('page.js').read_text(encoding='utf-8')),
        **{**parts, 'examples': parts['pictures']},
    )


_SECTIONS = {
    'measured': 'Measured',
    'tables': 'Beside the paper',
    'pictures': 'Pictures',
    'images': 'Image by image',
    'curves': 'Training',
    'pic': 'PIC',
    'attention': 'Attention',
}


def _versions(runs: Sequence[Run]) -> str:
    found = sorted({f'{name} {version}' for run in runs for name, version in run.result.versions.items()})
    return ', '.join(found)


def _cell(value: float | None, places: int) -> dict[str, Any]:
    """Text for the eye, the full figure for sorting."""
    return _number(value, '' if value is None else f'{value:.{places}f}')


def _number(value: float | None, text: str) -> dict[str, Any]:
    return {'text': text, 'value': value, 'is_text': False}


def _word(text: str) -> dict[str, Any]:
    return {'text': text, 'value': None, 'is_text': True}


def _measured(content: Content) -> dict[str, Any]:
    heads = [
        'Run',
        'Set',
        'Scale',
        'Degradation',
        'Images',
        'Parameters',
        'PSNR-Y',
        'SSIM-Y',
        'PSNR-RGB',
        'over bicubic',
    ]
    rows = []
    for run in content.runs:
        for part in run.result.sets:
            figures = [_cell(run.result.value(part, kind), places) for kind, _, places in _KINDS]
            rows.append(
                [
                    _word(run.result.name),
                    _word(part.name),
                    _number(part.scale, f'x{part.scale}'),
                    _word(part.degradation),
                    _number(len(part.images), str(len(part.images))),
                    _number(run.result.parameters, f'{run.result.parameters:,}'),
                    *figures,
                    _gain(run, part, content.baselines),
                ]
            )
    return {'heads': heads, 'rows': rows}


def _gain(run: Run, part: SetResult, baselines: Mapping[BaselineKey, Quality]) -> dict[str, Any]:
    bicubic = [baselines[key_of(part, image)].psnr_y for image in part.images if key_of(part, image) in baselines]
    value = run.result.value(part, 'psnr_y')
    if value is None or len(bicubic) < max(1, len(part.images)):
        return _number(None, '')
    gain = value - float(np.mean(bicubic))
    return _number(gain, f'{gain:+.{PSNR_PLACES}f} dB')


def _table(table: Table) -> dict[str, Any]:
    keys = ('psnr',) if table.number == 4 else ('psnr', 'ssim')
    rows = []
    for number, row in enumerate(table.rows):
        cells = []
        for name in table.sets:
            cell = row.cells.get(name, Cell(None, None))
            mark = mark_of(table, row.method, name)
            cells += [_figure(cell, key, mark if cell.misprint in ('', key) else '') for key in keys]
        first = row.measured and number > 0 and not table.rows[number - 1].measured
        rows.append({'method': row.method, 'measured': row.measured, 'first': first, 'cells': cells})
    heads = [f'{name} {key.upper()}' for name in table.sets for key in keys]
    return {'title': table.title, 'heads': heads, 'rows': rows, 'below': below(table), 'notes': footnotes(table)}


def _figure(cell: Cell, key: str, mark: str) -> dict[str, Any]:
    psnr = key == 'psnr'
    difference = cell.psnr_difference if psnr else cell.ssim_difference
    text = signed(difference, PSNR_PLACES if psnr else SSIM_PLACES)
    return {
        'text': psnr_text(cell.psnr) if psnr else ssim_text(cell.ssim),
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
        for gt, (part, image) in images.items():
            quality = content.baselines.get(key_of(part, image))
            row = [_word(image.name)]
            row.append(_cell(None if quality is None else quality.psnr_y, PSNR_PLACES))
            row.append(_cell(None if quality is None else quality.ssim_y, SSIM_PLACES))
            for run, own, (kind, _, places) in shown:
                row.append(_cell(run.result.value(own[gt], kind) if gt in own else None, places))
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

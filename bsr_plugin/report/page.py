"""``index.html``: tables, pictures and plots in one file that needs no network."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bsr_plugin.evaluation.results import ImageResult, Kind, RunResult, SetResult
from bsr_plugin.report.baselines import BaselineKey, baseline_of, key_of
from bsr_plugin.report.bicubic import Quality
from bsr_plugin.report.cost import COST_HEADS, UNKNOWN, Cost, in_thousands
from bsr_plugin.report.difference import coloured, difference_maps
from bsr_plugin.report.examples import BICUBIC_LABEL, HR_LABEL, Example
from bsr_plugin.report.table_formats import both_texts, figure_text, signed
from bsr_plugin.report.table_model import PLACES, Cell, Table
from bsr_plugin.report.template import rendered, sortable_number, sortable_word

_KINDS: tuple[tuple[Kind, str, int], ...] = (
    ('psnr_y', 'PSNR-Y', PLACES['psnr']),
    ('ssim_y', 'SSIM-Y', PLACES['ssim']),
    ('psnr_rgb', 'PSNR-RGB', PLACES['psnr']),
)


@dataclass(frozen=True)
class Plot:
    """A plot of the page, in its section ``cost``, ``curves``, ``pic`` or ``attention``.

    The caption says what was measured.
    """

    section: str
    svg: str
    title: str = ''
    caption: str = ''


@dataclass(frozen=True)
class Content:
    """What the page shows; a part that is empty is left out.

    Attributes:
        costs: Name of a run -> what its network costs.
        warnings: Why figures are not what they seem, a sentence each.
        problems: What is missing, and why, a sentence each.
    """

    title: str
    runs: Sequence[RunResult]
    baselines: Mapping[BaselineKey, Quality]
    tables: list[Table]
    examples: list[Example] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    costs: Mapping[str, Cost] = field(default_factory=dict)


_SECTIONS = {
    'measured': 'What was measured',
    'tables': 'Beside the paper',
    'pictures': 'Pictures',
    'images': 'Image by image',
    'cost': 'Quality against cost',
    'curves': 'Training',
    'pic': 'Patch information capacity',
    'attention': 'Attention',
}


def render(content: Content) -> str:
    """The page as HTML."""
    plots: dict[str, list[dict[str, Any]]] = {}
    for plot in content.plots:
        plots.setdefault(plot.section, []).append({**asdict(plot), 'svg': Markup(plot.svg)})
    parts = {
        'measured': _measured(content),
        'tables': [_table(table) for table in content.tables],
        'pictures': [_example(number, example) for number, example in enumerate(content.examples)],
        'images': list(_image_tables(content)),
    }
    return rendered(
        'page.html',
        title=content.title,
        subtitle=', '.join(sorted({f'{name} {v}' for run in content.runs for name, v in run.versions.items()})),
        sections={anchor: name for anchor, name in _SECTIONS.items() if parts.get(anchor) or anchor in plots},
        warnings=content.warnings,
        problems=content.problems,
        plots=plots,
        **parts,
    )


def _figure(value: float | None, places: int) -> dict[str, str | None]:
    return sortable_number(value, '' if value is None else figure_text(value, places))


def _measured(content: Content) -> dict[str, Any]:
    """A row for each run and set."""
    heads = ['Run', 'Set', 'Scale', 'Degradation', 'Images', *COST_HEADS, *(label for _, label, _ in _KINDS)]
    rows = [
        [
            sortable_word(run.name),
            sortable_word(part.name),
            sortable_number(part.scale, '' if part.scale is None else f'x{part.scale}'),
            sortable_word('' if part.scale is None else part.degradation),
            sortable_number(len(part.images), str(len(part.images))),
            sortable_number(run.parameters, f'{run.parameters:,}'),
            sortable_number(macs := content.costs.get(run.name, UNKNOWN).macs_per_pixel, in_thousands(macs)),
            *(_figure(run.value(part, kind), places) for kind, _, places in _KINDS),
            _gain(run.value(part, 'psnr_y'), part, content.baselines),
        ]
        for run in content.runs
        for part in run.sets
    ]
    return {'heads': [*heads, 'over bicubic'], 'rows': rows}


def _gain(psnr: float | None, part: SetResult, baselines: Mapping[BaselineKey, Quality]) -> dict[str, str | None]:
    bicubic = [quality.psnr_y for quality in baseline_of(part, baselines)]
    if psnr is None or math.isnan(psnr) or len(bicubic) < max(1, len(part.images)):
        return sortable_number(None, '')
    gain = psnr - float(np.mean(bicubic))
    return sortable_number(gain, f'{gain:+.{PLACES["psnr"]}f} dB')


def _table(table: Table) -> dict[str, Any]:
    """A table of the paper, its cells in twos: PSNR and SSIM."""
    rows = [
        {
            'method': row.method,
            'source': row.source,
            'costs': row.cost.texts if table.has_costs else (),
            'cells': [_compared(row.cell(name), key) for name in table.sets for key in table.keys],
        }
        for row in table.rows
    ]
    heads = [*COST_HEADS] if table.has_costs else []
    heads += [f'{name} {key.upper()}' for name in table.sets for key in table.keys]
    return {'title': table.title, 'heads': heads, 'rows': rows, 'below': table.below, 'notes': table.footnotes}


def _compared(cell: Cell, key: str) -> dict[str, Any]:
    psnr = key == 'psnr'
    difference = signed(cell.psnr_difference if psnr else cell.ssim_difference, PLACES[key])
    return {
        'text': both_texts(cell)[not psnr],
        'mark': cell.footnote if cell.misprint in ('', key) else None,
        'rank': cell.psnr_rank if psnr else cell.ssim_rank,
        'difference': difference,
        'direction': '' if not difference or float(difference) == 0 else 'up' if float(difference) > 0 else 'down',
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
        {
            'caption': f'{version.label}: {name}, up to {values.max():.3g}',
            'picture': data_uri(coloured(values)[..., ::-1]),
        }
        for version in example.versions
        if version.label != HR_LABEL
        for name, values in zip(
            ('L2', 'Lp'), difference_maps(version.picture[rows, columns], truth[rows, columns]), strict=True
        )
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


def _image_tables(content: Content) -> Iterable[dict[str, Any]]:
    """A table for each set, scale and degradation, with the columns of all runs that tested it."""
    tested: dict[tuple[str, int | None, str], list[tuple[RunResult, SetResult]]] = {}
    for run in content.runs:
        for part in run.sets:
            tested.setdefault(part.key, []).append((run, part))
    for number, ((name, scale, degradation), results) in enumerate(tested.items()):
        images: dict[str, tuple[SetResult, ImageResult]] = {}
        columns = []
        for run, part in results:
            own = {image.gt: image for image in part.images}
            images |= {gt: (part, image) for gt, image in own.items() if gt not in images}
            columns += [(run, own, *kind) for kind in _KINDS if run.metric_named(kind[0])]
        heads = ['Image', f'{BICUBIC_LABEL} PSNR-Y', f'{BICUBIC_LABEL} SSIM-Y']
        heads += [f'{run.name} {label}' for run, _, _, label, _ in columns]
        rows = []
        for gt, (part, image) in sorted(images.items(), key=lambda entry: entry[1][1].name):
            bicubic = content.baselines.get(key_of(part, image))
            row = [sortable_word(image.name)]
            row.append(_figure(bicubic.psnr_y if bicubic else None, PLACES['psnr']))
            row.append(_figure(bicubic.ssim_y if bicubic else None, PLACES['ssim']))
            for run, own, kind, _, places in columns:
                row.append(_figure(run.value(own[gt], kind) if gt in own else None, places))
            rows.append(row)
        if rows:
            what = name if scale is None else f'{name}, x{scale}, {degradation}'
            title = f'{what}: {len(rows)} images'
            yield {'id': f'images-{number}', 'title': title, 'heads': heads, 'rows': rows}


def data_uri(image: NDArray[np.uint8]) -> str:
    """A (H, W, 3) BGR picture for the page, without loss."""
    lossless = 101  # WebP's quality above 100
    done, data = cv2.imencode('.webp', np.ascontiguousarray(image), [cv2.IMWRITE_WEBP_QUALITY, lossless])
    if not done:
        raise ValueError(f'A picture of shape {image.shape} cannot be encoded as WebP.')
    return f'data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}'

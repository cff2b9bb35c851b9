"""``index.html`` of a study."""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from bsr_plugin.report.study_figures import differences_figure, learning_curves_figure
from bsr_plugin.report.study_table_parts import StudyTable, both_text, label_of, places_of
from bsr_plugin.report.study_tables import reach_tables
from bsr_plugin.report.study_times import seconds_table
from bsr_plugin.report.style import PAGE, inline_svg
from bsr_plugin.report.template import rendered, sortable_number, sortable_word
from bsr_plugin.study.results import StudyResult

_SECTIONS = {
    'tables': 'Results',
    'differences': 'Differences',
    'curves': 'Learning curves',
    'times': 'Times',
    'images': 'Image by image',
}


def render_study(result: StudyResult, tables: list[StudyTable]) -> str:
    """The page as HTML.

    Args:
        result: The study.
        tables: Its tables.
    """
    parts: dict[str, list[Any]] = {
        'tables': [*tables],
        'differences': list(_plots(result, 'differences')),
        'curves': list(_plots(result, 'curves')),
        'times': _times(result),
        'images': list(_images(result, 'images')),
    }
    if result.tests:
        plots = _plots(result.tests, 'differences', 'test-')
        parts['differences'] += [{**plot, 'title': f'{plot["title"]}, test sets'} for plot in plots]
        parts['images'] += _images(result.tests, 'test-images')
    seeds = ', '.join(map(str, result.seeds))
    return rendered(
        'study.html',
        title=result.name,
        subtitle=f'{len(result.variants)} variants, seeds {seeds}; reference: {result.reference}',
        sections={anchor: name for anchor, name in _SECTIONS.items() if parts[anchor]},
        warnings=_warnings(result),
        reference=result.reference,
        **parts,
    )


def _warnings(result: StudyResult) -> list[str]:
    warnings = []
    if result.done != result.planned:
        warnings.append(f'{result.done} of {result.planned} runs are done: n says of how many seeds a figure is.')
    if result.tests and result.tests.done != result.done:
        warnings.append(f'{result.tests.done} of {result.done} runs were tested on the test sets.')
    warnings += _warnings_of_images(result) + (_warnings_of_images(result.tests) if result.tests else [])
    return warnings


def _warnings_of_images(result: StudyResult) -> list[str]:
    warnings = []
    for name in dict.fromkeys(name for sets in result.images.values() for name in sets):
        if images := _not_in_all_runs(result, name):
            sentence = f'{name} was not the same for all runs, and their means do not compare'
            warnings.append(f'{sentence}: not all of them have {", ".join(images)}.')
    return warnings


def _not_in_all_runs(result: StudyResult, name: str) -> list[str]:
    """Images of a set that some of the runs have not measured, of the runs that have kept figures of single images."""
    of_variants = {variant: sets[name] for variant, sets in result.images.items() if sets.get(name)}

    def is_in_all(variant: str, image: str) -> bool:
        figures = of_variants[variant].get(image, {}).values()
        runs = result.with_images.get(variant, {}).get(name, len(result.values[variant]))
        return max((figure.n for figure in figures), default=0) == runs

    images = dict.fromkeys(image for own in of_variants.values() for image in own)
    return [image for image in images if not all(is_in_all(each, image) for each in of_variants)]


def _plots(result: StudyResult, section: str, prefix: str = '') -> Iterator[dict[str, Any]]:
    """A plot for each metric."""
    draw = {'differences': differences_figure, 'curves': learning_curves_figure}[section]
    for number, metric in enumerate(result.metrics):
        figure: Figure | None = draw(result, metric, PAGE)
        if figure:
            svg = Markup(inline_svg(figure, f'{prefix}{section}-{number}'))
            yield {'title': label_of(metric, result.metrics), 'svg': svg}


def _times(result: StudyResult) -> list[StudyTable]:
    """What depends on the machine: seconds, for which there is no place among the tables of quality."""
    table = seconds_table(result)
    if table is None:
        return []
    return [table, *reach_tables(result.times.reach, result, 'seconds')]


def _images(result: StudyResult, anchor: str) -> Iterator[dict[str, Any]]:
    """A table for each set: mean and standard deviation of every variant on every image."""
    done = [variant for variant, images in result.images.items() if images]
    sets = result.images[done[0]] if done else {}
    for number, (name, images) in enumerate((name, images) for name, images in sets.items() if images):
        columns = [(variant, metric) for metric in result.metrics for variant in done]
        rows = [
            [sortable_word(image), *(_image_cell(result, variant, name, image, metric) for variant, metric in columns)]
            for image in images
        ]
        heads = ['Image', *(f'{variant} {label_of(metric, result.metrics)}' for variant, metric in columns)]
        yield {'id': f'{anchor}-{number}', 'title': f'{name}: {len(rows)} images', 'heads': heads, 'rows': rows}


def _image_cell(result: StudyResult, variant: str, name: str, image: str, metric: str) -> Mapping[str, str | None]:
    figure = result.images[variant].get(name, {}).get(image, {}).get(metric)
    text = both_text(figure, places_of(result.metrics[metric]))
    return sortable_number(figure.mean if figure else None, text)

"""``bsr report``: from results folders to a page and tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bsr_plugin.atomic import write_text
from bsr_plugin.data.dataset_options import SamplingOptions
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, RunResult, read_results
from bsr_plugin.report.attention import attention_figure, has_attention, measure_attention
from bsr_plugin.report.baselines import key_of, lr_image, measure_baselines
from bsr_plugin.report.cost import cost_of_run
from bsr_plugin.report.cost_figure import cost_figure
from bsr_plugin.report.curves import curves_figure, read_curves
from bsr_plugin.report.examples import choose, load_example
from bsr_plugin.report.page import Content, Plot, render
from bsr_plugin.report.pic_distribution import distribution_of
from bsr_plugin.report.pic_figure import distribution_figure
from bsr_plugin.report.shipped import shipped_models
from bsr_plugin.report.style import PAGE, inline_svg
from bsr_plugin.report.table_formats import to_csv, to_latex, to_markdown
from bsr_plugin.report.tables import ablation_table, comparison_tables
from bsr_plugin.report.training import training_of, variant

#: Images that the weights of attention are averaged over.
_ATTENTION_IMAGES = 3


def load_runs(folders: Sequence[Path]) -> list[RunResult]:
    """Reads results folders; pictures get the paths they have from here, and runs of one name those of their folders.

    Raises:
        InputError: A folder holds no results, or results of no image.
    """
    runs = [_with_paths(read_results(folder), folder) for folder in folders]
    for run, folder in zip(runs, folders, strict=True):
        if not any(part.images for part in run.sets):
            raise InputError(f'{folder} has no measured image: correct the data sets of the test, and run it again.')
    names = [run.name for run in runs]
    return [
        run if names.count(run.name) == 1 else replace(run, name=str(folder))
        for run, folder in zip(runs, folders, strict=True)
    ]


def _with_paths(run: RunResult, folder: Path) -> RunResult:
    def found(image: ImageResult) -> ImageResult:
        return image if image.picture is None else replace(image, picture=str(folder / image.picture))

    return replace(run, sets=[replace(part, images=list(map(found, part.images))) for part in run.sets])


def build_report(
    folders: Sequence[Path],
    out: Path,
    *,
    logs: Sequence[Path] = (),
    pic_store: Path | None = None,
    examples: int = 3,
    title: str = 'BSR: test results',
) -> Content:
    """Writes ``index.html``, ``tables.md``, ``tables.csv`` and ``tables.tex``.

    Args:
        folders: ``results/<name>`` of test runs; differences are from the first.
        out: Folder for the files; made if it is missing.
        logs: TensorBoard logs to show in addition to those of the training runs behind the results.
        pic_store: LR store whose PIC distribution is shown; ``None`` takes the first training run's.
        examples: Images shown of every set.
        title: Heading of the page.

    Returns:
        What the page shows.

    Raises:
        InputError: A folder holds no results.
    """
    runs = load_runs(folders)
    out.mkdir(parents=True, exist_ok=True)
    trainings = {run.name: training for run in runs if (training := training_of(run))}
    options = {name: training.options for name, training in trainings.items() if training.options}
    baselines, missing = measure_baselines(part for run in runs for part in run.sets)
    costs = {run.name: cost_of_run(run) for run in runs}
    content = Content(
        title,
        runs,
        baselines,
        comparison_tables(runs, baselines, shipped_models(), costs),
        costs=costs,
        warnings=[sentence for run in runs for sentence in run.warnings],
        problems=[sentence for run in runs for sentence in run.left_out] + missing,
    )
    variants = {name: found for name, each in options.items() if (found := variant(each))}
    if ablation := ablation_table(runs, variants):
        content.tables.append(ablation)
    for part, image in choose(runs, baselines, examples):
        with _or_left_out(content):
            content.examples.append(load_example(runs, part, image, baselines))
    _add_costs(content)
    _add_curves(content, [*(each.log for each in trainings.values() if each.log), *logs])
    _add_pic(content, next(iter(options.values()), {}), pic_store)
    for run in runs:
        _add_attention(content, run)
    write_text(out / 'tables.md', to_markdown(content.tables))
    write_text(out / 'tables.csv', to_csv(content.tables))
    write_text(out / 'tables.tex', to_latex(content.tables))
    write_text(out / 'index.html', render(content))
    return content


@contextmanager
def _or_left_out(content: Content) -> Iterator[None]:
    """Goes on without a part of the report that cannot be made; why becomes a sentence in it."""
    try:
        yield
    except InputError as error:
        content.problems.append(str(error))


def _add_costs(content: Content) -> None:
    """Quality against cost, for every table but the ablation, whose networks are of one size."""
    for number, table in enumerate(content.tables):
        figure = None if table.number == 4 else cost_figure(table, PAGE)
        if figure is not None:
            title = f'x{table.scale}, {table.degradation} degradation'
            content.plots.append(Plot('cost', inline_svg(figure, f'cost-{number}'), title))


def _add_curves(content: Content, logs: Sequence[Path]) -> None:
    """The curves of every log, once, by the name of its folder, or by its path where several have one name."""
    folders = {folder.resolve(): folder for folder in logs}
    names = [folder.name for folder in folders]
    curves = {}
    for whole, folder in folders.items():
        with _or_left_out(content):
            curves[whole.name if names.count(whole.name) == 1 else str(folder)] = read_curves(folder)
    curves = {name: run for name, run in curves.items() if run}
    if curves:
        content.plots.append(Plot('curves', inline_svg(curves_figure(curves, PAGE), 'curves')))


def _add_pic(content: Content, training: Mapping[str, Any], store: Path | None) -> None:
    """Fig. 1 for a store that is named or that the first run was trained on, with the intervals of that training."""
    train_set = training.get('datasets', {}).get('train', {})
    named = train_set.get('dataroot_lq')
    if store is None and (named is None or not Path(named).exists()):
        return
    path = store or Path(named)
    with _or_left_out(content):
        scale = train_set.get('scale') or training.get('scale') or 1
        window = int(train_set.get('gt_size') or 0) // int(scale) or 48
        sampling = SamplingOptions.read(train_set, 'datasets', 'train')
        distribution = distribution_of(path, window, sampling.intervals, sampling.pic_channels)
        svg = inline_svg(distribution_figure(distribution, PAGE), 'pic')
        content.plots.append(Plot('pic', svg, caption=f'Patches of {window} LR pixels from {path}.'))


def _add_attention(content: Content, run: RunResult) -> None:
    """The attention of a network that has one, on the first images that are still there."""
    if not has_attention(run.network) or run.weights is None:
        return
    for part in run.sets:
        images = [image for image in part.images if key_of(part, image) in content.baselines][:_ATTENTION_IMAGES]
        if not images:
            continue
        with _or_left_out(content):
            figure = attention_figure(measure_attention(run, [lr_image(part, image) for image in images]), PAGE)
            names = ', '.join(image.name for image in images)
            caption = f'Mean weight of every group over {names} of {part.name}; below, the maps on the first of them.'
            content.plots.append(Plot('attention', inline_svg(figure, f'attention-{run.name}'), run.name, caption))
        return

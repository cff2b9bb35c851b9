"""``bsr report``: from results folders to a page and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bsr_plugin.atomic import write_text
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, SetResult, read_results
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.report.baselines import BaselineKey, key_of, lr_image, measure_baselines
from bsr_plugin.report.bicubic import Quality
from bsr_plugin.report.curves import curves_figure, read_curves
from bsr_plugin.report.examples import Run, choose, load_example
from bsr_plugin.report.page import Content, Plot, render
from bsr_plugin.report.pic_distribution import distribution_of
from bsr_plugin.report.pic_figure import distribution_figure
from bsr_plugin.report.style import PAGE, inline_svg
from bsr_plugin.report.table_formats import to_csv, to_latex, to_markdown
from bsr_plugin.report.tables import Table, ablation_table, comparison_tables
from bsr_plugin.report.training import Training, training_of, variant

#: Images that the weights of attention are averaged over.
_ATTENTION_IMAGES = 3

Made = TypeVar('Made')


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows in addition to the results.

    Attributes:
        logs: TensorBoard logs to show in addition to those of the training runs behind the results.
        pic_store: LR store whose PIC distribution is shown; ``None`` takes the first training run's.
        examples: Images shown of every set.
        title: Heading of the page.
    """

    logs: Sequence[Path] = ()
    pic_store: Path | None = None
    examples: int = 3
    title: str = 'BSR: test results'


@dataclass
class Report:
    """A report in the making.

    Attributes:
        tables: Comparisons with the paper.
        warnings: Sentences on figures that are not what they seem.
        problems: Sentences on what is missing, and why.
    """

    tables: list[Table] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def attempt(self, make: Callable[[], Made]) -> list[Made]:
        """Makes a part of the report; what stands in its way becomes a sentence in it, and the list is empty."""
        try:
            return [make()]
        except InputError as error:
            self.problems.append(str(error))
            return []


def load_runs(folders: Sequence[Path]) -> list[Run]:
    """Reads results folders; runs of one name are told apart by their folders.

    Raises:
        InputError: A folder holds no results, or results of no image.
    """
    runs = [Run(read_results(folder), folder) for folder in folders]
    for run in runs:
        if not any(part.images for part in run.result.sets):
            raise InputError(
                f'{run.folder} has no measured image: correct the data sets of the test, and run it again.'
            )
    names = [run.result.name for run in runs]
    return [
        run if names.count(run.result.name) == 1 else Run(replace(run.result, name=f'{run.folder}'), run.folder)
        for run in runs
    ]


def build_report(folders: Sequence[Path], out: Path, options: ReportOptions) -> Report:
    """Writes ``index.html``, ``tables.md``, ``tables.csv`` and ``tables.tex``.

    Args:
        folders: ``results/<name>`` of test runs; differences are from the first.
        out: Folder for the files; made if it is missing.
        options: What else to show.

    Returns:
        The tables, and what is to be known of them.

    Raises:
        InputError: A folder holds no results.
    """
    runs = load_runs(folders)
    out.mkdir(parents=True, exist_ok=True)
    results = [run.result for run in runs]
    trainings = {result.name: training_of(result) for result in results}
    baselines, problems = measure_baselines(part for result in results for part in result.sets)
    report = Report(
        warnings=[sentence for result in results for sentence in result.warnings],
        problems=[sentence for result in results for sentence in result.left_out] + problems,
    )
    report.tables = comparison_tables(results, baselines)
    known = {name: found.options for name, found in trainings.items() if found and found.options}
    ablation = ablation_table(results, {name: variant(options) for name, options in known.items()})
    report.tables += [ablation] if ablation else []
    chosen = choose(runs, baselines, options.examples)
    content = Content(
        title=options.title,
        runs=runs,
        baselines=baselines,
        tables=report.tables,
        examples=[
            example
            for part, image in chosen
            for example in report.attempt(partial(load_example, runs, part, image, baselines))
        ],
        plots=[
            *_curves(trainings, options.logs, report),
            *_pic(next(iter(known.values()), {}), options.pic_store, report),
            *_attention(runs, baselines, report),
        ],
        warnings=report.warnings,
        problems=report.problems,
    )
    _write(out, content)
    return report


def _write(out: Path, content: Content) -> None:
    write_text(out / 'tables.md', to_markdown(content.tables))
    write_text(out / 'tables.csv', to_csv(content.tables))
    write_text(out / 'tables.tex', to_latex(content.tables))
    write_text(out / 'index.html', render(content))


def _curves(trainings: Mapping[str, Training | None], extra: Sequence[Path], report: Report) -> list[Plot]:
    folders = {found.name: found.log for found in trainings.values() if found and found.log}
    folders |= {folder.name: folder for folder in extra}
    found = {
        name: curves for name, folder in folders.items() for curves in report.attempt(partial(read_curves, folder))
    }
    curves = {name: run for name, run in found.items() if run}
    return [Plot('curves', inline_svg(curves_figure(curves, PAGE), 'curves'))] if curves else []


def _pic(training: Mapping[str, Any], store: Path | None, report: Report) -> list[Plot]:
    """Fig. 1 for a store that is named or that the first run was trained on, with the intervals of that training."""
    train_set = training.get('datasets', {}).get('train', {})
    named = train_set.get('dataroot_lq')
    if store is None and (named is None or not Path(named).exists()):
        return []
    path = store or Path(named)
    window = int(train_set.get('gt_size', 0)) // int(training.get('scale', 1)) or 48
    intervals = IntervalRule.from_options(train_set)
    channels = train_set.get('pic_channels', 'max')
    found = report.attempt(partial(distribution_of, path, window, intervals, channels))
    caption = f'Patches of {window} LR pixels from {path}.'
    return [Plot('pic', inline_svg(distribution_figure(each, PAGE), 'pic'), caption=caption) for each in found]


def _attention(runs: Sequence[Run], baselines: Mapping[BaselineKey, Quality], report: Report) -> list[Plot]:
    """The attention of every network that has one, on the first images that are still there."""
    plots = []
    for run in runs:
        network = run.result.network
        with_attention = network.get('type') == 'BSRNet' and network.get('attention') != 'none' and run.result.weights
        for tested in run.result.sets if with_attention else ():
            images = [image for image in tested.images if key_of(tested, image) in baselines][:_ATTENTION_IMAGES]
            if images:
                plots += report.attempt(partial(_attention_plot, run, tested, images))
                break
    return plots


def _attention_plot(run: Run, tested: SetResult, images: Sequence[ImageResult]) -> Plot:
    from bsr_plugin.report.attention import attention_figure, measure_attention

    figure = attention_figure(measure_attention(run.result, [lr_image(tested, image) for image in images]), PAGE)
    names = ', '.join(image.name for image in images)
    caption = f'Mean weight of every group over {names} of {tested.name}; below, the maps on the first of them.'
    return Plot('attention', inline_svg(figure, f'attention-{run.result.name}'), run.result.name, caption)

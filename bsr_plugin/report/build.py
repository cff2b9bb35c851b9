"""``bsr report``: from results folders to a page and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bsr_plugin.atomic import write_text
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import ImageResult, SetResult, read_results
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.report.baselines import BaselineKey, key_of, lr_image, measure_baselines
from bsr_plugin.report.bicubic import Quality
from bsr_plugin.report.curves import curves_figure, read_curves
from bsr_plugin.report.examples import Example, Run, choose, load_example
from bsr_plugin.report.page import AttentionPart, Content, render
from bsr_plugin.report.pic_figure import distribution_figure
from bsr_plugin.report.style import PAGE, inline_svg
from bsr_plugin.report.table_formats import to_csv, to_latex, to_markdown
from bsr_plugin.report.tables import Table, ablation_table, comparison_tables
from bsr_plugin.report.training import Training, training_of, variant

#: Images that the weights of attention are averaged over.
_ATTENTION_IMAGES = 3

Made = TypeVar('Made')


@dataclass(frozen=True)
class Wishes:
    """What a report is made from besides results.

    Attributes:
        logs: TensorBoard logs to show besides those of the training runs behind the results.
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
        problems: Sentences on what is missing, and why.
    """

    tables: list[Table] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def attempt(self, make: Callable[[], Made]) -> Made | None:
        """Makes a part of the report; what stands in its way becomes a sentence in it."""
        try:
            return make()
        except InputError as error:
            self.problems.append(str(error))
            return None


def load_runs(folders: Sequence[Path]) -> list[Run]:
    """Reads results folders; runs of one name are told apart by their folders.

    Raises:
        InputError: A folder holds no results.
    """
    runs = [Run(read_results(folder), folder) for folder in folders]
    names = [run.result.name for run in runs]
    return [
        run if names.count(run.result.name) == 1 else Run(replace(run.result, name=f'{run.folder}'), run.folder)
        for run in runs
    ]


def build_report(folders: Sequence[Path], out: Path, wishes: Wishes) -> Report:
    """Writes ``index.html``, ``tables.md``, ``tables.csv`` and ``tables.tex``.

    Args:
        folders: ``results/<name>`` of test runs; differences are from the first.
        out: Folder for the files; made if it is missing.
        wishes: What else to show.

    Returns:
        The tables, and what is missing.

    Raises:
        InputError: A folder holds no results, or ``out`` cannot be written to.
    """
    runs = load_runs(folders)
    trainings = {run.result.name: training_of(run.result) for run in runs}
    baselines, problems = measure_baselines(part for run in runs for part in run.result.sets)
    report = Report(problems=_skipped(runs) + problems)
    results = [run.result for run in runs]
    report.tables = comparison_tables(results, baselines)
    known = {name: found.options for name, found in trainings.items() if found and found.options}
    ablation = ablation_table(results, {name: variant(options) for name, options in known.items()})
    report.tables += [ablation] if ablation else []
    content = Content(
        title=wishes.title,
        runs=runs,
        baselines=baselines,
        tables=report.tables,
        examples=_examples(runs, baselines, wishes.examples, report),
        curves=_curves(trainings, wishes.logs, report),
        pic=_pic(trainings, wishes.pic_store, report),
        attention=_attention(runs, baselines, report),
        problems=report.problems,
    )
    _write(out, content)
    return report


def _write(out: Path, content: Content) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / 'tables.md', to_markdown(content.tables))
        write_text(out / 'tables.csv', to_csv(content.tables))
        write_text(out / 'tables.tex', to_latex(content.tables))
        write_text(out / 'index.html', render(content))
    except OSError as error:
        raise InputError(f'{out} cannot be written to ({error.strerror}): name another folder.') from error


def _skipped(runs: Sequence[Run]) -> list[str]:
    return [
        f'{run.result.name}, {part.name}, {image.name}: {image.reason}'
        for run in runs
        for part in run.result.sets
        for image in part.skipped
    ]


def _examples(
    runs: Sequence[Run], baselines: Mapping[BaselineKey, Quality], number: int, report: Report
) -> list[Example]:
    chosen = choose(runs, baselines, number)
    loaded = [report.attempt(partial(load_example, runs, part, image, baselines)) for part, image in chosen]
    return [example for example in loaded if example is not None]


def _curves(trainings: Mapping[str, Training | None], extra: Sequence[Path], report: Report) -> str:
    folders = {found.name: found.log for found in trainings.values() if found and found.log}
    folders |= {folder.name: folder for folder in extra}
    found = {name: report.attempt(partial(read_curves, folder)) for name, folder in folders.items()}
    curves = {name: run for name, run in found.items() if run}
    return inline_svg(curves_figure(curves, PAGE), 'curves') if curves else ''


def _pic(trainings: Mapping[str, Training | None], store: Path | None, report: Report) -> tuple[str, str] | None:
    """Fig. 1 for a store that is named or that the first run was trained on, with the intervals of that training."""
    options = next((found.options for found in trainings.values() if found and found.options), {}) or {}
    train_set = options.get('datasets', {}).get('train', {})
    named = train_set.get('dataroot_lq')
    if store is None and (named is None or not Path(named).exists()):
        return None
    path = store or Path(named)
    window = int(train_set.get('gt_size', 0)) // int(options.get('scale', 1)) or 48
    edges = train_set.get('pic_edges')
    intervals = IntervalRule(
        bins=train_set.get('pic_bins', 16),
        quantile=train_set.get('pic_quantile', 0.999),
        edges=None if edges is None else tuple(edges),
    )
    channels = train_set.get('pic_channels', 'max')
    figure = report.attempt(partial(distribution_figure, path, window, intervals, channels, PAGE))
    return (f'Patches of {window} LR pixels from {path}.', inline_svg(figure, 'pic')) if figure else None


def _attention(runs: Sequence[Run], baselines: Mapping[BaselineKey, Quality], report: Report) -> list[AttentionPart]:
    """The attention of every network that has one, on the first images whose HR images are still there."""
    parts = []
    for run in runs:
        network = run.result.network
        with_attention = network.get('type') == 'BSRNet' and network.get('attention') != 'none' and run.result.weights
        for tested in run.result.sets if with_attention else ():
            images = [image for image in tested.images if key_of(tested, image) in baselines][:_ATTENTION_IMAGES]
            if images:
                parts.append(report.attempt(partial(_attention_part, run, tested, images)))
                break
    return [part for part in parts if part is not None]


def _attention_part(run: Run, tested: SetResult, images: Sequence[ImageResult]) -> AttentionPart:
    from bsr_plugin.report.attention import attention_figure, measure_attention

    figure = attention_figure(measure_attention(run.result, [lr_image(tested, image) for image in images]), PAGE)
    names = ', '.join(image.name for image in images)
    caption = f'Mean weight of every group over {names} of {tested.name}; below, the maps on the first of them.'
    return AttentionPart(run.result.name, caption, inline_svg(figure, f'attention-{run.result.name}'))

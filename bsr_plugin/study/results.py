"""``study.json``: what a study found, from the runs that are done."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bsr_plugin.atomic import write_text
from bsr_plugin.errors import InputError
from bsr_plugin.study.claims import Claim, claim, main_metric
from bsr_plugin.study.differences import Difference, differences
from bsr_plugin.study.learning_curves import MeanCurve, iterations_to_reach, mean_curve
from bsr_plugin.study.planning import Plan
from bsr_plugin.study.quarters import Budget, budget
from bsr_plugin.study.record import ALL_SETS, RunRecord
from bsr_plugin.study.statistics import Figure, figure

FILE_NAME = 'study.json'
FORMAT = 1


@dataclass(frozen=True)
class Reach:
    """When a variant's learning curves reach the reference's final figure of the same seed.

    Attributes:
        variant: The variant.
        reference: Whose final figure is to be reached.
        set: The validation set, or ``mean of all sets``.
        metric: The metric, a PSNR.
        seeds: Seed -> iterations, ``None`` for never.
        median: Median of these, never being later than anything; ``None`` for never.
    """

    variant: str
    reference: str
    set: str
    metric: str
    seeds: dict[int, float | None]
    median: float | None


@dataclass(frozen=True)
class Times:
    """What depends on the machine.

    Attributes:
        seconds_per_iteration: Variant -> seed -> median of the training.
        reach: As in :class:`StudyResult`, in seconds.
        machine: The machine, in a line, or each with the number of its runs; ``None`` where it is not known.
        finished: Day on which the last of the runs was done; ``None`` where it is not known.
    """

    seconds_per_iteration: dict[str, dict[int, float]] = field(default_factory=dict)
    reach: list[Reach] = field(default_factory=list)
    machine: str | None = None
    finished: str | None = None


@dataclass(frozen=True)
class StudyResult:
    """What a study found; only its ``times`` depend on the machine.

    Attributes:
        name: Its name.
        reference: The variant that the others are compared with.
        seeds: Its seeds.
        metrics: Name of a metric -> its section of the option file.
        planned: Number of runs.
        done: Number of runs that are done; the rest is of these.
        variants: Variant -> set -> metric -> figure of the final network over the seeds.
        differences: Differences from the reference.
        means: Variant -> metric -> figure of the mean of all sets, where there are several.
        images: Variant -> set -> image -> metric -> figure.
        with_images: Variant -> set -> number of runs with figures of single images; a run may have kept none.
        values: Variant -> seed -> set -> metric -> value.
        curves: Variant -> set -> metric -> learning curve.
        reach: Iterations to the reference's final PSNR.
        times: What depends on the machine.
        comparisons: The claims of the study file, and whether they hold.
        budget: Iterations, and figures at each quarter, of a study of equal seconds; ``None`` for another.
        tests: The same on the test sets alone, of the runs that were tested on them; ``None`` where there are none.
        format: Version of this file's form.
    """

    name: str
    reference: str
    seeds: list[int]
    metrics: dict[str, dict[str, Any]]
    planned: int
    done: int
    variants: dict[str, dict[str, dict[str, Figure]]]
    differences: list[Difference]
    means: dict[str, dict[str, Figure]]
    images: dict[str, dict[str, dict[str, dict[str, Figure]]]]
    values: dict[str, dict[int, dict[str, dict[str, float | None]]]]
    curves: dict[str, dict[str, dict[str, MeanCurve]]]
    reach: list[Reach]
    times: Times
    with_images: dict[str, dict[str, int]] = field(default_factory=dict)
    comparisons: list[Claim] = field(default_factory=list)
    budget: Budget | None = None
    tests: 'StudyResult | None' = None
    format: int = FORMAT


def study_result(plan: Plan, runs: Sequence[RunRecord]) -> StudyResult:
    """The figures of the runs that are done.

    Args:
        plan: The study.
        runs: The runs, in any order.
    """
    by_cell = {(run.variant, run.seed): run for run in runs}
    done = [by_cell[name, seed] for name in plan.variants for seed in plan.seeds if (name, seed) in by_cell]
    metrics = plan.cells[0].test['val']['metrics']
    of_variant = {name: [run for run in done if run.variant == name] for name in plan.variants}
    tables = {name: _by_set(own) for name, own in of_variant.items()}
    metric = main_metric(metrics)
    reach = list(_reach(plan, done, metric)) if metric else []
    return StudyResult(
        name=plan.name,
        reference=plan.reference,
        seeds=list(plan.seeds),
        metrics=metrics,
        planned=len(plan.cells),
        done=len(done),
        variants={name: {key: own for key, own in sets.items() if key != ALL_SETS} for name, sets in tables.items()},
        differences=list(_differences(plan, of_variant)),
        means={name: sets[ALL_SETS] for name, sets in tables.items() if ALL_SETS in sets},
        images={name: _by_image(own) for name, own in of_variant.items()},
        with_images={name: dict(_with_images(own)) for name, own in of_variant.items()},
        values={name: {run.seed: _finite(run) for run in own} for name, own in of_variant.items()},
        curves={name: _curves(own) for name, own in of_variant.items()},
        reach=reach,
        times=_times(of_variant, reach),
        comparisons=[claim(each, of_variant, metrics) for each in plan.comparisons],
        budget=budget(plan, of_variant),
        tests=_on_test_sets(plan, done),
    )


def _on_test_sets(plan: Plan, runs: Sequence[RunRecord]) -> StudyResult | None:
    """The figures on the test sets, of the runs that have any: on the sets that all of these have, or most."""
    having = Counter(name for run in runs for name in run.tests)
    sets = [name for name in plan.test_sets if having[name] == max(having.values(), default=0)]
    tested = [found for run in runs if (found := run.on_test_sets(sets))]
    if not tested:
        return None
    result = study_result(replace(plan, test_sets=(), seconds=None), tested)
    return replace(result, curves={name: {} for name in plan.variants}, reach=[], times=Times())


def _by_set(runs: Sequence[RunRecord]) -> dict[str, dict[str, Figure]]:
    return {
        name: {metric: figure([run.means[name][metric] for run in runs]) for metric in metrics}
        for name, metrics in (runs[0].means if runs else {}).items()
    }


def _by_image(runs: Sequence[RunRecord]) -> dict[str, dict[str, dict[str, Figure]]]:
    """Figures of every image, over those runs that measured it: a folder may change between one run and the next."""
    sets = dict.fromkeys(name for run in runs for name in run.images)
    return {name: _of_images([run.images[name] for run in runs if name in run.images]) for name in sets}


def _with_images(runs: Sequence[RunRecord]) -> Counter[str]:
    return Counter(name for run in runs for name, images in run.images.items() if images)


def _of_images(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, Figure]]:
    metrics = {image: list(values) for images in runs for image, values in images.items()}
    return {
        image: {metric: figure([images[image][metric] for images in runs if image in images]) for metric in own}
        for image, own in metrics.items()
    }


def _finite(run: RunRecord) -> dict[str, dict[str, float | None]]:
    return {
        name: {metric: value if math.isfinite(value) else None for metric, value in values.items()}
        for name, values in run.means.items()
        if name != ALL_SETS
    }


def _curves(runs: Sequence[RunRecord]) -> dict[str, dict[str, MeanCurve]]:
    return {
        name: {metric: mean_curve([run.curves[name][metric] for run in runs]) for metric in metrics}
        for name, metrics in (runs[0].curves if runs else {}).items()
    }


def _differences(plan: Plan, runs: Mapping[str, Sequence[RunRecord]]) -> Iterator[Difference]:
    for variant in plan.variants:
        if variant != plan.reference:
            yield from differences(variant, plan.reference, runs)


def _reach(plan: Plan, runs: Sequence[RunRecord], metric: str) -> Iterator[Reach]:
    targets = {run.seed: run for run in runs if run.variant == plan.reference}
    for variant in plan.variants:
        own = [run for run in runs if run.variant == variant and run.seed in targets]
        for name in [name for name, curves in own[0].curves.items() if metric in curves] if own else ():
            seeds = {}
            for run in own:
                final = targets[run.seed].curves[name][metric]
                target = final[max(final)] if final else math.nan
                if not math.isnan(target):
                    seeds[run.seed] = iterations_to_reach(run.curves[name][metric], target)
            if seeds:
                yield Reach(variant, plan.reference, name, metric, seeds, _median(seeds.values()))


def _median(values: Iterable[float | None]) -> float | None:
    """The median, ``None`` being later than anything."""
    middle = median([math.inf if value is None else value for value in values])
    return middle if math.isfinite(middle) else None


def _times(runs: Mapping[str, Sequence[RunRecord]], reach: Sequence[Reach]) -> Times:
    pace = {
        variant: {run.seed: run.seconds_per_iteration for run in own if run.seconds_per_iteration is not None}
        for variant, own in runs.items()
    }
    in_seconds = []
    for each in reach:
        own = pace[each.variant]
        seeds = {seed: None if it is None else it * own[seed] for seed, it in each.seeds.items() if seed in own}
        if seeds:
            in_seconds.append(
                Reach(each.variant, each.reference, each.set, each.metric, seeds, _median(seeds.values()))
            )
    done = [run for own in runs.values() for run in own]
    days = [run.finished for run in done if run.finished]
    return Times(pace, in_seconds, _machines([run.machine for run in done]), finished=max(days, default=None))


def _machines(of_runs: Sequence[str | None]) -> str | None:
    """The machine of all runs, or those of one and another."""
    counts = Counter(of_runs).most_common()
    if len(counts) < 2:
        return counts[0][0] if counts else None
    shares = (
        f'{machine or "a machine that is not known"} ({count} of {len(of_runs)} runs)' for machine, count in counts
    )
    return '; '.join(shares)


def write_study(folder: Path, result: StudyResult) -> Path:
    """Writes ``study.json``, whole or not at all.

    Returns:
        The file.
    """
    content = json.dumps(_ADAPTER.dump_python(result), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / FILE_NAME, content + '\n')
    return folder / FILE_NAME


def read_study_result(folder: Path) -> StudyResult:
    """Reads the ``study.json`` of a study's folder.

    Raises:
        InputError: There is none, or it is damaged or of another version.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if content.get('format') != FORMAT:
            raise InputError(
                f'{path} has format {content.get("format")}, this version reads {FORMAT}: run bsr study again.'
            )
        return _ADAPTER.validate_python(content)
    except OSError as error:
        raise InputError(f'{path} cannot be read ({error.strerror}): bsr study writes it.') from error
    except InputError:
        raise
    except (ValueError, AttributeError) as error:
        wrong = error.errors()[0]['msg'] if isinstance(error, ValidationError) else error
        raise InputError(f'{path} cannot be read ({wrong}): run bsr study again.') from error


_ADAPTER = TypeAdapter(StudyResult)

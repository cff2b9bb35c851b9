"""What a run that is done has to say: figures of every set and image, learning curves, time."""

from collections.abc import Mapping
from dataclasses import dataclass

from bsr_plugin.evaluation.training_log import Record
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.learning_curves import Curve, mean_over_sets, seconds_per_iteration

#: What stands in the place of a set's name for the mean over all of them.
ALL_SETS = 'mean of all sets'


@dataclass(frozen=True)
class MeasuredRun:
    """A run that is done.

    Attributes:
        variant: Its variant.
        seed: Its seed.
        means: Set -> metric -> value of the final network; with several sets also their mean, ``ALL_SETS``.
        images: Set -> image -> metric -> value.
        curves: Set and metric -> learning curve; also of ``ALL_SETS``.
        seconds_per_iteration: Time of an iteration; ``None`` where the log does not tell.
    """

    variant: str
    seed: int
    means: Mapping[str, Mapping[str, float]]
    images: Mapping[str, Mapping[str, Mapping[str, float]]]
    curves: Mapping[tuple[str, str], Curve]
    seconds_per_iteration: float | None


def measured_run(folder: CellFolder) -> MeasuredRun:
    """Reads the results and the TensorBoard log of a run.

    Raises:
        InputError: The results are missing or damaged.
    """
    sets = folder.result().sets
    means: dict[str, Mapping[str, float]] = {part.name: part.mean for part in sets}
    curves: dict[tuple[str, str], Curve] = dict(folder.curves())
    if len(sets) > 1:
        metrics = folder.metrics
        means[ALL_SETS] = {metric: sum(part.mean[metric] for part in sets) / len(sets) for metric in metrics}
        curves |= {
            (ALL_SETS, metric): mean_over_sets([curves[part.name, metric] for part in sets]) for metric in metrics
        }
    return MeasuredRun(
        folder.cell.variant,
        folder.cell.seed,
        means,
        {part.name: {image.name: image.values for image in part.images} for part in sets},
        curves,
        seconds_per_iteration(_log_lines(folder.scalars())),
    )


def _log_lines(scalars: Mapping[str, list[Record]]) -> list[Record]:
    """One scalar of every log line: a term of the loss."""
    return next((records for tag, records in sorted(scalars.items()) if tag.startswith('losses/')), [])

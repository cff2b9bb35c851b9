"""What the tables of a study are made of: columns, labels, figures as texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bsr_plugin.evaluation.results import kind_of
from bsr_plugin.report.table_formats import figure_text, signed
from bsr_plugin.study.differences import Difference
from bsr_plugin.study.record import ALL_SETS
from bsr_plugin.study.results import StudyResult
from bsr_plugin.study.statistics import Figure, PairedDifference

#: Decimal places by type of metric; seeds differ in hundredths of a decibel.
_PLACES = {'calculate_psnr': 3, 'calculate_ssim': 5}
_OTHER_PLACES = 4
#: Below a table of paired differences.
PAIRED = (
    'Mean difference of runs of the same seed and its 95 % confidence interval (paired t-test, n pairs); a single '
    'pair has none.'
)
_LABELS = {'psnr_y': 'PSNR-Y', 'psnr_rgb': 'PSNR-RGB', 'ssim_y': 'SSIM-Y'}


@dataclass(frozen=True)
class StudyTable:
    """A table of texts.

    Attributes:
        title: Its heading.
        heads: Names of the columns; the first is that of the variants.
        rows: A row for each variant.
        below: What is to be known of it.
        metric: The metric whose figures it has, by its name in the option file; ``None`` for a table of no single one.
    """

    title: str
    heads: list[str]
    rows: list[list[str]]
    below: str
    metric: str | None = None


def label_of(name: str, metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """What a metric is called: by its kind, or by its name in the option file where several are of one kind."""
    kind = kind_of(metrics[name])
    return _LABELS[kind] if kind and [kind_of(each) for each in metrics.values()].count(kind) == 1 else name


def places_of(metric: Mapping[str, Any]) -> int:
    """Decimal places that a metric is printed with."""
    return _PLACES.get(str(metric.get('type')), _OTHER_PLACES)


def sets_of(result: StudyResult) -> list[str]:
    """The sets of a study, and the mean of all where there are several."""
    sets = next((list(figures) for figures in result.variants.values() if figures), [])
    return [*sets, ALL_SETS] if len(sets) > 1 else sets


def names_of(result: StudyResult) -> str:
    """The names of the sets in words."""
    *others, last = [name for name in sets_of(result) if name != ALL_SETS] or ['']
    return f'{", ".join(others)} and {last}' if others else last


def figure_of(result: StudyResult, variant: str, name: str, metric: str) -> Figure | None:
    """The figure of a variant on a set; ``None`` where no run of it is done."""
    figures = result.means.get(variant) if name == ALL_SETS else result.variants.get(variant, {}).get(name)
    return (figures or {}).get(metric)


def both_text(figure: Figure | None, places: int) -> str:
    """Mean and standard deviation; the mean alone for a single run."""
    if figure is None or figure.mean is None:
        return figure_text(None, places)
    return figure_text(figure.mean, places) + (f' ± {figure.std:.{places}f}' if figure.std is not None else '')


def interval_text(difference: Difference | PairedDifference | None, places: int) -> str:
    """A difference with its interval."""
    if difference is None or difference.mean is None:
        return figure_text(None, places)
    text = signed(difference.mean, places)
    if difference.low is None or difference.high is None:
        return text
    return f'{text} [{signed(difference.low, places)}, {signed(difference.high, places)}]'

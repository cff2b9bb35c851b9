"""What the runs of a study took: figures that depend on the machine, and so stand apart from those of quality."""

from statistics import median

from bsr_plugin.report.study_table_parts import StudyTable
from bsr_plugin.study.results import StudyResult


def seconds_table(result: StudyResult) -> StudyTable | None:
    """Seconds per iteration, and of a study of equal seconds what the runs took in all; ``None`` where no run tells."""
    pace = {name: median(each.values()) for name, each in result.times.seconds_per_iteration.items() if each}
    if not pace:
        return None
    rows = [[name, f'{own:.4g}', str(len(result.times.seconds_per_iteration[name]))] for name, own in pace.items()]
    heads = ['variant', 'seconds per iteration', 'n']
    below = 'Median of the stretches between the log lines of a run; median of the runs. It depends on the machine.'
    if result.budget is not None:
        heads.append('seconds of all iterations')
        for row in rows:
            row.append(f'{pace[row[0]] * result.budget.iterations[row[0]]:.1f}')
    return StudyTable('Seconds', heads, rows, below)

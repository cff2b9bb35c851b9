"""From a study's figures to its page and tables."""

from pathlib import Path

from bsr_plugin.atomic import write_text
from bsr_plugin.report.study_formats import study_to_csv, study_to_latex, study_to_markdown
from bsr_plugin.report.study_page import render_study
from bsr_plugin.report.study_table_parts import StudyTable
from bsr_plugin.report.study_tables import study_tables
from bsr_plugin.study.results import StudyResult


def build_study_report(result: StudyResult, out: Path) -> list[StudyTable]:
    """Writes ``index.html``, ``tables.md``, ``tables.csv`` and ``tables.tex``; only the page shows times.

    Args:
        result: The study, finished or not.
        out: Folder for the files; made if it is missing.

    Returns:
        The tables.
    """
    tables = study_tables(result)
    write_text(out / 'tables.md', study_to_markdown(tables))
    write_text(out / 'tables.csv', study_to_csv(result))
    write_text(out / 'tables.tex', study_to_latex(tables))
    write_text(out / 'index.html', render_study(result, tables))
    return tables

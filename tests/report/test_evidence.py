"""docs/evidence.md: made of what is kept in docs/studies, and nothing else."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from bsr_plugin.cli import main
from bsr_plugin.report.evidence import _shown, build_evidence, keep_study
from bsr_plugin.report.study_figures import claims_figure
from bsr_plugin.report.study_tables import study_tables
from bsr_plugin.study.claims import Claim
from bsr_plugin.study.differences import Difference
from bsr_plugin.study.learning_curves import MeanCurve
from bsr_plugin.study.record import ALL_SETS
from bsr_plugin.study.results import StudyResult, Times, read_study_result
from bsr_plugin.study.statistics import Figure

DOCS = Path(__file__).parents[2] / 'docs'
METRICS = {'psnr': {'type': 'calculate_psnr', 'crop_border': 2, 'test_y_channel': True}}


def result(difference=0.05):
    figures = {'plain': Figure(30.0, 0.01, 3), 'rfs': Figure(30.0 + difference, 0.01, 3)}
    both = [
        Difference('rfs', 'plain', name, 'psnr', difference, difference - 0.02, difference + 0.02, 3)
        for name in ('Set5', 'Set14', ALL_SETS)
    ]
    curve = {ALL_SETS: {'psnr': MeanCurve([10, 20], [29.0, 30.0], [0.1, 0.1], [3, 3])}}
    return StudyResult(
        name='Does it pay?',
        reference='plain',
        seeds=[1, 2, 3],
        metrics=METRICS,
        planned=6,
        done=6,
        variants={name: {'Set5': {'psnr': each}, 'Set14': {'psnr': each}} for name, each in figures.items()},
        differences=both,
        means={name: {'psnr': each} for name, each in figures.items()},
        images={'plain': {'Set5': {'baby': {'psnr': Figure(31.0, 0.01, 3)}}}, 'rfs': {}},
        values={
            name: {seed: {'Set5': {'psnr': each.mean + 0.01 * seed}} for seed in (1, 2, 3)}
            for name, each in figures.items()
        },
        curves={'plain': curve, 'rfs': curve},
        reach=[],
        times=Times(machine='a processor, 2 cores', finished='2026-11-27'),
        comparisons=[Claim('It pays.', 'rfs', 'plain', 'holds here by +0.050 [+0.030, +0.070] dB (3 seeds)', both)],
    )


@pytest.fixture
def studies(tmp_path):
    folder = tmp_path / 'docs/studies'
    keep_study(folder / 'first', result())
    (folder / 'first/about.md').write_text('Is `rfs` better?\n')
    (folder / 'introduction.md').write_text('Why this page.\n')
    (folder / 'open.md').write_text('- More seeds.\n')
    return folder


def test_the_page_tells_what_was_asked_found_and_is_still_open(studies):
    written = build_evidence(studies, studies.parent / 'evidence.md')
    assert [path.name for path in written] == ['evidence.md', 'claims.svg', 'curves.svg']
    page = written[0].read_text()
    for text in (
        'Why this page.', 'Runs done: 6.', '## Does it pay?', 'Is `rfs` better?', '- More seeds.',
        'seeds 1, 2, 3; differences from plain; a processor, 2 cores; 2026-11-27',
        '| It pays. | rfs vs plain | holds here by +0.050 \\[+0.030, +0.070\\] dB (3 seeds) |',
        '![Differences of the claims](studies/first/claims.svg)', '| plain | 30.000 ± 0.010 |',
    ):  # fmt: skip
        assert text in page, text
    for path in written[1:]:
        assert ElementTree.parse(path).getroot().tag.endswith('svg')
    assert json.loads((studies / 'first/study.json').read_text())['images'] == {}


def test_the_same_files_make_the_same_page_wherever_they_lie(studies, tmp_path):
    shutil.copytree(tmp_path / 'docs', tmp_path / 'elsewhere/docs')
    there, here = (folder / 'evidence.md' for folder in (tmp_path / 'elsewhere/docs', tmp_path / 'docs'))
    first = build_evidence(studies, here)
    second = build_evidence(there.parent / 'studies', there)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    (studies / 'first/about.md').write_text('Something else.\n')
    keep_study(studies / 'first', result(-0.04))
    changed = build_evidence(studies, here)
    assert 'Something else.' in here.read_text()
    assert all(path.read_bytes() != other.read_bytes() for path, other in zip(changed[:2], second[:2], strict=True))


def test_claims_are_drawn_where_their_intervals_are():
    drawn = [list(line.get_xdata()) for line in claims_figure(result(), 'psnr').axes[0].lines]
    assert drawn[1:] == [[0.05 - 0.02, 0.05 + 0.02], [0.05]]
    assert claims_figure(replace(result(), comparisons=[]), 'psnr') is None
    tested = replace(result(), tests=result(difference=0.25))
    figure = claims_figure(tested, 'psnr')
    assert [list(line.get_xdata()) for line in figure.axes[0].lines][1:5] == [
        [0.05 - 0.02, 0.05 + 0.02], [0.05], [0.25 - 0.02, 0.25 + 0.02], [0.25]
    ]  # fmt: skip
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['validation sets', 'Set5 and Set14']


def test_what_is_missing_is_one_sentence(studies, capsys):
    out = studies.parent / 'evidence.md'
    (studies / 'open.md').unlink()
    assert main(['evidence', str(studies), '--out', str(out)]) == 2
    assert f'{studies / "open.md"} cannot be read' in capsys.readouterr().err
    (studies / 'open.md').write_text('- More seeds.\n')
    shutil.rmtree(studies / 'first')
    assert main(['evidence', str(studies), '--out', str(out)]) == 2
    assert 'holds no study: bsr evidence --take STUDY.yml=DIR brings one' in capsys.readouterr().err
    assert main(['evidence', str(studies), '--out', str(out), '--take', f'{studies}']) == 2
    assert 'write it as STUDY.yml=DIR' in capsys.readouterr().err
    assert not out.exists()


def test_the_page_of_this_repository_is_made_of_its_studies(tmp_path):
    copy = tmp_path / 'docs'
    shutil.copytree(DOCS / 'studies', copy / 'studies')
    drawn = sorted(path.relative_to(copy) for path in copy.rglob('*.svg'))
    for path in drawn:
        (copy / path).unlink()
    build_evidence(copy / 'studies', copy / 'evidence.md')
    assert (copy / 'evidence.md').read_bytes() == (DOCS / 'evidence.md').read_bytes()
    assert sorted(path.relative_to(copy) for path in copy.rglob('*.svg')) == drawn
    for path in drawn:
        kept, made = (DOCS / path).read_text(), (copy / path).read_text()
        # Other versions of Matplotlib, which other versions of Python need, place things elsewhere.
        if f'Matplotlib v{mpl.__version__},' in kept:
            assert made == kept, path
        assert texts(made) == texts(kept), path


def texts(svg):
    """What is written in a figure, and the number of its lines."""
    root = ElementTree.fromstring(svg)
    words = [each.text for each in root.iter('{http://www.w3.org/2000/svg}text')]
    return sorted(word for word in words if not re.fullmatch('[−+]?[0-9.,]+', word)), svg.count('<path')  # noqa: RUF001


def figures_of_studies():
    """Every difference that a study has measured, and every interval with it, as sentences write them."""
    for file in (DOCS / 'studies').glob('*/study.json'):
        whole = read_study_result(file.parent)
        for result in filter(None, (whole, whole.tests)):
            quarters = whole.budget.quarters if whole.budget else []
            pairs = [*result.differences, *(each for claim in result.comparisons for each in claim.differences)]
            for pair in [*pairs, *(each.difference for each in quarters if each.difference)]:
                if None not in (pair.low, pair.high):
                    yield f'{abs(pair.mean):.3f}', f'{pair.mean:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}]'


PAGES_WITH_FIGURES = ['README.md', *(str(path.relative_to(DOCS.parent)) for path in (DOCS / 'studies').rglob('*.md'))]


@pytest.mark.parametrize('page', PAGES_WITH_FIGURES)
def test_every_figure_in_a_sentence_is_one_that_a_study_has_measured(page):
    text = ' '.join((DOCS.parent / page).read_text().split())
    means, intervals = (set(each) for each in zip(*figures_of_studies(), strict=True))
    for mean, interval in re.findall(r'([+-]?\d\.\d{3}) (\[[^]]*\d{3}\])', text):
        assert f'{float(mean):+.3f} {interval}' in intervals, (mean, interval)
    for mean in re.findall(r'[+-]?(\d\.\d{3})(?= dB| \[|,? and)', text):
        assert mean in means, mean


@pytest.mark.parametrize('page', ['README.md', 'docs/studies/introduction.md'])
def test_figures_in_sentences_are_those_of_the_studies(page):
    text = ' '.join((DOCS.parent / page).read_text().split())
    for study, scale in (('samplers_291_x2', 'x2'), ('claims_291_x4', 'x4')):
        (found,) = [
            each
            for claim in read_study_result(DOCS / 'studies' / study).tests.comparisons
            if (claim.better, claim.than) == ('half_spread', 'uniform')
            for each in claim.differences
            if (each.set, each.metric) == (ALL_SETS, 'psnr_y')
        ]
        assert f'{found.mean:.3f}' in text
        if page == 'README.md':
            assert f'{found.mean:.3f} [{found.low:+.3f}, {found.high:+.3f}] dB at {scale}' in text


def test_what_is_kept_names_no_machine_and_no_folder():
    for path in DOCS.rglob('*'):
        if path.suffix in ('.json', '.svg', '.md'):
            assert not re.search(r'/(home|root|work|tmp)/', path.read_text()), path
        if path.suffix == '.svg':
            assert path.stat().st_size < 300_000


def test_the_tables_are_those_of_the_metric_that_decides_also_beside_one_of_its_kind():
    metrics = {'psnr': METRICS['psnr'], 'psnr_uncut': {**METRICS['psnr'], 'crop_border': 0}}
    figures = {name: {'Set5': {key: Figure(30.0, 0.1, 3) for key in metrics}} for name in ('plain', 'rfs')}
    both = replace(result(), metrics=metrics, variants=figures, means={})
    shown = {table.metric for table in _shown(both, study_tables(both))}
    assert shown == {'psnr'}


def test_runs_that_two_studies_share_are_not_counted_as_others(studies):
    keep_study(studies / 'second', replace(result(), values={'plain': result().values['plain']}))
    page = build_evidence(studies, studies.parent / 'evidence.md')[0].read_text()
    assert 'Runs done: 12, 6 of them distinct.' in page


def test_a_page_that_its_studies_are_not_beside_is_refused_before_anything_is_written(studies, tmp_path, capsys):
    assert main(['evidence', str(studies), '--out', str(tmp_path / 'build/evidence.md')]) == 2
    assert 'write the page beside the folder of the studies, or above it' in capsys.readouterr().err
    assert not list(studies.rglob('*.svg'))

"""``bsr study`` before the first run begins, and after the last."""

import datetime
import json
import os
import re
import shutil

import pytest
import yaml

from bsr_plugin.cli import main
from bsr_plugin.errors import InputError
from bsr_plugin.study.collection import collected
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import plan_study
from bsr_plugin.study.running import Outcome, locked
from bsr_plugin.study.timing import Rates


def test_the_runs_are_listed_and_none_is_started(study_file, tmp_path, capsys):
    file = study_file()
    assert main(['study', str(file), '--list']) == 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()] == [
        ['variant', 'seed'],
        ['rfs', '1', '30', 'iterations'],
        ['uniform', '1', '30', 'iterations'],
        ['rfs', '2', '30', 'iterations'],
        ['uniform', '2', '30', 'iterations'],
        ['4', 'runs,', '120', 'iterations'],
    ]
    assert main(['study', str(file), '--out', str(tmp_path / 'out'), '--list']) == 0
    assert '0 of 30 iterations' in capsys.readouterr().out
    assert not (tmp_path / 'out').exists()


def test_what_is_wrong_is_told_before_anything_is_made(study_file, tmp_path, capsys):
    file, out = study_file(), tmp_path / 'out'
    assert main(['study', str(file)]) == 2
    assert '--out is missing: name the folder of the study.' in capsys.readouterr().err
    assert main(['study', str(tmp_path / 'no.yml'), '--out', str(out)]) == 2
    assert 'no.yml: no such option file' in capsys.readouterr().err
    assert main(['study', str(file), '--out', str(out), '--jobs', '0']) == 2
    assert '--jobs is 0: use 1 or more.' in capsys.readouterr().err
    content = yaml.safe_load(file.read_text())
    content['variants']['rfs'] = {'network_g': {'num_feet': 8}}
    file.write_text(yaml.safe_dump(content))
    assert main(['study', str(file), '--out', str(out)]) == 2
    assert 'variant rfs: `network_g.num_feet`: did you mean `num_feat`?' in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_another_study_works_in_is_refused(study_file, tmp_path, capsys):
    with locked(tmp_path / 'out'):
        assert main(['study', str(study_file()), '--out', str(tmp_path / 'out')]) == 2
    error = capsys.readouterr().err
    assert f'{tmp_path / "out"} is in use by another study: wait for it, or write to another folder.' in error
    assert not (tmp_path / 'out/runs').exists()


def test_what_a_study_has_found_is_taken_while_it_is_at_work(study_file, results, tmp_path, capsys):
    file, out = study_file(), tmp_path / 'out'
    folder = CellFolder(out, plan_study(file).cells[0])
    folder.write_options()
    results(folder)
    folder.mark_done()
    with locked(out):
        found = collected(file, out).result()
    assert (found.done, found.planned) == (1, 4)
    assert found.times.finished == datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    assert re.search(r'\d+ cores?, torch', found.times.machine)
    assert not (out / 'study.json').exists()


def test_a_study_goes_on_elsewhere_from_the_records_that_are_kept(study_file, results, validations, tmp_path, capsys):
    file, out, docs, there = study_file(), tmp_path / 'out', tmp_path / 'docs/studies', tmp_path / 'there'
    folders = [CellFolder(out, cell) for cell in plan_study(file).cells]
    for psnr, folder in enumerate(folders[:3], start=30):
        folder.write_options()
        results(folder, psnr=psnr)
        validations(folder, [10, 20])
        folder.mark_done()
    for folder in folders[:3]:  # as those before a record told its day
        record = json.loads(folder.record_file.read_text())
        del record['finished']
        folder.record_file.write_text(json.dumps(record))
        os.utime(folder.record_file, (1_783_000_000, 1_783_000_000))
    found = collected(file, out).result()
    assert found.times.finished == '2026-07-02'
    for text in (docs / 'introduction.md', docs / 'open.md'):
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text('\n')
    take = ['--out', str(docs.parent / 'evidence.md'), '--take', f'{file}={out}']
    assert main(['evidence', str(docs), *take]) == 0
    assert 'study: 3 of 4 runs' in capsys.readouterr().out

    shutil.copytree(docs / 'study/runs', there / 'runs')
    assert main(['study', str(file), '--out', str(there), '--list']) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()[1:-1]] == [*['done'] * 3, '0']
    assert collected(file, there).result() == found
    # The page can be made from the records that it keeps itself.
    before = {path: path.stat().st_mtime_ns for path in docs.glob('*/runs/*/*/*')}
    assert main(['evidence', str(docs), *take[:2], '--take', f'{file}={docs / "study"}']) == 0
    assert {path: path.stat().st_mtime_ns for path in docs.glob('*/runs/*/*/*')} == before
    assert collected(file, docs / 'study').result() == found


@pytest.fixture
def kept(study_file, results, tmp_path, capsys):
    """A study file, its folder with one run that is done, and the folder of the studies that keeps it."""
    file, out, docs = study_file(), tmp_path / 'out', tmp_path / 'docs/studies'
    folder = CellFolder(out, plan_study(file).cells[0])
    folder.write_options()
    results(folder)
    folder.mark_done()
    for text in (docs / 'introduction.md', docs / 'open.md'):
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text('\n')
    take = ['evidence', str(docs), '--out', str(docs.parent / 'evidence.md'), '--take', f'{file}={out}']
    assert main(take) == 0
    capsys.readouterr()
    return file, out, docs, take


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_no_record_that_is_kept_is_lost_by_taking_fewer(kept, tmp_path, capsys):
    file, out, docs, take = kept
    (out / 'runs/rfs/1').rename(out / 'runs/rfs/gone')
    before = files_below(docs)
    assert main(take) == 2
    assert f'no run of {file} is done in {out}: run bsr study first' in capsys.readouterr().err
    (out / 'runs/rfs/gone').rename(out / 'runs/rfs/1')
    other = docs / 'study/runs/uniform/1/record.json'
    other.parent.mkdir(parents=True)
    other.write_text('{}')
    assert main(take) == 2
    assert f'{other} is of a run that is not done in the folder to be taken: copy it' in capsys.readouterr().err
    other.unlink()
    assert files_below(docs) == before


def test_a_study_file_that_has_changed_takes_nothing(kept, study_file, base, capsys):
    file, out, docs, take = kept
    before = files_below(docs)
    study_file(of_base={'train': {**base['train'], 'total_iter': 31}})
    assert main(take) == 2
    assert f'{out}/runs/rfs/1 holds a run of other options than {file} has' in capsys.readouterr().err
    assert files_below(docs) == before


def test_nothing_is_taken_where_the_page_cannot_be_made(kept, results, capsys):
    file, out, docs, take = kept
    folder = CellFolder(out, plan_study(file).cells[1])
    folder.write_options()
    results(folder)
    folder.mark_done()
    before = files_below(docs)
    assert main([*take, '--take', 'nonsense']) == 2
    (docs / 'open.md').write_bytes(b'\xff')
    assert main(take) == 2
    assert 'open.md is not UTF-8 at byte 0: save it as UTF-8.' in capsys.readouterr().err
    (docs / 'open.md').write_text('\n')
    assert files_below(docs) == before
    assert main(take) == 0
    assert files_below(docs).keys() - before.keys() == {docs / 'study/runs/uniform/1/record.json'}


def test_a_study_of_equal_seconds_is_taken_with_the_rates_of_its_folder(study_file, tmp_path):
    file, out = study_file(seconds=8), tmp_path / 'out'
    with pytest.raises(InputError, match=r'rates\.json lacks the rate of rfs, uniform: bsr study measures it'):
        collected(file, out)
    out.mkdir()
    rates = Rates(out, plan_study(file))
    for name, rate in (('rfs', 4.0), ('uniform', 5.0)):
        rates.keep(name, rate)
    assert collected(file, out).result().budget.iterations == {'rfs': 32, 'uniform': 40}


def test_equal_seconds_are_listed_with_the_iterations_that_are_known(study_file, tmp_path, capsys):
    file, out = study_file(seconds=8), tmp_path / 'out'
    assert main(['study', str(file), '--out', str(out), '--list']) == 0
    assert '0 of 30 iterations' in capsys.readouterr().out
    out.mkdir()
    rates = Rates(out, plan_study(file))
    for name in ('rfs', 'uniform'):
        rates.keep(name, 5.0)
    assert main(['study', str(file), '--out', str(out), '--list']) == 0
    assert '0 of 40 iterations' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('seconds', 'words', 'told'),
    [
        (..., [], 'stopped; run the same command to continue'),
        (..., ['--restart'], 'stopped; run the same command to continue'),
        (8, [], 'stopped; run the same command to continue'),
        (8, ['--restart'], 'stopped; run the same command without --restart to continue'),
    ],
)
def test_a_command_that_was_stopped_says_what_goes_on(study_file, tmp_path, capsys, monkeypatch, seconds, words, told):
    """Timed anew, all variants would get other iterations, and the runs that are done would be of other options."""

    def time_variants(folder, plan, rates, slots):
        for name in plan.variants:
            rates.keep(name, 5.0)
        return Outcome()

    monkeypatch.setattr('bsr_plugin.study.timing.time_variants', time_variants)
    monkeypatch.setattr('bsr_plugin.study.running.Runner.run', lambda runner: Outcome(signal_number=15))
    assert main(['study', str(study_file(seconds=seconds)), '--out', str(tmp_path / 'out'), *words]) == 128 + 15
    assert capsys.readouterr().out.splitlines()[-1] == told

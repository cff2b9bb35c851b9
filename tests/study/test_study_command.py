"""``bsr study`` before the first run begins, and after the last."""

import datetime
import re

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
        found = collected(file, out)
    assert (found.done, found.planned) == (1, 4)
    assert found.times.finished == datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    assert re.search(r'\d+ cores?, torch', found.times.machine)
    assert not (out / 'study.json').exists()


def test_a_study_of_equal_seconds_is_taken_with_the_rates_of_its_folder(study_file, tmp_path):
    file, out = study_file(seconds=8), tmp_path / 'out'
    with pytest.raises(InputError, match=r'rates\.json lacks the rate of rfs, uniform: bsr study measures it'):
        collected(file, out)
    out.mkdir()
    rates = Rates(out, plan_study(file))
    for name, rate in (('rfs', 4.0), ('uniform', 5.0)):
        rates.keep(name, rate)
    assert collected(file, out).budget.iterations == {'rfs': 32, 'uniform': 40}


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
        (..., [], 'stopped: the same command goes on'),
        (..., ['--restart'], 'stopped: the same command goes on'),
        (8, [], 'stopped: the same command goes on'),
        (8, ['--restart'], 'stopped: the same command without --restart goes on'),
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

"""How fast variants train: what is measured, and what is kept of it."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.training_log import Record
from bsr_plugin.options import check_options
from bsr_plugin.study import running, timing
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import plan_study
from bsr_plugin.study.running import RunFailedError
from bsr_plugin.study.slots import Slot
from bsr_plugin.study.timing import Rates, course_of_timing, rate_of, time_variants, timing_options


def log(folder, every, seconds, lines=31):
    """A TensorBoard log whose lines are so many iterations apart; the first of them are slow."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer, now = EventFileWriter(str(folder)), 1000.0
    for line in range(1, lines + 1):
        now += every * seconds * (9 if line * every <= 10 else 1)
        value = Summary.Value(tag='losses/l_pix', simple_value=1.0)
        writer.add_event(Event(wall_time=now, step=line * every, summary=Summary(value=[value])))
    writer.close()


def test_a_timing_has_the_options_of_the_runs_without_what_is_not_training(plan):
    cell = plan.cells[0]
    options = timing_options(cell, 5)
    assert check_options(options, is_train=True) == []
    assert options['train']['total_iter'] == 5 * (2 + 1 + 20)
    assert (options['logger']['print_freq'], options['name']) == (5, 'rfs_1_every_5')
    assert options['logger']['save_checkpoint_freq'] > options['train']['total_iter']
    assert 'val' not in options
    assert list(options['datasets']) == ['train']
    same = ('model_type', 'network_g', 'scale', 'manual_seed', 'path')
    assert {key: options[key] for key in same} == {key: cell.train[key] for key in same}


def test_slow_first_iterations_and_pauses_do_not_count():
    records = [Record(at, 1.0, 100 * at) for at in range(1, 10)]
    records += [Record(at, 1.0, 5000 + at / 8 + (60 if at > 25 else 0)) for at in range(10, 40)]
    assert rate_of(records) == pytest.approx(8)
    with pytest.raises(RunFailedError, match='does not tell'):
        rate_of(records[:10])


def test_a_rough_timing_decides_how_long_the_one_that_counts_is(plan, tmp_path):
    kept = {}
    folder = CellFolder(tmp_path, plan.cells[0])
    course = course_of_timing(3.0, lambda *found: kept.update([found]))(folder)
    told = None
    for every in (1, 8):
        phase, words = vars(course.send(told)).values()
        options = yaml.unsafe_load((folder.path / words[1].rpartition('/')[2]).read_text())
        # 3 seconds at 50 iterations per second are 150, in 20 stretches of 8.
        assert (phase, words[0], options['logger']['print_freq']) == ('train', '-opt', every)
        log(folder.path / 'tb_logger' / options['name'], every, 1 / 50 if every == 1 else 1 / 40)
        told = (0, 'the last line')
    with pytest.raises(StopIteration):
        course.send(told)
    assert kept == {'rfs': pytest.approx(40)}


def test_a_training_that_fails_is_told(plan, tmp_path):
    course = course_of_timing(3.0, lambda *found: None)(CellFolder(tmp_path, plan.cells[0]))
    next(course)
    with pytest.raises(RunFailedError, match='out of memory'):
        course.send((1, 'out of memory'))


def test_rates_are_kept_and_belong_to_options(study_file, base, tmp_path):
    plan = plan_study(study_file(seconds=8))
    rates = Rates(tmp_path, plan)
    assert [cell.variant for cell in rates.missing()] == ['rfs', 'uniform']
    rates.keep('uniform', 12.5)
    again = Rates(tmp_path, plan)
    assert again.known() == {'uniform': 12.5}
    assert [cell.variant for cell in again.missing()] == ['rfs']
    # The seeds, claims and seconds are not a matter of rates; the network is.
    claims = [{'says': 'It pays.', 'better': 'rfs', 'than': 'uniform'}]
    assert Rates(tmp_path, plan_study(study_file(seconds=9, seeds=[1], comparisons=claims))).known() == {
        'uniform': 12.5
    }
    wider = {'network_g': {**base['network_g'], 'num_feat': 16}}
    with pytest.raises(InputError, match=r'rates\.json has the rate of uniform with other options'):
        Rates(tmp_path, plan_study(study_file(of_base=wider, seconds=8))).known()
    again.forget()
    assert Rates(tmp_path, plan).known() == {}


@pytest.mark.parametrize(
    'text', ['', '[]', '{"format": 1}', '{"format": 0, "variants": {}}', '{"format": 1, "variants": {"a": {}}}']
)
def test_damaged_rates_are_told(plan, tmp_path, text):
    (tmp_path / 'rates.json').write_text(text)
    with pytest.raises(InputError, match=r'rates\.json cannot be read: remove it'):
        Rates(tmp_path, plan)


def test_what_has_been_timed_is_not_timed_again(study_file, tmp_path):
    plan = plan_study(study_file(seconds=8))
    (tmp_path / 'rates.json').write_text(json.dumps({'format': 1, 'variants': {}}))
    rates = Rates(tmp_path, plan)
    for name in plan.variants:
        rates.keep(name, 3.0)
    assert time_variants(tmp_path, plan, rates, []).failures == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ['base.yml', 'rates.json', 'study.yml']


def test_a_training_whose_log_has_no_loss_is_a_failure_of_its_own(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, 'read_log', lambda folder: {'lr': [Record(1, 1.0, 1.0)]})
    course = course_of_timing(3.0, lambda *found: None)(CellFolder(tmp_path, plan.cells[0]))
    next(course)
    with pytest.raises(RunFailedError, match='does not tell'):
        course.send((0, 'the last line'))


@pytest.mark.parametrize(('slots', 'seeds', 'expected'), [(1, 2, {1}), (2, 2, {2}), (3, 1, {3}), (4, 1, {3})])
def test_every_variant_is_timed_with_as_many_neighbours_as_its_runs_have(
    study_file, tmp_path, monkeypatch, slots, seeds, expected
):
    at_work, seen = set(), {}

    class Pretended:
        def __init__(self, phase, words, folder, output, slot):
            self.key, self.left = str(folder), 5
            at_work.add(self.key)

        def status(self):
            self.left -= 1
            if self.left == 2 and 'neighbour' not in self.key:
                seen.setdefault(self.key, set()).add(len(at_work))
            if not self.left:
                at_work.remove(self.key)
            return None if self.left > 0 else 0

        def iteration(self):
            return 0

        def last_line(self):
            return ''

        def kill(self):
            """Nothing to end."""

    monkeypatch.setattr(running, 'Process', Pretended)
    monkeypatch.setattr(running, '_POLL_SECONDS', 0)
    monkeypatch.setattr(
        timing, 'read_log', lambda folder: {'losses/l_pix': [Record(i, 1.0, i / 10) for i in range(40)]}
    )
    variants = dict.fromkeys(('uniform', 'b', 'c'))
    plan = plan_study(study_file(seconds=8, seeds=list(range(1, seeds + 1)), variants=variants))
    (tmp_path / 'out').mkdir()
    rates = Rates(tmp_path / 'out', plan)
    outcome = time_variants(tmp_path / 'out', plan, rates, [Slot(number, number, {}) for number in range(slots)])
    assert outcome.failures == []
    assert rates.known() == dict.fromkeys(variants, pytest.approx(10))
    assert sorted(Path(key).relative_to(tmp_path / 'out/timing').as_posix() for key in seen) == [
        f'round_{number}/runs/{variant}/1' for number in (1, 2, 3) for variant in ('b', 'c', 'uniform')
    ]
    assert set.union(*seen.values()) == expected
    assert not at_work


class FakeProcess:
    """A training that ends at once: with status 1 if it is of the variant ``bad``."""

    started: ClassVar[list[str]] = []

    def __init__(self, phase, words, folder, output, slot):
        self.of_bad = '/bad/' in str(folder)
        self.started.append(str(folder))

    def status(self):
        return int(self.of_bad)

    def iteration(self):
        return 0

    def last_line(self):
        return 'out of memory'

    def kill(self):
        """Nothing to end."""


def test_the_median_of_three_rounds_counts_and_what_failed_is_not_timed_again(study_file, tmp_path, monkeypatch):
    # The rates of one round after the other, each told twice: by the rough training and by the one that counts.
    rates_told = iter([8, 8, 20, 20, 9, 9])
    monkeypatch.setattr(running, 'Process', FakeProcess)
    monkeypatch.setattr(running, '_POLL_SECONDS', 0)
    monkeypatch.setattr(FakeProcess, 'started', [])

    def told(folder):
        rate = next(rates_told)
        return {'losses/l_pix': [Record(i, 1.0, i / rate) for i in range(40)]}

    monkeypatch.setattr(timing, 'read_log', told)
    plan = plan_study(study_file(seconds=8, variants=dict.fromkeys(('uniform', 'bad'))))
    (tmp_path / 'out').mkdir()
    rates = Rates(tmp_path / 'out', plan)
    outcome = time_variants(tmp_path / 'out', plan, rates, [Slot(0, 0, {})])
    assert rates.known() == {'uniform': pytest.approx(9)}
    assert [cell.variant for cell in rates.missing()] == ['bad']
    assert len(outcome.failures) == 1
    assert 'out of memory' in outcome.failures[0]
    assert sum('/bad/' in folder for folder in FakeProcess.started) == 1

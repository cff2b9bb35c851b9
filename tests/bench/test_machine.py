import json
import os
import time
from types import SimpleNamespace

import pytest

from bsr_plugin.bench import machine
from bsr_plugin.bench.machine import Load, describe
from bsr_plugin.cli import bench, main

#: user nice system idle iowait irq softirq steal guest guest_nice, in hundredths of a second.
STAT = """cpu  9000 0 0 0 0 0 0 0 0 0
cpu0 {user} 100 200 90000 5000 10 20 30 7 0
cpu1 400 0 100 90000 9000 0 0 0 0 0
cpu2 99999 0 0 0 0 0 0 0 0 0
intr 1234
"""


def test_others_held_what_was_not_ones_own(tmp_path, monkeypatch):
    stat, own, clock = tmp_path / 'stat', [3.0, 1.0, 0.5, 0.5, 100.0], [50.0]
    monkeypatch.setattr(machine, '_STAT', stat)
    monkeypatch.setattr(machine.os, 'sched_getaffinity', lambda _: {0, 1})
    monkeypatch.setattr(machine.os, 'sysconf', lambda _: 100)
    monkeypatch.setattr(machine.os, 'times', lambda: tuple(own))
    monkeypatch.setattr(machine.time, 'monotonic', lambda: clock[0])
    stat.write_text(STAT.format(user=1000))
    before = Load.now()
    # 10 + 1 + 2 + 0.1 + 0.2 + 0.3 on the first core, 4 + 1 on the second; the third is not ours.
    assert before == Load(clock=50.0, work=pytest.approx(18.6), own=5.0)
    stat.write_text(STAT.format(user=2200))
    own[0] += 4.0
    clock[0] += 10.0
    assert before.others_until(Load.now()) == pytest.approx((12 - 4) / 10)


def test_ones_own_work_is_not_taken_for_others():
    before = Load.now()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    after = Load.now()
    assert after.own - before.own >= 0.25
    assert not before.others_until(after) > len(os.sched_getaffinity(0))


@pytest.mark.parametrize(('others', 'warned'), [(1.5, True), (0.1, False), (float('nan'), False)])
def test_figures_measured_beside_other_programs_carry_a_warning(monkeypatch, capsys, tmp_path, others, warned):
    monkeypatch.setattr(bench.Load, 'others_until', lambda *_: others)
    monkeypatch.setitem(bench.BENCHMARKS, 'data', ('some.module', 'nothing'))
    module = SimpleNamespace(add_arguments=lambda parser: None, measure=lambda *_: ('the report', {'rate': 3}))
    import_module = bench.import_module
    monkeypatch.setattr(bench, 'import_module', lambda name: module if name == 'some.module' else import_module(name))
    assert main(['bench', 'data', '--json', str(tmp_path / 'figures.json')]) == 0
    printed = capsys.readouterr()
    assert printed.out == 'the report\n'
    assert ('other processes held 1.5 of ' in printed.err) is warned
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['rate'] == 3
    assert figures['cores_held_by_others'] == (others if others == others else None)


def test_the_machine_is_described():
    assert int(describe()['cores']) >= 1
    assert describe()['torch'].startswith('2.')

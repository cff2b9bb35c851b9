"""Folders of earlier runs."""

from basicsr.utils import misc

import basicsr.train
from bsr_plugin.toolbox.archive import mkdir_and_rename


def test_the_toolbox_uses_it_in_both_places():
    assert misc.mkdir_and_rename is mkdir_and_rename
    assert basicsr.train.mkdir_and_rename is mkdir_and_rename


def test_runs_of_one_second_are_all_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('time.strftime', lambda form: '20260131_120000')
    run = tmp_path / 'experiments/run'
    for number in range(4):
        mkdir_and_rename(str(run))
        assert list(run.iterdir()) == []
        (run / 'log').write_text(str(number))
    archived = [run.with_name(f'run_archived_20260131_120000{end}') for end in ('', '_2', '_3')]
    assert [(each / 'log').read_text() for each in archived] == ['0', '1', '2']
    assert sorted(run.parent.iterdir()) == sorted([run, *archived])
    assert capsys.readouterr().out.splitlines()[-1] == f'Path already exists. Rename it to {archived[2]}'

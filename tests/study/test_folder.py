"""What the folder of a run says about it."""

import json
import re
import shutil

import pytest
import torch
import yaml

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.results import SkippedImage
from bsr_plugin.study.child import alone_in, is_free
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import plan_study
from bsr_plugin.study.record import ALL_SETS
from bsr_plugin.study.running import locked, prepare


@pytest.fixture
def folder(plan, tmp_path):
    made = CellFolder(tmp_path / 'out', plan.cells[0])
    made.write_options()
    return made


def test_options_are_written_so_that_the_run_can_be_done_by_hand(folder):
    assert folder.path.parts[-3:] == ('runs', 'rfs', '1')
    train, test = (file.read_text().partition('\n') for file in (folder.train_file, folder.test_file))
    assert train[0].startswith('bsr_plugin: !!python/name:bsr_plugin.__version__')
    assert yaml.safe_load(train[2]) == folder.cell.train
    weights = str(folder.path / 'experiments/rfs_1/models/net_g_latest.pth')
    assert yaml.safe_load(test[2])['path']['pretrain_network_g'] == weights


def test_a_run_of_other_options_is_noticed_wherever_the_study_lies(folder, study_file, base, tmp_path):
    assert not folder.is_changed()
    shutil.move(tmp_path / 'out', tmp_path / 'moved')
    assert not CellFolder(tmp_path / 'moved', folder.cell).is_changed()
    longer = plan_study(study_file(of_base={'train': {**base['train'], 'total_iter': 31}})).cells[0]
    assert CellFolder(tmp_path / 'moved', longer).is_changed()
    assert not CellFolder(tmp_path / 'elsewhere', longer).is_changed()


def test_a_run_of_other_options_is_refused_or_begun_anew(folder, study_file, base, tmp_path, results):
    results(folder)
    folder.mark_done()
    longer = plan_study(study_file(of_base={'train': {**base['train'], 'total_iter': 31}}))
    with pytest.raises(InputError) as caught:
        prepare(longer, tmp_path / 'out', restart=False)
    assert str(caught.value).startswith(
        f'{folder.path} holds a run of other options: use another --out, or give --restart'
    )
    assert folder.is_done()
    prepare(longer, tmp_path / 'out', restart=True)
    assert not folder.path.exists()


def test_a_run_is_done_when_its_record_is_there(folder, results, validations):
    assert not folder.is_done()
    results(folder, psnr=31.0)
    validations(folder, [10])
    assert not folder.is_done()
    folder.mark_done()
    assert folder.is_done()
    record = folder.record()
    assert (record.variant, record.seed) == ('rfs', 1)
    assert record.means == {name: {'psnr_y': 31.0, 'ssim_y': 0.9} for name in ('First', 'Second')}
    assert record.images['Second'] == {'a': {'psnr_y': 31.0, 'ssim_y': 0.9}}
    assert record.curves['First']['psnr_y'] == {10: pytest.approx(40.1, abs=1e-5)}
    mean = record.with_mean_of_sets()
    assert mean.means[ALL_SETS] == {'psnr_y': 31.0, 'ssim_y': 0.9}
    assert mean.curves[ALL_SETS]['psnr_y'] == {10: pytest.approx(40.1, abs=1e-5)}


def test_a_record_by_itself_makes_a_run_a_done_one_anywhere(folder, results, tmp_path, study_file, base):
    results(folder, psnr=float('inf'))
    folder.mark_done()
    text = (folder.path / 'record.json').read_text()
    assert str(tmp_path) not in text
    other = CellFolder(tmp_path / 'other', folder.cell)
    other.path.mkdir(parents=True)
    (other.path / 'record.json').write_text(text)
    assert other.is_done()
    assert not other.is_changed()
    assert other.record() == folder.record()
    assert other.record().means['First']['psnr_y'] == float('inf')
    longer = plan_study(study_file(of_base={'train': {**base['train'], 'total_iter': 31}})).cells[0]
    changed = CellFolder(tmp_path / 'other', longer)
    assert changed.is_changed()
    assert not changed.is_done()


def test_why_results_do_not_serve(folder, results):
    assert 'has no metrics.json' in folder.incomplete(folder.results)
    results(folder, names=['First'])
    assert folder.incomplete(folder.results) == 'Second was not measured.'
    results(folder, skipped=[SkippedImage('b', 'b.png cannot be read.')])
    assert folder.incomplete(folder.results) == 'x, First, b: b.png cannot be read.'
    results(folder)
    assert folder.incomplete(folder.results) is None


def test_a_validation_that_was_not_written_down_is_found_and_filled_in(folder, results, checkpoint_at, validations):
    assert folder.unrecorded_validation() is None
    checkpoint_at(folder, 15)
    validations(folder, [10])
    assert folder.unrecorded_validation() is None
    checkpoint_at(folder, 20)
    assert folder.unrecorded_validation() == 20
    validations(folder, [20], names=['First'])
    assert folder.unrecorded_validation() == 20
    where = folder.results.with_name('at_20')
    results(folder, psnr=50.1, where=where)
    folder.record_validation(20, where)
    assert folder.unrecorded_validation() is None
    curves = folder.curves()
    float32 = float(torch.tensor(50.1, dtype=torch.float32))
    assert curves['Second', 'psnr_y'] == {10: pytest.approx(40.1, abs=1e-5), 20: float32}
    assert curves['First', 'psnr_y'][20] == pytest.approx(50.1, abs=1e-5)
    # BSRModel repeats it by itself; the validation at the end of a training is a part of every run.
    checkpoint_at(folder, 20, validated=[])
    assert folder.unrecorded_validation() is None
    checkpoint_at(folder, 30)
    assert folder.unrecorded_validation() is None


def test_what_cannot_be_resumed_is_forgotten_and_what_can_is_kept(folder, checkpoint_at, validations):
    folder.models.mkdir(parents=True)
    validations(folder, [10])
    folder.forget_what_cannot_be_resumed()
    assert not folder.experiment.exists()
    assert not folder.log.exists()
    checkpoint_at(folder, 5)
    folder.forget_what_cannot_be_resumed()
    assert folder.iteration() == 5
    assert folder.train_file.is_file()


def test_checkpoints_that_cannot_be_read_are_named_with_the_way_out(folder, checkpoint_at):
    checkpoint_at(folder, 5)
    for state in folder.states.iterdir():
        state.write_bytes(b'cut off')
    with pytest.raises(
        InputError, match=f'^{re.escape(str(folder.path))}: no checkpoint can be read; remove the folder'
    ):
        folder.unrecorded_validation()


def test_an_engine_that_writes_in_place_begins_anew_where_no_checkpoint_is_whole(
    study_file, tmp_path, checkpoint_at, validations
):
    stock = {'rfs': {'model_type': 'SRModel'}, 'uniform': None}
    folder = CellFolder(tmp_path / 'out', plan_study(study_file(variants=stock)).cells[0])
    folder.write_options()
    checkpoint_at(folder, 5)
    checkpoint_at(folder, 10)
    (folder.states / '10.state').write_bytes(b'cut off')
    folder.forget_what_cannot_be_resumed()
    assert folder.states.is_dir()
    (folder.states / '5.state').write_bytes(b'cut off')
    folder.forget_what_cannot_be_resumed()
    assert not folder.experiment.exists()
    assert folder.unrecorded_validation() is None


def test_half_of_a_record_does_not_count(folder, results):
    results(folder)
    folder.mark_done()
    file = folder.path / 'record.json'
    whole = json.loads(file.read_text())
    not_always_kept = {'machine', 'tests', 'finished'}
    without = [{key: whole[key] for key in whole.keys() - {left_out}} for left_out in whole.keys() - not_always_kept]
    of_before = {key: whole[key] for key in whole.keys() - not_always_kept}
    for text in ('', '{', '[]', '{}', file.read_text()[:-9], *map(json.dumps, [*without, {**whole, 'format': 0}])):
        file.write_text(text)
        assert not folder.is_done(), text
    file.write_text(json.dumps(of_before))
    assert folder.record().machine is None
    assert folder.record().tests == {}
    assert folder.record().finished == whole['finished']


def test_two_studies_on_one_folder_are_refused(tmp_path):
    one, other = locked(tmp_path / 'out'), locked(tmp_path / 'out')
    with one, pytest.raises(InputError, match='is in use by another study'), other:
        pass
    with locked(tmp_path / 'out'):
        pass


def test_a_folder_serves_one_process_at_a_time(tmp_path):
    assert is_free(tmp_path, patience=0)
    assert alone_in(tmp_path, patience=0)
    assert not is_free(tmp_path, patience=0)
    assert not alone_in(tmp_path, patience=0)

"""What a run needs is opened before a folder is touched."""

from types import SimpleNamespace

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.toolbox import opening
from bsr_plugin.toolbox.evaluation_program import EvaluationProgram
from bsr_plugin.toolbox.training_program import TrainingProgram, weight_samples


@pytest.mark.parametrize(('gpus', 'dist', 'used'), [(0, False, 0), (1, False, 1), (4, False, 1), (4, True, 4)])
def test_without_a_launcher_a_process_uses_one_gpu_and_says_how_to_use_all(capsys, gpus, dist, used):
    opt = {'num_gpu': gpus, 'dist': dist, 'is_train': True}
    opening.use_one_gpu(opt)
    assert opt['num_gpu'] == used
    said = capsys.readouterr().out
    assert ('torchrun --nproc_per_node=4 basicsr/train.py -opt FILE --launcher pytorch' in said) == (gpus != used)


def test_several_gpus_are_one_before_anything_is_built(tmp_path):
    def refuse(*_):
        raise InputError('building begins')

    training = TrainingProgram(
        SimpleNamespace(
            copy_opt_file=refuse, create_train_val_dataloader=refuse, build_model=refuse, MessageLogger=refuse
        )
    )
    evaluation = EvaluationProgram(SimpleNamespace(make_exp_dirs=refuse, build_dataset=refuse, build_model=refuse))
    root = str(tmp_path / 'run')
    path = {'experiments_root': root, 'results_root': root, 'models': root}
    for begin, is_train in ((training.load_resume_state, True), (evaluation.make_exp_dirs, False)):
        opt = {**logged_with(), 'num_gpu': 2, 'dist': False, 'is_train': is_train, 'auto_resume': False, 'path': path}
        opt |= {'manual_seed': 0, 'datasets': {'test_1': {'name': 'set'}}}
        with pytest.raises(InputError, match='building begins'):
            begin(opt)
        assert opt['num_gpu'] == 1


def logged_with(**changes):
    return {'name': 'run', 'logger': {'use_tb_logger': False, 'wandb': {'project': None}, **changes}}


def test_a_logger_that_is_not_installed_is_named(monkeypatch):
    opening.check_loggers(logged_with())
    monkeypatch.setattr(opening.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match='project is sr, but wandb is not installed: pip install wandb'):
        opening.check_loggers(logged_with(wandb={'project': 'sr'}))
    with pytest.raises(InputError, match='TensorBoard is not installed'):
        opening.check_loggers(logged_with(use_tb_logger=True))
    opening.check_loggers({**logged_with(use_tb_logger=True), 'name': 'debug_run'})


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / 'file').touch()
    opening.check_can_be_made(tmp_path / 'a/b/c')
    for folder in (tmp_path / 'file/run', tmp_path / 'file/experiments/run'):
        with pytest.raises(InputError, match=r'cannot be made: .*file is not a folder'):
            opening.check_can_be_made(folder)
    assert [path.name for path in tmp_path.iterdir()] == ['file']


@pytest.mark.parametrize('form', [['-opt', '{}'], ['-opt={}']])
def test_an_option_file_is_not_in_the_folder_that_is_renamed(tmp_path, monkeypatch, form):
    def given(file):
        monkeypatch.setattr('sys.argv', ['train.py', '--debug', *(word.format(file) for word in form)])

    given(tmp_path / 'run/copies/../run.yml')
    for auto_resume, advice in ((False, 'copy it elsewhere, or use --auto_resume.'), (True, 'copy it elsewhere.')):
        with pytest.raises(InputError, match='lies in the folder that the new run would rename: ' + advice):
            opening.check_option_file(tmp_path / 'run', auto_resume)
    monkeypatch.chdir(tmp_path)
    given('run/run.yml')
    with pytest.raises(InputError, match=r'^run/run\.yml lies'):
        opening.check_option_file(tmp_path / 'run', False)
    given(tmp_path / 'run2/run.yml')
    opening.check_option_file(tmp_path / 'run', False)


class Losses:
    """The intervals' losses of a model, which are the number of the epoch."""

    def begin_epoch(self, epoch):
        return epoch


class Model:
    """One that weights samples."""

    intervals = None

    def weight_samples(self, intervals):
        self.intervals = intervals
        return Losses()


def test_losses_reach_the_data_set_with_every_epoch_and_no_other_data_set_is_asked():
    used = []
    importance = SimpleNamespace(bins=5, use=used.append)
    sampler, model = SimpleNamespace(dataset=SimpleNamespace(importance=importance)), Model()
    weight_samples(sampler, model)
    assert model.intervals == 5
    for epoch in (0, 1, 2):
        sampler.before_epoch(epoch)
    assert used == [0, 1, 2]
    for other in (SimpleNamespace(importance=None), SimpleNamespace()):
        sampler = SimpleNamespace(dataset=other)
        weight_samples(sampler, object())
        assert not hasattr(sampler, 'before_epoch')


def test_a_model_that_leaves_out_the_weights_is_refused():
    sampler = SimpleNamespace(dataset=SimpleNamespace(importance=SimpleNamespace(bins=5)))
    with pytest.raises(
        InputError, match=r"is 'importance', whose weights SimpleNamespace does not read: set model_type"
    ):
        weight_samples(sampler, SimpleNamespace())

import collections
import hashlib
import io
import os
import pickle
import random
import zipfile

import pytest
import torch

from bsr_plugin.errors import InputError
from bsr_plugin.models import checkpoint
from bsr_plugin.models.failures import SaveError

CONTENT = {'params': {'weight': torch.arange(12.0).view(3, 4)}, 'iter': 7}


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ('made-by-the-pickle',)


def test_a_file_holds_what_was_written_and_the_receipt_fits_it(tmp_path):
    path = tmp_path / 'net_g_7.pth'
    receipt = checkpoint.write(path, CONTENT)
    data = path.read_bytes()
    assert receipt == {'size': len(data), 'sha256': hashlib.sha256(data).hexdigest()}
    loaded = checkpoint.read(path)
    assert loaded['iter'] == 7
    assert torch.equal(loaded['params']['weight'], CONTENT['params']['weight'])
    checkpoint.check_file(path, receipt)
    assert [entry.name for entry in tmp_path.iterdir()] == ['net_g_7.pth'], 'nothing temporary is left'
    assert torch.equal(torch.load(path)['params']['weight'], CONTENT['params']['weight']), 'BasicSR reads it too'


@pytest.mark.parametrize('when', ['write', 'fsync', 'rename'])
def test_a_full_disk_is_an_error_and_leaves_the_old_file(tmp_path, monkeypatch, when):
    path = tmp_path / '7.state'
    checkpoint.write(path, CONTENT)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, 'No space left on device')

    target = {'write': (checkpoint.Path, 'write_bytes'), 'fsync': (os, 'fsync'), 'rename': (os, 'replace')}[when]
    monkeypatch.setattr(*target, full)
    with pytest.raises(
        SaveError, match=r'7\.state could not be saved: No space left on device; checkpoints saved before'
    ):
        checkpoint.write(path, {'iter': 8})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ['7.state']


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('kind', ['archive', 'pickle'])
def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'evil.pth'
    if kind == 'archive':
        torch.save({'params': RunsCode()}, path)
    else:
        path.write_bytes(pickle.dumps({'params': RunsCode()}, protocol=2))
    with pytest.raises(
        InputError, match=r'evil\.pth is refused: it holds posix\.mkdir, which could run code'
    ) as caught:
        checkpoint.read(path)
    assert 'weights_only' not in str(caught.value), "PyTorch's advice to run the code after all"
    assert not (tmp_path / 'made-by-the-pickle').exists()
    pickle.loads(pickle.dumps(RunsCode()))
    assert (tmp_path / 'made-by-the-pickle').exists(), 'unpickled as usual, it would have run'


def test_a_basicsr_state_is_read(tmp_path):
    path = tmp_path / '5.state'
    torch.save({'schedulers': [{'milestones': collections.Counter([5, 5])}], 'iter': 5}, path)
    assert checkpoint.read(path)['schedulers'][0]['milestones'][5] == 2


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_damaged(tmp_path, share):
    path = tmp_path / 'net_g_7.pth'
    checkpoint.write(path, CONTENT)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r'net_g_7\.pth is damaged or not a checkpoint$'):
        checkpoint.read(path)


def test_wherever_a_file_ends_too_early_it_is_damaged(tmp_path):
    path = tmp_path / '7.state'
    checkpoint.write(
        path, {'optimizers': [{str(name): torch.rand(9)} for name in range(5)], 'random': torch.rand(2000)}
    )
    data = path.read_bytes()
    for length in range(0, len(data), 211):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r'7\.state is damaged or not a checkpoint$'):
            checkpoint.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r'7\.state cannot be read: Is a directory'):
        checkpoint.read(path)


def test_a_flipped_bit_in_the_weights_is_found_though_torch_would_load_it(tmp_path):
    path = tmp_path / 'net_g_7.pth'
    receipt = checkpoint.write(path, CONTENT)
    data = bytearray(path.read_bytes())
    at = data.index(torch.arange(12.0).numpy().tobytes()) + 6
    data[at] ^= 1
    path.write_bytes(data)
    assert not torch.equal(torch.load(path)['params']['weight'], CONTENT['params']['weight'])
    with pytest.raises(InputError, match='wrong checksum'):
        checkpoint.read(path)
    with pytest.raises(InputError, match='its digest is not the one in the training state'):
        checkpoint.check_file(path, receipt)


def test_missing_and_foreign_files_get_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r'absent\.pth does not exist'):
        checkpoint.read(tmp_path / 'absent.pth')
    (tmp_path / 'text.pth').write_text('weights: none')
    with pytest.raises(InputError, match=r'text\.pth is damaged or not a checkpoint'):
        checkpoint.read(tmp_path / 'text.pth')
    with zipfile.ZipFile(tmp_path / 'other.pth', 'w') as archive:
        archive.writestr('a.txt', 'no tensors')
    with pytest.raises(InputError, match=r'other\.pth is damaged or not a checkpoint'):
        checkpoint.read(tmp_path / 'other.pth')
    with pytest.raises(InputError, match=r'absent\.pth does not exist'):
        checkpoint.check_file(tmp_path / 'absent.pth', {'size': 1, 'sha256': ''})
    with pytest.raises(InputError, match='has 13 bytes instead of 12'):
        checkpoint.check_file(tmp_path / 'text.pth', {'size': 12, 'sha256': ''})


@pytest.fixture
def folders(tmp_path):
    models, states = tmp_path / 'models', tmp_path / 'training_states'
    models.mkdir()
    states.mkdir()

    def fill(iterations, orphans=()):
        for iteration in iterations:
            (states / f'{iteration}.state').touch()
        for iteration in [*iterations, *orphans]:
            (models / f'net_g_{iteration}.pth').touch()

    return models, states, fill


def test_the_newest_pairs_are_kept_and_what_has_no_number_stays(folders):
    models, states, fill = folders
    fill([5, 10, 90, 100], orphans=[95, 7])
    for name in ('net_g_best.pth', 'net_g_latest.pth', 'notes.txt'):
        (models / name).touch()
    checkpoint.prune(models, states, 2, newest=100)
    assert sorted(path.name for path in states.iterdir()) == ['100.state', '90.state']
    assert sorted(path.name for path in models.iterdir()) == [
        'net_g_100.pth', 'net_g_90.pth', 'net_g_best.pth', 'net_g_latest.pth', 'notes.txt',
    ]  # fmt: skip


def test_checkpoints_beyond_the_current_iteration_neither_count_nor_go(folders):
    models, states, fill = folders
    fill([10, 20, 30, 40])
    checkpoint.prune(models, states, 1, newest=20)
    assert list(checkpoint.states_in(states)) == [40, 30, 20]


def test_states_are_listed_newest_first_by_number(folders):
    _, states, fill = folders
    fill([9, 100, 20])
    (states / 'x.state').touch()
    (states / '.100.state.abc.tmp').touch()
    assert list(checkpoint.states_in(states)) == [100, 20, 9]


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
def test_no_damage_of_a_file_in_the_form_before_archives_goes_unnoticed(tmp_path):
    buffer, generator = io.BytesIO(), random.Random(0)
    torch.save({'params': {'a': torch.rand(4, 4)}, 'x': [1, 2]}, buffer, _use_new_zipfile_serialization=False)
    whole = buffer.getvalue()
    files = [whole[:length] for length in range(0, len(whole), 3)]
    for _ in range(200):
        changed = bytearray(whole)
        changed[generator.randrange(len(whole))] = generator.randrange(256)
        files.append(bytes(changed))
    files += [generator.randbytes(100) for _ in range(100)]
    refused, path = 0, tmp_path / 'old.pth'
    for content in files:
        path.write_bytes(content)
        try:
            checkpoint.read(path)
        except InputError:
            refused += 1
    assert refused > 250

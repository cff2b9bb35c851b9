"""Broken copies of a database, and databases read on both sides of a fork; the work is done in other processes,
which may be killed by what goes wrong."""

import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import lmdb
import numpy as np
import pytest
from programs import BSR

from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.rfs_paired_image_dataset import RFSPairedImageDataset
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.errors import InputError

READS_ALL = """
import sys
from pathlib import Path
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.errors import InputError
try:
    store = LMDBStore(Path(sys.argv[1]))
    print(sum(int(store.image(at).sum()) for at in range(len(store.names))))
except InputError as error:
    print(error)
"""


@pytest.fixture
def run(programs):
    """A script in a process of its own: its exit status (negative if it was killed) and what it says."""

    def finish(*words):
        process = programs.fork(words, stderr=subprocess.PIPE)
        printed, errors = programs.finish(process, 120)
        return process.returncode, printed, errors

    return finish


@pytest.fixture(scope='module')
def prepared(tmp_path_factory, write_images, picture):
    folder = tmp_path_factory.mktemp('reader')
    images = {f'i{number}.png': picture(150, 90 + number, number) for number in range(6)}
    made = prepare(Preparation(write_images(folder / 'hr', images), folder / 'out', 2, lr_window=12))
    return folder, made


def length_needed(store):
    with lmdb.open(str(store), readonly=True, lock=False) as environment:
        return (environment.info()['last_pgno'] + 1) * environment.stat()['psize']


def cut(store, tmp_path, length):
    copy = shutil.copytree(store, tmp_path / store.name)
    os.truncate(copy / 'data.mdb', length)
    return copy


@pytest.mark.parametrize('part', ['nothing', '1 byte', 'half a page', 'a page', 'two pages', 'half', 'all but a byte'])
def test_a_database_that_is_cut_short_gets_a_sentence(run, prepared, tmp_path, part):
    _, made = prepared
    whole = length_needed(made.hr_path)
    assert (made.hr_path / 'data.mdb').stat().st_size >= whole
    lengths = {'nothing': 0, '1 byte': 1, 'half a page': 2048, 'a page': 4096, 'two pages': 8192}
    length = {**lengths, 'half': whole // 2, 'all but a byte': whole - 1}[part]
    copy = cut(made.hr_path, tmp_path, length)
    script = tmp_path / 'reads.py'
    script.write_text(READS_ALL)
    status, said, errors = run(script, copy)
    assert (status, errors) == (0, '')
    if length < 8192:
        assert said.startswith(f'{copy} cannot be opened (')
    else:
        assert said.startswith(f'{copy} is cut short (data.mdb has {length} of {whole} bytes): copy it again')


@pytest.mark.parametrize('kind', ['HR', 'LR'])
def test_training_does_not_begin_on_a_store_that_is_cut_short(prepared, tmp_path, kind):
    _, made = prepared
    paths = {'HR': made.hr_path, 'LR': made.lr_path}
    paths[kind] = cut(paths[kind], tmp_path, 3 * 4096)
    options = {
        'phase': 'train',
        'scale': 2,
        'dataroot_gt': str(paths['HR']),
        'dataroot_lq': str(paths['LR']),
        'io_backend': {'type': 'lmdb'},
        'gt_size': 24,
        'batch_size_per_gpu': 2,
    }
    with pytest.raises(InputError, match=rf'{paths[kind].name} is cut short \(data\.mdb has 12288 of'):
        RFSPairedImageDataset(options)


def test_a_store_that_was_not_read_is_not_open(prepared):
    _, made = prepared
    store = LMDBStore(made.lr_path)
    with lmdb.open(str(made.lr_path), readonly=True, lock=False) as another:  # as the toolbox may
        assert another.stat()['entries'] == len(store.names)


@pytest.mark.parametrize(
    ('command', 'kind'), [('check', 'HR'), ('check', 'LR'), ('prepare', 'HR'), ('prepare', 'LR'), ('pic', 'LR')]
)
def test_every_command_that_reads_a_store_says_that_it_is_cut_short(run, prepared, tmp_path, command, kind):
    folder, made = prepared
    broken = (made.hr_path if kind == 'HR' else made.lr_path).name
    shutil.copytree(folder / 'hr', tmp_path / 'hr', copy_function=shutil.copy2)
    out = shutil.copytree(folder / 'out', tmp_path / 'out')
    if command == 'pic':
        (out / broken / made.index.path.name).unlink()
    os.truncate(out / broken / 'data.mdb', 3 * 4096)
    prepare_words = ['prepare', tmp_path / 'hr', '--out', out, '--scale', 2, '--lr-window', 12]
    words = {
        'check': [*prepare_words, '--check'],
        'prepare': prepare_words,
        'pic': ['pic', out / broken, '--lr-window', 12],
    }[command]
    status, said, error = run(BSR, *words)
    assert (status, said) == (2, '')
    assert error.count('\n') == 1
    assert f'{broken} is cut short (data.mdb has 12288 of ' in error


def opened_by(monkeypatch):
    """Process ids that open databases from now on, in the order in which they do."""
    opened = []
    stock = lmdb.open
    monkeypatch.setattr(lmdb, 'open', lambda *args, **kwargs: (opened.append(os.getpid()), stock(*args, **kwargs))[1])
    return opened


def in_fork(function):
    """What ``function`` returns in a forked process."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if not child:
        try:
            sender.send(function())
        except BaseException as error:
            sender.send(repr(error))
        os._exit(0)
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(60) else 'hangs'
    except EOFError:
        answer = 'died'
    if answer == 'hangs':
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert status == 0
    return answer


def test_a_forked_process_opens_databases_of_its_own(prepared, monkeypatch):
    _, made = prepared
    first, second = LMDBStore(made.hr_path), LMDBStore(made.hr_path)
    opened = opened_by(monkeypatch)
    sums = [int(first.image(at).sum()) for at in range(6)]
    assert int(second.image(3).sum()) == sums[3]
    assert opened == [os.getpid()]

    def child():
        found = [int(store.image(at).sum()) for at in range(6) for store in (second, first)]
        return os.getpid(), opened, found

    pid, opened_there, found = in_fork(child)
    assert opened_there == [os.getpid(), pid]
    assert found == [value for value in sums for _ in range(2)]
    assert [int(first.image(at).sum()) for at in range(6)] == sums
    assert opened == [os.getpid()]


def test_a_view_from_before_the_fork_stays_valid_in_both_processes(prepared):
    _, made = prepared
    store = LMDBStore(made.hr_path)
    view = store.image(1)
    expected = [store.image(at).copy() for at in range(6)]

    def same():
        before = np.array_equal(view, expected[1])
        return (
            before,
            [np.array_equal(store.image(at), expected[at]) for at in range(6)],
            bool((view == expected[1]).all()),
        )

    assert in_fork(same) == same() == (True, [True] * 6, True)


def test_a_fork_in_the_middle_of_reading_does_not_hang(prepared):
    _, made = prepared
    store = LMDBStore(made.hr_path)
    kept = store.image(0)  # so that the child reads on in the same map
    (reader,) = {store._database._reader}
    with reader.lock:  # as another thread of this process may
        assert in_fork(lambda: (int(kept.sum()), int(store.image(2).sum()))) == (
            int(kept.sum()),
            int(LMDBStore(shutil.copytree(made.hr_path, made.hr_path.with_name('copy.lmdb'))).image(2).sum()),
        )


def _sum(store, position):
    return int(store.image(position).sum())


@pytest.mark.slow
@pytest.mark.parametrize('method', ['fork', 'forkserver', 'spawn'])
def test_workers_of_every_kind_read_a_store_that_was_read_before(prepared, method):
    _, made = prepared
    store = LMDBStore(made.lr_path)
    sums = [_sum(store, at) for at in range(6)]
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(_sum, [store] * 6, range(6))) == sums


def test_a_store_that_nobody_uses_is_closed(prepared, tmp_path):
    _, made = prepared
    copy = shutil.copytree(made.hr_path, tmp_path / 'copy.lmdb')
    store = LMDBStore(copy)
    view = store.image(0)
    assert pickle.loads(pickle.dumps(store)).image(0).ctypes.data == view.ctypes.data

    def mapped():
        return str(copy / 'data.mdb') in Path('/proc/self/maps').read_text()

    assert mapped()
    del store
    assert mapped()
    del view
    assert not mapped()


def test_threads_may_open_and_close_a_store_all_the_time(prepared):
    _, made = prepared
    expected = [LMDBStore(made.hr_path).image(at).copy() for at in range(6)]

    def read(number):
        return bool((LMDBStore(made.hr_path).image(number % 6) == expected[number % 6]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(3000)))

import multiprocessing
import shutil
import signal
import time

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.toolbox import run_lock
from bsr_plugin.toolbox.run_lock import check_not_in_use, hold


def training(folder, begun):
    """Stands for one: it holds its folder until it is killed."""
    hold(folder)
    begun.set()
    time.sleep(600)


def asking(folder):
    """Stands for one that is about to begin, and knows nothing of what this process holds."""
    run_lock._held.clear()
    check_not_in_use(folder)


@pytest.fixture
def other(tmp_path):
    """Another process that trains in ``tmp_path / 'run'``."""
    context = multiprocessing.get_context('fork')
    folder, begun = tmp_path / 'run', context.Event()
    folder.mkdir()
    process = context.Process(target=training, args=(folder, begun))
    process.start()
    assert begun.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_folder_is_in_use_until_the_process_ends_however_it_ends(tmp_path, other):
    folder = tmp_path / 'run'
    for refused in (check_not_in_use, hold):
        with pytest.raises(InputError, match=r'run is in use by another training: wait for its end, or change the'):
            refused(folder)
    other.kill()
    other.join()
    assert other.exitcode == -signal.SIGKILL
    check_not_in_use(folder)
    hold(folder)
    hold(folder)  # in the same process that is no other


def test_the_lock_goes_with_a_folder_that_is_renamed(tmp_path, other):
    folder = tmp_path / 'run'
    folder.rename(tmp_path / 'archived')
    folder.mkdir()
    hold(folder)
    with pytest.raises(InputError, match='archived is in use'):
        check_not_in_use(tmp_path / 'archived')


def test_a_folder_that_is_made_anew_is_held_anew(tmp_path):
    folder = tmp_path / 'run'
    check_not_in_use(folder)
    assert not folder.exists()
    for _ in range(2):
        folder.mkdir()
        hold(folder)
        process = multiprocessing.get_context('fork').Process(target=asking, args=(folder,))
        process.start()
        process.join()
        assert process.exitcode == 1
        shutil.rmtree(folder)

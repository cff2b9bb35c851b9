"""Archives, honest and hostile, into BasicSR's folders."""

import errno
import io
import multiprocessing
import os
import shutil
import stat
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock
from folders import contents

from bsr_plugin.data.sources import SOURCES, Folder
from bsr_plugin.data.unpack import unpack
from bsr_plugin.errors import InputError

HR = Folder('benchmark/Set5/HR', 'Set5/GTmod12')
LR = Folder('benchmark/Set5/LR_bicubic/X2', 'Set5/LRbicx2', 2, 'x2')
FILES = {
    'benchmark/Set5/HR/baby.png': b'baby',
    'benchmark/Set5/HR/bird.png': b'bird',
    'benchmark/Set5/LR_bicubic/X2/babyx2.png': b'small baby',
    'benchmark/Set5/LR_bicubic/X2/birdx2.png': b'small bird',
    'benchmark/Set5/HR/._baby.png': b'of another system',
    'benchmark/Set5/HR/notes.txt': b'no image',
    'benchmark/Set14/HR/comic.png': b'of another set',
}


def tar(path: Path, files: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, 'w') as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in others:
            archive.addfile(entry)
    return path


def zipped(path: Path, files: dict[str, bytes], *others: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for entry in others:
            archive.writestr(entry, '/etc/passwd')
    return path


@pytest.mark.parametrize('pack', [tar, zipped])
def test_only_the_images_that_were_asked_for_appear_under_the_names_of_their_partners(tmp_path, pack):
    archive = pack(tmp_path / 'archive', FILES)

    made = unpack(archive, [HR, LR], tmp_path / 'datasets')

    assert made == {tmp_path / 'datasets/Set5/GTmod12': 2, tmp_path / 'datasets/Set5/LRbicx2': 2}
    assert contents(tmp_path / 'datasets') == {
        'Set5/GTmod12/baby.png': b'baby',
        'Set5/GTmod12/bird.png': b'bird',
        'Set5/LRbicx2/baby.png': b'small baby',
        'Set5/LRbicx2/bird.png': b'small bird',
    }


def test_existing_data_is_left_untouched(tmp_path):
    mine = tmp_path / 'datasets/Set5/GTmod12'
    mine.mkdir(parents=True)
    (mine / 'baby.png').write_bytes(b'my own baby')

    made = unpack(tar(tmp_path / 'archive', FILES), [HR, LR], tmp_path / 'datasets')

    assert list(made.values()) == [0, 2]
    assert contents(mine) == {'baby.png': b'my own baby'}


def link(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, '/etc'
    return entry


def zip_link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ('pack', 'bad', 'others'),
    [
        (tar, {'../outside.png': b'x'}, ()),
        (tar, {'/tmp/outside.png': b'x'}, ()),
        (tar, {'benchmark/Set5/HR/../../../../outside.png': b'x'}, ()),
        (tar, {}, (link('benchmark/Set5/HR/link.png'),)),
        (zipped, {'../outside.png': b'x'}, ()),
        (zipped, {'..\\outside.png': b'x'}, ()),
        (zipped, {'C:/outside.png': b'x'}, ()),
        (zipped, {}, (zip_link('benchmark/Set5/HR/link.png'),)),
    ],
)
def test_what_reaches_out_of_an_archive_is_not_unpacked(tmp_path, pack, bad, others):
    archive = pack(tmp_path / 'archive', {**FILES, **bad}, *others)

    unpack(archive, [HR, LR], tmp_path / 'datasets')

    names = ('GTmod12/baby.png', 'GTmod12/bird.png', 'LRbicx2/baby.png', 'LRbicx2/bird.png')
    assert list(contents(tmp_path)) == ['archive', *(f'datasets/Set5/{name}' for name in names)]
    assert not Path('/tmp/outside.png').exists()


@pytest.mark.parametrize('pack', [tar, zipped])
def test_a_full_disk_leaves_no_half_a_folder(tmp_path, pack, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, 'copyfileobj', full)
    with pytest.raises(OSError, match='No space left'):
        unpack(pack(tmp_path / 'archive', FILES), [HR], tmp_path / 'datasets')
    assert list((tmp_path / 'datasets/Set5').iterdir()) == []


def until_killed(archive, root, halfway):
    """Unpacks, and after the first image waits to be killed."""
    copy = shutil.copyfileobj

    def copy_and_wait(*files):
        copy(*files)
        files[1].flush()
        halfway.set()
        time.sleep(600)

    shutil.copyfileobj = copy_and_wait
    unpack(archive, [HR], root)


def killed_halfway(archive, root):
    context = multiprocessing.get_context('fork')
    halfway = context.Event()
    process = context.Process(target=until_killed, args=(archive, root, halfway))
    process.start()
    assert halfway.wait(60)
    process.kill()
    process.join(60)


def test_what_a_killed_process_has_left_is_cleared_before_room_is_measured(tmp_path, monkeypatch):
    archive, root = tar(tmp_path / 'archive', FILES), tmp_path / 'datasets'
    killed_halfway(archive, root)
    left = contents(root)
    assert left['Set5/.GTmod12.part/baby.png'] == b'baby'
    killed_halfway(archive, root)
    assert contents(root) == left  # one folder however often

    def measured(folder):
        assert list(contents(folder)) == ['.GTmod12.lock']
        return usage(folder)

    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, 'disk_usage', measured)
    assert unpack(archive, [HR], root) == {root / 'Set5/GTmod12': 2}
    assert contents(root) == {'Set5/GTmod12/baby.png': b'baby', 'Set5/GTmod12/bird.png': b'bird'}
    assert [path.name for path in (root / 'Set5').iterdir()] == ['GTmod12']


def test_of_two_that_unpack_the_second_finds_what_the_first_has_made(tmp_path):
    archive, root = tar(tmp_path / 'archive', FILES), tmp_path / 'datasets'
    (root / 'Set5').mkdir(parents=True)
    results = []
    with FileLock(root / 'Set5/.GTmod12.lock'):
        second = threading.Thread(target=lambda: results.append(unpack(archive, [HR], root)))
        second.start()
        second.join(0.5)
        assert second.is_alive()
        (root / 'Set5/GTmod12').mkdir()
        (root / 'Set5/GTmod12/baby.png').write_bytes(b'of the first')
    second.join(60)
    assert results == [{root / 'Set5/GTmod12': 0}]
    assert contents(root) == {'Set5/GTmod12/baby.png': b'of the first'}


@pytest.mark.parametrize('pack', [tar, zipped])
def test_a_damaged_archive_leaves_no_half_a_folder(tmp_path, pack):
    whole = pack(tmp_path / 'archive', {**FILES, 'benchmark/Set5/HR/last.png': bytes(50_000)}).read_bytes()
    cut = tmp_path / 'cut'
    cut.write_bytes(whole[:30_000])

    with pytest.raises(InputError, match='cut '):
        unpack(cut, [HR], tmp_path / 'datasets')

    assert contents(tmp_path / 'datasets') == {}


def test_an_archive_without_the_folder_is_named(tmp_path):
    archive = tar(tmp_path / 'archive', {'elsewhere/baby.png': b'x'})
    with pytest.raises(InputError, match='has no images in benchmark/Set5/HR'):
        unpack(archive, [HR], tmp_path / 'datasets')


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / 'archive').write_text('<html>moved</html>')
    with pytest.raises(InputError, match='neither a tar nor a zip file'):
        unpack(tmp_path / 'archive', [HR], tmp_path / 'datasets')


def test_no_two_folders_of_a_source_share_a_target():
    for archives in SOURCES.values():
        targets = [folder.target for archive in archives for folder in archive.folders]
        assert len(set(targets)) == len(targets)
        assert all(len(archive.md5) == 32 for archive in archives)

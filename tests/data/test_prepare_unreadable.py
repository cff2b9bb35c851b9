"""Images that cannot be read are named and left out of both stores."""

import os
import re
import socket

import numpy as np
import pytest
from cropping import cropped
from folders import contents

from bsr_plugin.data import hr_images as hr_images_module
from bsr_plugin.data.check import check_stores
from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import LMDBStore, open_store
from bsr_plugin.errors import InputError


def cut(data):
    return data[: len(data) // 2]


UNREADABLE = [
    ('a_text.png', lambda whole: b'no image', r'a_text\.png is not a readable image'),
    ('empty.jpg', lambda whole: b'', r'empty\.jpg is not a readable image'),
    ('b_cut.png', cut, r'b_cut\.png cannot be read'),
    ('zz_cut.png', cut, r'zz_cut\.png cannot be read'),
]


@pytest.fixture
def with_unreadable(tmp_path, write_images, picture):
    """A folder of four good images and one that cannot be read."""

    def make(name, damaged):
        images = {f'{letter}.png': picture(40, 40 + at, at) for at, letter in enumerate('aehz')}
        folder = write_images(tmp_path / 'hr', images)
        (folder / name).write_bytes(damaged(encode_png(picture(44, 44, 9))))
        return folder, images

    return make


@pytest.mark.parametrize(('name', 'damaged', 'sentence'), UNREADABLE)
@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
def test_an_unreadable_image_is_named_and_left_out_of_both_stores(
    tmp_path, with_unreadable, monkeypatch, name, damaged, sentence, encoding
):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    folder, images = with_unreadable(name, damaged)
    task = Preparation(folder, tmp_path / 'out', 2, lr_window=8, encoding=encoding)
    made = prepare(task)
    (reason,) = made.left_out
    assert re.search(sentence, reason)
    assert made.images == 4
    backend = 'disk' if encoding == 'files' else 'lmdb'
    hr, lr = open_store(made.hr_path, backend), open_store(made.lr_path, backend)
    assert hr.names == lr.names == ['a', 'e', 'h', 'z']
    for position, expected in enumerate(images.values()):
        np.testing.assert_array_equal(hr.image(position), cropped(expected, 2))
        np.testing.assert_array_equal(lr.image(position), degrade(cropped(expected, 2), 2, 'bicubic'))
    assert check_stores([made.hr_path, made.lr_path]) == 4

    before = contents(tmp_path / 'out')
    again = prepare(task)
    assert (again.made, again.images, again.left_out) == (False, 4, made.left_out)
    (folder / name).unlink()
    without = prepare(task)
    assert (without.made, without.images, without.left_out) == (False, 4, [])
    assert contents(tmp_path / 'out') == before


def test_another_degradation_leaves_out_what_its_hr_store_leaves_out(tmp_path, with_unreadable):
    folder, _ = with_unreadable('b_cut.png', cut)
    first = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    second = prepare(Preparation(folder, tmp_path / 'out', 2, 'blur-down', lr_window=8))
    assert second.left_out == first.left_out
    assert LMDBStore(second.lr_path).names == LMDBStore(second.hr_path).names == ['a', 'e', 'h', 'z']


def test_an_image_that_can_no_longer_be_read_does_not_make_stores_of_different_images(
    tmp_path, with_unreadable, monkeypatch
):
    folder, _ = with_unreadable('b.png', lambda whole: whole)
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    before = contents(made.hr_path)
    read = hr_images_module.read_image

    def failing(path):
        if path.name == 'b.png':
            raise InputError(f'{path} cannot be read (Input/output error).')
        return read(path)

    monkeypatch.setattr(hr_images_module, 'read_image', failing)
    with pytest.raises(InputError, match=r'b\.png cannot be read .*HR_x2\.lmdb holds it: remove that store'):
        prepare(Preparation(folder, tmp_path / 'out', 2, 'blur-down', lr_window=8))
    assert contents(made.hr_path) == before
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['HR_x2.lmdb', 'LR_bicubic_x2.lmdb']


@pytest.mark.parametrize('encoding', ['raw', 'files'])
@pytest.mark.parametrize('stop', range(1, 5))
def test_runs_that_are_interrupted_around_an_unreadable_image_end_with_the_same_bytes(
    tmp_path, with_unreadable, monkeypatch, prepare_interrupted, encoding, stop
):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    folder, _ = with_unreadable('b_cut.png', cut)
    prepare(Preparation(folder, tmp_path / 'whole', 2, lr_window=8, encoding=encoding))
    made = prepare_interrupted(Preparation(folder, tmp_path / 'again', 2, lr_window=8, encoding=encoding), stop)
    assert len(made.left_out) == 1
    assert contents(tmp_path / 'again') == contents(tmp_path / 'whole')


def test_no_image_that_can_be_read_leaves_nothing_behind(tmp_path, write_images, picture):
    folder = tmp_path / 'hr'
    folder.mkdir()
    for name in ('x.png', 'y.png'):
        (folder / name).write_bytes(cut(encode_png(picture(44, 44))))
    with pytest.raises(InputError, match=r'x\.png cannot be read'):
        prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    assert list((tmp_path / 'out').iterdir()) == []


def test_what_is_not_a_file_is_named_and_left_out(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'fine.png': picture(40, 40)})
    os.mkfifo(folder / 'pipe.png')
    (folder / 'folder.png').mkdir()
    (folder / 'gone.png').symlink_to(folder / 'nowhere.png')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / 's.png'))
        made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8))
    assert made.images == 1
    names = ['folder.png', 'gone.png', 'pipe.png', 's.png']
    assert [reason.partition(' cannot be read')[0] for reason in made.left_out] == [
        str(folder / name) for name in names
    ]

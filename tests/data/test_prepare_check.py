"""``check_stores`` finds every wrong byte."""

import shutil
from dataclasses import replace

import pytest

from bsr_plugin.data.check import check_stores
from bsr_plugin.data.meta_info import digest_of
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.data.store_description import read_description
from bsr_plugin.errors import InputError


@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
def test_check_finds_a_single_wrong_byte(tmp_path, hr_folder, encoding):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding))
    assert check_stores([made.hr_path, made.lr_path]) == 5
    victim = made.lr_path / ('c.png' if encoding == 'files' else 'data.mdb')
    value = victim.read_bytes() if encoding == 'files' else bytes(LMDBStore(made.lr_path).value(2))
    middle = len(value) // 2
    wrong = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    # Everywhere: what LMDB moves from page to page stays behind where it was.
    victim.write_bytes(victim.read_bytes().replace(value, wrong))
    with pytest.raises(InputError, match=r'is damaged: c is missing or does not match its digest \(1 of 5 images\)'):
        check_stores([made.hr_path, made.lr_path])


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 0x11
    file.write_bytes(content)


@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
@pytest.mark.parametrize('part', ['meta_info.txt', 'store.json'])
def test_check_finds_every_wrong_byte_of_listing_and_description(tmp_path, hr_folder, encoding, part):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding))
    file = made.lr_path / (f'.{part}' if encoding == 'files' else part)
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        flip(file, at)
        with pytest.raises(InputError, match=part if at else None):
            check_stores([made.lr_path])
        file.write_bytes(whole)
    assert check_stores([made.lr_path]) == 5


@pytest.mark.parametrize('encoding', ['raw', 'png'])
def test_check_finds_wrong_sizes(tmp_path, hr_folder, encoding):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding))
    meta = made.lr_path / 'meta_info.txt'
    text = meta.read_text()
    meta.write_text(text.replace('a.png (23,45,3)', 'a.png (45,23,3)'))
    assert meta.read_text() != text
    with pytest.raises(InputError, match=r'is damaged: meta_info\.txt does not match its digest; remove the store'):
        check_stores([made.hr_path, made.lr_path])
    # Even if somebody writes all digests anew.
    if encoding == 'raw':
        meta.write_text(text.replace('a.png (23,45,3)', 'a.png (23,44,3)'))
        description = read_description(made.lr_path / 'store.json')
        replace(description, listing=digest_of(meta.read_bytes())).write(made.lr_path / 'store.json')
        with pytest.raises(
            InputError, match=r'is damaged: a is missing or does not match its digest \(1 of 5 images\)'
        ):
            check_stores([made.lr_path])


def test_check_finds_every_wrong_byte_of_the_index(tmp_path, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12))
    length = made.index.path.stat().st_size
    for at in (*range(0, length, length // 60), length - 1):
        flip(made.index.path, at)
        with pytest.raises(
            InputError, match=rf'{made.index.path.name} .*: remove it, and bsr pic or training builds it'
        ):
            check_stores([made.hr_path, made.lr_path])
        flip(made.index.path, at)
    assert check_stores([made.hr_path, made.lr_path]) == 5


def test_check_finds_a_file_too_many_and_one_too_few(tmp_path, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, encoding='files'))
    shutil.copy(made.lr_path / 'b.png', made.lr_path / 'new.png')
    with pytest.raises(InputError, match='new is missing or does not match its digest'):
        check_stores([made.hr_path, made.lr_path])
    (made.lr_path / 'new.png').unlink()
    (made.lr_path / 'b.png').unlink()
    with pytest.raises(InputError, match='b is missing or does not match its digest'):
        check_stores([made.hr_path, made.lr_path])
    with pytest.raises(InputError, match=r'LR_bicubic_x2 lacks b\.png: remove the folder, and make it again'):
        prepare(Preparation(hr_folder, tmp_path, 2, encoding='files'))


def test_check_compares_the_images_of_stores(tmp_path, hr_folder, write_images, hr_images):
    other = write_images(tmp_path / 'other', {name: pixels for name, pixels in hr_images.items() if name != 'c.png'})
    made = prepare(Preparation(hr_folder, tmp_path / '1', 2, lr_window=12))
    fewer = prepare(Preparation(other, tmp_path / '2', 2, lr_window=12))
    with pytest.raises(InputError, match='hold different images'):
        check_stores([made.hr_path, fewer.lr_path])


def test_check_needs_digests(tmp_path, hr_folder):
    with pytest.raises(InputError, match='has no digests, so it cannot be checked'):
        check_stores([hr_folder])
    with pytest.raises(InputError, match='absent does not exist'):
        check_stores([tmp_path / 'absent'])


def test_check_covers_all_parts(tmp_path, hr_folder):
    for number in (1, 2):
        prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, shard=(number, 2)))
    assert check_stores([tmp_path / 'HR_x2.lmdb']) == 5

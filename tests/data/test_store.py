import gc
import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import lmdb
import numpy as np
import pytest
from basicsr.utils.lmdb_util import make_lmdb_from_imgs
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.data.meta_info import MetaEntry, key_for, parse_meta
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import FolderStore, JoinedStore, LMDBStore, find_parts, open_store, part_path
from bsr_plugin.errors import InputError


@pytest.fixture
def copied(stores, tmp_path):
    """A copy of the HR store that a test may damage."""
    return shutil.copytree(stores.hr_path, tmp_path / 'HR_x2.lmdb')


def cropped(image, scale=2):
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]


def test_raw_store_holds_every_image(stores, hr_images):
    store = open_store(stores.hr_path, 'lmdb')
    assert store.names == sorted(name[:-4] for name in hr_images)
    for position, name in enumerate(store.names):
        expected = cropped(hr_images[f'{name}.png'])
        np.testing.assert_array_equal(store.image(position), expected)
        assert store.sizes[position].tolist() == list(expected.shape[:2])


def test_raw_images_are_views_of_the_memory_map(stores):
    store = LMDBStore(stores.hr_path)
    first, second = store.image(1), store.image(1)
    assert not first.flags.owndata
    assert not first.flags.writeable
    assert first.ctypes.data == second.ctypes.data
    assert np.shares_memory(first, np.frombuffer(store.value(1), np.uint8))
    with pytest.raises(ValueError, match='read-only'):
        first[0, 0] = 0


def test_an_image_outlives_its_store(copied):
    image = LMDBStore(copied).image(1)
    expected = image.copy()
    gc.collect()
    shutil.rmtree(copied)
    np.testing.assert_array_equal(image, expected)


def test_a_store_made_anew_in_the_same_place_is_the_new_one(copied, stores):
    LMDBStore(copied).image(0)
    shutil.rmtree(copied)
    shutil.copytree(stores.lr_path, copied)
    np.testing.assert_array_equal(LMDBStore(copied).image(0), LMDBStore(stores.lr_path).image(0))


def test_threads_may_open_a_store_at_the_same_moment(copied):
    store = LMDBStore(copied)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda _: store.image(2), range(16)))
    assert len({image.ctypes.data for image in images}) == 1


def test_one_environment_serves_all_readers_and_threads(stores):
    readers = [LMDBStore(stores.hr_path), LMDBStore(stores.hr_path.parent / '.' / stores.hr_path.name)]
    expected = [image.copy() for image in map(readers[0].image, range(5))]
    wrong = []

    def look(reader, seed):
        places = np.random.default_rng(seed).integers(0, 5, 200).tolist()
        wrong.extend(place for place in places if not np.array_equal(reader.image(place), expected[place]))

    threads = [threading.Thread(target=look, args=(readers[seed % 2], seed)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_a_used_store_can_be_pickled(stores):
    store = LMDBStore(stores.lr_path)
    image = store.image(0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).image(0), image)


def test_digest_changes_with_pixels_names_and_order(stores, tmp_path, write_images, hr_images):
    def digest(images):
        folder = write_images(tmp_path / f'hr{len(list(tmp_path.iterdir()))}', images)
        made = prepare(Preparation(folder, tmp_path / f'out{len(list(tmp_path.iterdir()))}', 2, lr_window=12))
        return LMDBStore(made.hr_path).digest

    other_pixel = {name: pixels.copy() for name, pixels in hr_images.items()}
    other_pixel['a.png'][3, 4, 1] ^= 1
    renamed = {('z.png' if name == 'a.png' else name): pixels for name, pixels in hr_images.items()}
    swapped = hr_images | {'a.png': hr_images['b.png'], 'b.png': hr_images['a.png']}
    same, *others = [digest(images) for images in (hr_images, other_pixel, renamed, swapped)]
    assert same == LMDBStore(stores.hr_path).digest
    assert len({same, *others}) == 4


@pytest.mark.parametrize('names', [['b', 'a', '0c'], ['im.v1', 'im.v2', 'im']])
def test_lmdb_of_basicsr(tmp_path, write_images, picture, names):
    images = {f'{name}.png': picture(20 + at, 30, at) for at, name in enumerate(names)}
    images[f'{names[0]}.png'] = images[f'{names[0]}.png'][..., 0]  # a grey one
    folder = write_images(tmp_path / 'images', images)
    make_lmdb_from_imgs(str(folder), str(tmp_path / 'made.lmdb'), list(images), names, map_size=1 << 22)
    store = open_store(tmp_path / 'made.lmdb', 'lmdb')
    assert store.names == names
    for position, pixels in enumerate(images.values()):
        expected = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=2)
        np.testing.assert_array_equal(store.image(position), expected)
        assert store.sizes[position].tolist() == list(pixels.shape[:2])


def test_folder(hr_folder, hr_images):
    store = open_store(hr_folder, 'disk')
    assert isinstance(store, FolderStore)
    assert store.names == ['a', 'b', 'c', 'd', 'e']
    for position, name in enumerate(store.names):
        np.testing.assert_array_equal(store.image(position), hr_images[f'{name}.png'])
        assert store.sizes[position].tolist() == list(hr_images[f'{name}.png'].shape[:2])


def test_digest_of_a_folder_changes_with_its_files(tmp_path, write_images, hr_images):
    folder = write_images(tmp_path / 'images', hr_images)
    before = FolderStore(folder).digest
    assert FolderStore(folder).digest == before
    write_images(folder, {'a.png': hr_images['b.png']})
    assert FolderStore(folder).digest != before


@given(st.text(st.characters(exclude_categories=['Cs', 'Cc'], exclude_characters='/'), min_size=1, max_size=40))
def test_keys_are_what_the_toolbox_can_read_and_tell_names_apart(name):
    from urllib.parse import unquote

    key = key_for(name)
    assert key.isascii()
    assert not set(key) & set('. /\\\t\n')
    assert unquote(key) == name


def test_ordinary_names_are_their_own_keys():
    assert [key_for(name) for name in ('0001', 'img_001_SRF_4-x', '0801x4')] == ['0001', 'img_001_SRF_4-x', '0801x4']


@given(st.text('abc%2E_-()', min_size=1), st.tuples(*[st.integers(1, 9999)] * 2, st.sampled_from([1, 3])))
def test_meta_lines(name, shape):
    for entry in (MetaEntry(name, shape, '1'), MetaEntry(name, shape, 'raw', 'a0' * 16)):
        assert parse_meta(entry.line() + '\n', None) == [entry]


@pytest.mark.parametrize(
    'line', ['a.png', 'a.png (3,4) ', 'a.png (3,4,3)', 'a.png 3,4,3 1', '(3,4,3) 1', 'a.png (3) 1']
)
def test_wrong_meta_lines(tmp_path, line):
    path = tmp_path / 'meta_info.txt'
    with pytest.raises(InputError, match=r'meta_info\.txt, line 2, is "'):
        parse_meta(f'ok.png (3,4,3) 1\n{line}\n', path)


def test_damaged_stores_get_a_sentence(copied):
    meta = copied / 'meta_info.txt'
    text = meta.read_text()
    meta.write_text(text.replace('a.png (46,90,3)', 'a.png (46,89,3)').replace('b.png (60', 'nowhere.png (60'))
    store = LMDBStore(copied)
    with pytest.raises(InputError, match=r'HR_x2\.lmdb is damaged at a: make it again with bsr prepare\.'):
        store.image(store.names.index('a'))
    with pytest.raises(InputError, match=r'HR_x2\.lmdb has no image nowhere: make it again with bsr prepare\.'):
        store.image(store.names.index('nowhere'))
    meta.write_text('')
    with pytest.raises(InputError, match='has no images'):
        LMDBStore(copied)
    meta.unlink()
    with pytest.raises(InputError, match=r'is not an image LMDB \(meta_info\.txt or data\.mdb is missing\)'):
        LMDBStore(copied)


def test_a_file_that_is_no_database_gets_a_sentence(copied):
    (copied / 'data.mdb').write_bytes(b'no pages at all' * 1000)
    with pytest.raises(InputError, match=r'HR_x2\.lmdb cannot be opened .*: make it again with bsr prepare\.'):
        LMDBStore(copied).image(0)


def test_what_is_not_there_gets_a_sentence(hr_folder, stores, tmp_path):
    with pytest.raises(InputError, match='absent does not exist: make it with bsr prepare, or correct the path'):
        open_store(tmp_path / 'absent', 'lmdb')
    with pytest.raises(InputError, match='is not an image LMDB'):
        open_store(hr_folder, 'lmdb')
    with pytest.raises(InputError, match='holds no image'):
        open_store(stores.hr_path, 'disk')


@pytest.mark.parametrize('encoding', ['raw', 'files'])
def test_parts_are_read_as_one(tmp_path, hr_folder, hr_images, encoding):
    backend = 'disk' if encoding == 'files' else 'lmdb'
    made = [
        prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, encoding=encoding, shard=(number, 3)))
        for number in (3, 1, 2)
    ]
    assert sum(part.images for part in made) == 5
    whole = tmp_path / ('HR_x2' if encoding == 'files' else 'HR_x2.lmdb')
    store = open_store(whole, backend)
    assert isinstance(store, JoinedStore)
    assert sorted(store.names) == ['a', 'b', 'c', 'd', 'e']
    for position, name in enumerate(store.names):
        expected = cropped(hr_images[f'{name}.png'])
        np.testing.assert_array_equal(store.image(position), expected)
        assert store.sizes[position].tolist() == list(expected.shape[:2])
    assert store.digest == open_store(whole, backend).digest

    shutil.rmtree(part_path(whole, 2, 3))
    with pytest.raises(InputError, match=r'HR_x2(\.lmdb)? lacks part 2 of 3: run bsr prepare for it\.'):
        open_store(whole, backend)
    part_path(whole, 2, 4).mkdir()
    with pytest.raises(InputError, match=r'has parts of different divisions \(\[3, 4\]\)'):
        open_store(whole, backend)


def test_parts_of_other_stores_are_not_taken(tmp_path):
    for name in (
        'HR_x4.part1of2.lmdb',
        'HR_x4.part2of2.lmdb',
        'HR_x44.part1of1.lmdb',
        'HR_x4.part1of1',
        '.HR_x4.part1of9.lmdb.partial',
    ):
        (tmp_path / name).mkdir()
    assert [path.name for path in find_parts(tmp_path / 'HR_x4.lmdb')] == ['HR_x4.part1of2.lmdb', 'HR_x4.part2of2.lmdb']
    assert find_parts(tmp_path / 'nowhere' / 'HR_x4.lmdb') == []
    assert part_path(tmp_path / 'HR_x4.lmdb', 1, 2).name == 'HR_x4.part1of2.lmdb'
    assert part_path(tmp_path / 'HR_x4', 1, 2).name == 'HR_x4.part1of2'


def test_reading_leaves_no_trace(stores):
    before = sorted(path.name for path in stores.hr_path.iterdir())
    LMDBStore(stores.hr_path).image(0)
    assert (
        sorted(path.name for path in stores.hr_path.iterdir()) == before == ['data.mdb', 'meta_info.txt', 'store.json']
    )


def test_values_are_where_basicsr_looks_for_them(copied):
    with lmdb.open(str(copied), readonly=True, lock=False) as other, other.begin() as transaction:
        assert [key for key, _ in transaction.cursor()] == [b'a', b'b', b'c', b'd', b'e']

import numpy as np
import pytest
from basicsr.utils.lmdb_util import make_lmdb_from_imgs

from bsr_plugin.data.dataset_options import RFSOptions
from bsr_plugin.data.pairs import PairedStores
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import open_store
from bsr_plugin.errors import InputError


@pytest.fixture
def folders(tmp_path, write_images, picture):
    """HR and LR folders of three pairs at x2, and options that name them."""
    hr = {f'{name}.png': picture(20 + 2 * at, 30, at) for at, name in enumerate('abc')}
    write_images(tmp_path / 'HR', hr)
    write_images(tmp_path / 'LR', {name: image[::2, ::2] for name, image in hr.items()})
    return {
        'name': 'Toy',
        'dataroot_gt': str(tmp_path / 'HR'),
        'dataroot_lq': str(tmp_path / 'LR'),
        'io_backend': {'type': 'disk'},
        'scale': 2,
    }


def hr_of(opt, position):
    pairs = PairedStores.open(RFSOptions.of(opt))
    return pairs.lr_image(position), pairs.hr_image(position)


def test_partners_are_found_by_name(tmp_path, folders, write_images, picture):
    # Another format on one side: the files' order is another one, the names are the same.
    (tmp_path / 'LR' / 'a.png').unlink()
    write_images(tmp_path / 'LR', {'a.bmp': picture(20, 30)[::2, ::2]})
    pairs = PairedStores.open(RFSOptions.of(folders))
    assert len(pairs) == 3
    for position in range(3):
        lr, hr = pairs.lr_image(position), pairs.hr_image(position)
        np.testing.assert_array_equal(hr[::2, ::2], lr)
        assert pairs.paths(position)[0].endswith(f'LR/{["a.bmp", "b.png", "c.png"][position]}')
        assert pairs.paths(position)[1].endswith(f'HR/{"abc"[position]}.png')


def test_partners_in_lmdbs_of_different_order(tmp_path, folders):
    for folder, order in (('HR', 'abc'), ('LR', 'cab')):
        names = [f'{name}.png' for name in order]
        make_lmdb_from_imgs(
            str(tmp_path / folder), str(tmp_path / f'{folder}.lmdb'), names, list(order), map_size=1 << 22
        )
    opt = {
        **folders,
        'dataroot_gt': str(tmp_path / 'HR.lmdb'),
        'dataroot_lq': str(tmp_path / 'LR.lmdb'),
        'io_backend': {'type': 'lmdb'},
    }
    pairs = PairedStores.open(RFSOptions.of(opt))
    assert pairs.partners == (2, 0, 1)
    for position in range(3):
        np.testing.assert_array_equal(pairs.hr_image(position)[::2, ::2], pairs.lr_image(position))


def test_names_by_template(tmp_path, folders):
    for path in (tmp_path / 'LR').iterdir():
        path.rename(path.with_name(f'{path.stem}x2.png'))
    with pytest.raises(InputError, match=r'LR has ax2 and .*HR no image for it \(3 without a partner\)'):
        PairedStores.open(RFSOptions.of(folders))
    lr, hr = hr_of({**folders, 'filename_tmpl': '{}x2'}, 1)
    np.testing.assert_array_equal(hr[::2, ::2], lr)
    with pytest.raises(InputError, match=r"data set Toy: `filename_tmpl`: 'x2' must contain \{\}, which stands for"):
        PairedStores.open(RFSOptions.of({**folders, 'filename_tmpl': 'x2'}))


@pytest.mark.parametrize(('folder', 'other'), [('HR', 'LR'), ('LR', 'HR')])
def test_lonely_images_are_named(tmp_path, folders, folder, other):
    (tmp_path / other / 'b.png').unlink()
    with pytest.raises(InputError, match=rf'{folder} has b and .*{other} no image for it \(1 without a partner\): add'):
        PairedStores.open(RFSOptions.of(folders))


@pytest.mark.parametrize('folder', ['HR', 'LR'])
def test_two_images_of_one_name_are_refused(tmp_path, folders, folder, write_images, picture):
    write_images(tmp_path / folder, {'b.bmp': picture(20, 30)})
    with pytest.raises(InputError, match=rf'{folder} has several images of the name b: keep one of them\.'):
        PairedStores.open(RFSOptions.of(folders))


@pytest.mark.parametrize('size', [(22, 28), (20, 30), (23, 30), (11, 15)])
def test_sizes_that_do_not_match_are_named(tmp_path, folders, write_images, picture, size):
    write_images(tmp_path / 'HR', {'b.png': picture(*size)})
    said = rf'HR/b\.png is {size[0]}x{size[1]} and .*LR/b\.png 11x15, which is not 1/2 of it \(1 such pair\): make both'
    with pytest.raises(InputError, match=said):
        PairedStores.open(RFSOptions.of(folders))


def test_a_wrong_scale_is_named(folders):
    with pytest.raises(
        InputError, match=r'a\.png is 20x30 and .*a\.png 10x15, which is not 1/4 of it \(3 such pairs\)'
    ):
        PairedStores.open(RFSOptions.of({**folders, 'scale': 4}))


@pytest.mark.parametrize('key', ['dataroot_gt', 'dataroot_lq', 'io_backend', 'scale'])
def test_missing_options_are_named(folders, key):
    with pytest.raises(InputError, match=rf'^data set Toy: `{key}`: missing$'):
        PairedStores.open(RFSOptions.of({name: value for name, value in folders.items() if name != key}))


def test_a_listing_of_all_images_is_taken_and_another_one_refused(tmp_path, folders):
    listing = tmp_path / 'meta_info.txt'
    opt = {**folders, 'meta_info_file': str(listing)}
    listing.write_text('b.png (22,30,3)\na.png (20,30,3)\nc.png\n\n')
    assert len(PairedStores.open(RFSOptions.of(opt))) == 3
    listing.write_text('a.png (20,30,3)\n')
    with pytest.raises(InputError, match=r'meta_info.txt lacks b \(2 in all\): batches are drawn from all images'):
        PairedStores.open(RFSOptions.of(opt))
    listing.write_text('a.png\nb.png\nc.png\nd.png\n')
    with pytest.raises(InputError, match=r'HR lacks d \(1 in all\)'):
        PairedStores.open(RFSOptions.of(opt))
    listing.unlink()
    with pytest.raises(InputError, match='cannot be read'):
        PairedStores.open(RFSOptions.of(opt))


def test_stores_of_different_images_are_refused(tmp_path, write_images, picture):
    made = {}
    for name, seed in (('first', 0), ('second', 1)):
        folder = write_images(tmp_path / name, {f'{letter}.png': picture(40, 40, seed) for letter in 'ab'})
        made[name] = prepare(Preparation(folder, tmp_path / f'{name}_made', 2, lr_window=8))
    hr, lr = open_store(made['first'].hr_path, 'lmdb'), open_store(made['first'].lr_path, 'lmdb')
    assert len(PairedStores.of(hr, lr)) == 2
    other = open_store(made['second'].lr_path, 'lmdb')
    with pytest.raises(InputError, match=r'were made from different images \([ab]\.png had \d+ and \d+ bytes\)'):
        PairedStores.of(hr, other)

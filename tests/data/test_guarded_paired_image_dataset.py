"""BasicSR's PairedImageDataset with guards: the same samples to the last bit, and a sentence where it goes wrong."""

import copy
import random
import shutil

import numpy as np
import pytest
import torch
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.lmdb_util import make_lmdb_from_imgs
from torch.utils.data import DataLoader

from bsr_plugin.data.degradation import degrade
from bsr_plugin.data.guarded_paired_image_dataset import GuardedPairedImageDataset
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.readable import ReadableImages
from bsr_plugin.toolbox.guarding import guarded


@pytest.fixture
def folders(tmp_path, write_images, picture):
    """HR/ and LR/ of four pairs at x2."""
    hr = {f'{name}.png': picture(40 + 2 * at, 36, at) for at, name in enumerate('dabc')}
    write_images(tmp_path / 'HR', hr)
    write_images(tmp_path / 'LR', {name: degrade(image, 2, 'bicubic') for name, image in hr.items()})
    return tmp_path


@pytest.fixture
def opt(folders):
    """``opt(key=value)`` changes or adds options, ``key=None`` removes."""

    def make(**changes):
        base = {
            'name': 'Pairs',
            'phase': 'train',
            'scale': 2,
            'dataroot_gt': str(folders / 'HR'),
            'dataroot_lq': str(folders / 'LR'),
            'io_backend': {'type': 'disk'},
            'gt_size': 24,
            'use_hflip': True,
            'use_rot': True,
            **changes,
        }
        return {key: value for key, value in base.items() if value is not None}

    return make


@pytest.fixture
def lmdbs(folders):
    """The same as LMDBs of the toolbox."""
    for side, order in (('HR', 'dabc'), ('LR', 'cabd')):
        files = [f'{name}.png' for name in order]
        make_lmdb_from_imgs(str(folders / side), str(folders / f'{side}.lmdb'), files, list(order), map_size=1 << 22)
    return {
        'dataroot_gt': str(folders / 'HR.lmdb'),
        'dataroot_lq': str(folders / 'LR.lmdb'),
        'io_backend': {'type': 'lmdb'},
    }


def samples(dataset):
    """Every sample twice, with the toolbox's random numbers from the start."""
    random.seed(5)
    return [dataset[position] for position in [*range(len(dataset))] * 2]


def assert_the_toolboxs(opt):
    before = copy.deepcopy(opt)
    guarded = samples(GuardedPairedImageDataset(opt))
    assert opt == before
    expected = samples(PairedImageDataset(copy.deepcopy(opt)))
    assert len(guarded) == len(expected) > 0
    for one, other in zip(guarded, expected, strict=True):
        assert list(one) == list(other)
        assert torch.equal(one['lq'], other['lq'])
        assert torch.equal(one['gt'], other['gt'])
        assert (one['lq_path'], one['gt_path']) == (other['lq_path'], other['gt_path'])


@pytest.mark.parametrize('phase', ['train', 'val', 'test'])
@pytest.mark.parametrize('more', [{}, {'color': 'y'}, {'mean': [0.4, 0.5, 0.5], 'std': [0.5, 0.5, 0.5]}])
def test_samples_are_the_toolboxs_to_the_last_bit(opt, phase, more):
    assert_the_toolboxs(opt(phase=phase, **more))


@pytest.mark.parametrize('phase', ['train', 'val'])
def test_from_lmdbs(opt, lmdbs, phase):
    assert_the_toolboxs(opt(phase=phase, **lmdbs))


@pytest.mark.parametrize('phase', ['train', 'val'])
def test_from_a_list_of_names_and_a_template(opt, folders, phase):
    for file in (folders / 'LR').iterdir():
        file.rename(file.with_name(f'{file.stem}x2.png'))
    (folders / 'names.txt').write_text('c.png (44,36,3)\na.png (42,36,3)\n')
    template = {'filename_tmpl': '{}x2', 'phase': phase}
    assert_the_toolboxs(opt(**template))
    assert_the_toolboxs(opt(meta_info_file=str(folders / 'names.txt'), **template))
    assert GuardedPairedImageDataset(opt(meta_info_file=str(folders / 'names.txt'), **template)).names == ['c', 'a']


def test_jpegs_grey_images_and_photographs_to_be_turned(opt, folders, picture):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    hr = np.ascontiguousarray(picture(40, 60).transpose(1, 0, 2))
    for side, image in (('HR', hr), ('LR', degrade(hr, 2, 'bicubic'))):
        Image.fromarray(np.rot90(image)).save(folders / side / 'e.jpg', exif=exif, quality=95)
        Image.fromarray(image[..., 0]).save(folders / side / 'f.png')
        Image.fromarray(image).quantize(64).save(folders / side / 'g.png')
    for phase in ('train', 'val'):
        assert_the_toolboxs(opt(phase=phase))


def test_an_overhang_of_11_pixels_is_cut_as_the_toolbox_does_it(opt, folders, write_images, picture):
    write_images(folders / 'HR', {'a.png': picture(42 + 11, 36 + 11, 1)})
    assert_the_toolboxs(opt(phase='test'))


@pytest.mark.parametrize('workers', [0, 2])
def test_in_workers(opt, lmdbs, workers):
    dataset = GuardedPairedImageDataset(opt(phase='val', **lmdbs))
    dataset[0]  # opens the stores here too, which the toolbox's reader could not do twice
    found = {batch['gt_path'][0]: batch['gt'][0] for batch in DataLoader(dataset, num_workers=workers)}
    expected = {sample['gt_path'][-5]: sample['gt'] for sample in PairedImageDataset(opt(phase='val'))}
    assert sorted(found) == sorted(expected) == list('abcd')
    assert all(torch.equal(image, expected[name]) for name, image in found.items())


def test_raw_stores_are_read_too(opt, folders):
    made = prepare(Preparation(folders / 'HR', folders / 'out', 2, lr_window=12))
    files = samples(GuardedPairedImageDataset(opt(phase='val')))
    stores = {'dataroot_gt': str(made.hr_path) + '/', 'dataroot_lq': str(made.lr_path), 'io_backend': {'type': 'lmdb'}}
    by_name = {sample['gt_path']: sample for sample in samples(GuardedPairedImageDataset(opt(phase='val', **stores)))}
    assert sorted(by_name) == list('abcd')
    for sample in files:
        other = by_name[sample['gt_path'][-5]]
        assert torch.equal(sample['gt'], other['gt'])
        assert torch.equal(sample['lq'], other['lq'])


def test_names_that_the_toolbox_would_cut_are_refused(opt, folders):
    for side in ('HR', 'LR'):
        make_lmdb_from_imgs(
            str(folders / side), str(folders / f'{side}.lmdb'), ['a.png', 'b.png'], ['x.a', 'x.b'], map_size=1 << 22
        )
    stores = {f'dataroot_{key}': str(folders / f'{side}.lmdb') for key, side in (('gt', 'HR'), ('lq', 'LR'))}
    with pytest.raises(InputError, match=r'HR\.lmdb has an image x\.a, a name that PairedImageDataset cuts at its dot'):
        GuardedPairedImageDataset(opt(io_backend={'type': 'lmdb'}, **stores))


@pytest.mark.parametrize('phase', ['train', 'val'])
@pytest.mark.parametrize('lonely', ['HR', 'LR'])
def test_lonely_images_are_named(opt, folders, lonely, phase):
    other = {'HR': 'LR', 'LR': 'HR'}[lonely]
    (folders / other / 'b.png').unlink()
    with pytest.raises(InputError, match=rf'{lonely} has b\.png and .*{other} no image for it \(1 without a partner\)'):
        GuardedPairedImageDataset(opt(phase=phase))


def test_lonely_keys_of_lmdbs_are_named(opt, folders, lmdbs):
    shutil.rmtree(folders / 'LR.lmdb')
    make_lmdb_from_imgs(str(folders / 'LR'), lmdbs['dataroot_lq'], ['a.png'], ['a'], map_size=1 << 22)
    with pytest.raises(InputError, match=r'HR\.lmdb has b and .*LR\.lmdb no image for it \(3 without a partner\)'):
        GuardedPairedImageDataset(opt(**lmdbs))


def test_sizes_are_compared_before_training(opt, folders, write_images, picture):
    write_images(folders / 'HR', {'b.png': picture(50, 36)})
    said = r'HR/b\.png is 50x36 and .*LR/b\.png 22x18, which is not 1/2 of it \(1 such pair\): make both with bsr'
    with pytest.raises(InputError, match=said):
        GuardedPairedImageDataset(opt())
    with pytest.raises(InputError, match=r'which is not 1/3 of it \(4 such pairs\)'):
        GuardedPairedImageDataset(opt(scale=3))


@pytest.mark.parametrize('phase', ['train', 'val'])
@pytest.mark.parametrize(('option', 'value'), [('meta_info_file', 'names.txt'), ('filename_tmpl', '{}x2')])
def test_what_is_not_read_from_lmdbs_is_refused(opt, lmdbs, phase, option, value):
    with pytest.raises(InputError) as error:
        GuardedPairedImageDataset(opt(phase=phase, **lmdbs, **{option: value}))
    assert str(error.value) == (
        f'{option} {value} is not read from LMDB stores; leave it out, or use RFSPairedImageDataset.'
    )
    unset = opt(phase=phase, **lmdbs, meta_info_file=None, filename_tmpl='{}')
    assert len(GuardedPairedImageDataset(unset)) == len(GuardedPairedImageDataset(opt(phase=phase, **lmdbs)))


def test_sizes_in_lmdbs_are_compared_before_training(opt, lmdbs):
    with pytest.raises(InputError, match=r'a is 42x36 and a 21x18, which is not 1/4 of it \(4 such pairs\)'):
        GuardedPairedImageDataset(opt(scale=4, **lmdbs))


def test_images_smaller_than_a_patch_are_named(opt):
    said = (
        r'HR/.\.png is \d+x36, smaller than gt_size 40 \(4 of 4 images\): remove such images, or use a smaller gt_size'
    )
    with pytest.raises(InputError, match=said):
        GuardedPairedImageDataset(opt(gt_size=40))


def test_a_training_image_without_a_header_is_named(opt, folders):
    (folders / 'LR' / 'c.png').write_bytes(b'nothing')
    with pytest.raises(InputError, match=r'LR/c\.png is not a readable image'):
        GuardedPairedImageDataset(opt())


def test_a_damaged_training_image_is_named_when_it_is_read(opt, folders):
    path = folders / 'HR' / 'c.png'
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r'HR/c\.png cannot be read'):
        samples(GuardedPairedImageDataset(opt()))


def test_in_tests_what_does_not_fit_is_named_and_left_out(opt, folders, write_images, picture):
    write_images(folders / 'HR', {'a.png': picture(42, 35)})
    write_images(folders / 'HR', {'b.png': picture(44, 36 + 12)})
    (folders / 'LR' / 'c.png').write_bytes(b'nothing')
    images = ReadableImages(GuardedPairedImageDataset(opt(phase='test')))
    assert [batch['gt_path'][0][-5] for batch in images] == ['d']
    skipped = {image.name: image.reason for image in images.skipped}
    assert sorted(skipped) == ['a', 'b', 'c']
    for name, sizes in (('a', '42x35 and .* 21x18'), ('b', '44x48 and .* 22x18')):
        with pytest.raises(InputError, match=rf'HR/{name}\.png is {sizes}, which is not 1/2 of it'):
            raise InputError(skipped[name])
    assert 'LR/c.png is not a readable image' in skipped['c']


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'dataroot_lq': None}, 'data set Pairs: `dataroot_lq`: missing'),
        ({'gt_size': None}, 'data set Pairs: `gt_size`: missing'),
        ({'use_rot': None}, 'data set Pairs: `use_rot`: missing'),
        ({'io_backend': {'type': 'zip'}}, r"io_backend type is 'zip': use disk, lmdb or memcached\."),
        ({'dataroot_gt': '/nowhere/HR'}, r'/nowhere/HR is not a folder: give a folder of images\.'),
        ({'io_backend': {'type': 'lmdb'}}, r'dataroot_gt is .*HR: .* wants the name of an LMDB to end in \.lmdb\.'),
        (
            {'filename_tmpl': 'x2'},
            r"data set Pairs: `filename_tmpl`: 'x2' must contain \{\}, which stands for the HR name",
        ),
        ({'filename_tmpl': '{}x2'}, r'LR has a\.png and .*HR no image for it \(4 without a partner\)'),
        (
            {'meta_info_file': '/nowhere/names.txt'},
            r'meta_info_file /nowhere/names\.txt cannot be read \(.*No such file',
        ),
    ],
)
def test_bad_options_get_a_sentence(opt, changes, said):
    with pytest.raises(InputError, match=said) as error:
        GuardedPairedImageDataset(opt(**changes))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (b'a.png\nz.png (4,4,3)\n', r'names .*LR/z\.png, which is not there \(2 missing\)'),
        (b'', r'names no image: put the list or the folders right\.'),
        (b'\xff\xfe', r'cannot be read \('),
    ],
)
def test_bad_lists_of_names_get_a_sentence(opt, folders, text, said):
    (folders / 'names.txt').write_bytes(text)
    with pytest.raises(InputError, match=rf'meta_info_file .*names\.txt {said}'):
        GuardedPairedImageDataset(opt(meta_info_file=str(folders / 'names.txt')))


def test_an_empty_folder_gets_a_sentence(opt, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match=r'empty holds no image'):
        GuardedPairedImageDataset(opt(dataroot_gt=str(tmp_path / 'empty')))


def test_memcached_is_the_toolboxs_own(opt):
    options = {**opt(io_backend={'type': 'memcached', 'server_list_cfg': 'x'}), 'type': 'PairedImageDataset'}
    assert guarded(lambda given: ('stock', given))(options) == ('stock', options)

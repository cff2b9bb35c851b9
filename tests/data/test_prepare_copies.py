"""Scale augmentation: down-scaled copies of every HR image are further images of the stores."""

import numpy as np
import pytest
from folders import contents

from bsr_plugin.cli import main
from bsr_plugin.data import hr_images as hr_images_module
from bsr_plugin.data.check import check_stores
from bsr_plugin.data.prepare import Preparation, prepare
from bsr_plugin.data.store import LMDBStore, open_store
from bsr_plugin.errors import InputError

#: Heights and widths of ``hr_images``, and of their copies by 0.75 and 0.5, by hand; halves to the even number.
SIZES = {
    'a': ((47, 91), (35, 68), (24, 46)),
    'b': ((61, 49), (46, 37), (30, 24)),
    'c': ((65, 35), (49, 26), (32, 18)),
    'd': ((53, 73), (40, 55), (26, 36)),
    'e': ((19, 41), (14, 31), (10, 20)),
}


def bicubic_matrix(length, new_length):
    """(new_length, length): Keys' cubic kernel (a = -0.5), stretched by the reduction, on mirrored samples."""
    step = length / new_length
    distance = np.abs(
        (np.arange(-4 * length, 5 * length) - ((np.arange(new_length) + 0.5) * step - 0.5)[:, None]) / step
    )
    near, far = (np.polyval(taps, distance) for taps in ([1.5, -2.5, 0, 1], [-0.5, 2.5, -4, 2]))
    weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    weights /= weights.sum(axis=1, keepdims=True)
    turns = weights.reshape(new_length, 9, length)
    return sum(turns[:, turn, ::-1] if turn % 2 else turns[:, turn] for turn in range(9))


def to_bytes(values):
    return np.floor(np.clip(values, 0, 255) + 0.5 + 1e-9)


def resized(image, height, width):
    rows = to_bytes(np.tensordot(bicubic_matrix(image.shape[0], height), image.astype(float), 1))
    return to_bytes(np.einsum('nw,hwc->hnc', bicubic_matrix(image.shape[1], width), rows)).astype(np.uint8)


def cut(image, scale):
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]


@pytest.mark.parametrize('encoding', ['raw', 'png', 'files'])
@pytest.mark.parametrize('scale', [2, 3])
def test_every_copy_is_resized_from_the_whole_image_and_degraded_as_a_whole(
    tmp_path, hr_folder, hr_images, encoding, scale
):
    task = Preparation(hr_folder, tmp_path, scale, lr_window=5, encoding=encoding, copies=(0.5, 0.75))
    made = prepare(task)
    backend = 'disk' if encoding == 'files' else 'lmdb'
    hr, lr = open_store(made.hr_path, backend), open_store(made.lr_path, backend)
    expected = {}
    for letter, sizes in SIZES.items():
        for name, size in zip((letter, f'{letter}_x0.75', f'{letter}_x0.5'), sizes, strict=True):
            if min(size) >= 5 * scale:
                whole = hr_images[f'{letter}.png']
                expected[name] = cut(whole if name == letter else resized(whole, *size), scale)
    assert hr.names == lr.names
    assert sorted(hr.names) == sorted(expected)
    left_out = {2: 0, 3: 2}[scale]  # at x3 a patch is 15 pixels, and both copies of e have fewer rows
    assert (made.images, made.copies, made.small_copies) == (15 - left_out, 10 - left_out, left_out)
    for at, name in enumerate(hr.names):
        np.testing.assert_array_equal(hr.image(at), expected[name], err_msg=name)
        height, width = expected[name].shape[:2]
        small = resized(expected[name], height // scale, width // scale)
        np.testing.assert_array_equal(lr.image(at), small, err_msg=name)
    assert check_stores([made.hr_path, made.lr_path]) == made.images
    again = prepare(task)
    assert (again.made, again.images, again.copies, again.small_copies) == (
        False,
        made.images,
        made.copies,
        made.small_copies,
    )


def test_the_index_covers_the_copies(tmp_path, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=12, copies=(0.75, 0.5)))
    lr = LMDBStore(made.lr_path)
    windows = [max(0, height - 11) * max(0, width - 11) for height, width in lr.sizes.tolist()]
    assert made.index.windows.tolist() == windows
    # Below the patch of 24 pixels: c by 0.5 with 18 columns, e by 0.75 and by 0.5 with 14 and 10 rows.
    assert (made.images, made.copies, made.small_copies) == (12, 7, 3)


def test_the_order_of_factors_does_not_matter_and_the_factors_do(tmp_path, hr_folder):
    made = prepare(Preparation(hr_folder, tmp_path, 2, lr_window=5, copies=(0.5, 0.75)))
    before = contents(tmp_path)
    assert not prepare(Preparation(hr_folder, tmp_path, 2, lr_window=5, copies=(0.75, 0.5))).made
    for others in ({'copies': (0.5,)}, {'copies': ()}, {'copies': (0.75, 0.5), 'lr_window': 6}):
        with pytest.raises(InputError, match=r'HR_x2\.lmdb exists and was made from other images or settings'):
            prepare(Preparation(hr_folder, tmp_path, **{'scale': 2, 'lr_window': 5, **others}))
    assert contents(tmp_path) == before
    assert made.copies == 10


def test_parts_hold_the_copies_of_their_images(tmp_path, hr_folder):
    tasks = [Preparation(hr_folder, tmp_path, 2, lr_window=5, shard=(number, 2), copies=(0.75,)) for number in (1, 2)]
    assert [prepare(task).images for task in tasks] == [6, 4]
    names = open_store(tmp_path / 'LR_bicubic_x2.lmdb', 'lmdb').names
    assert sorted(names) == sorted([*SIZES, *(f'{letter}_x0.75' for letter in SIZES)])


@pytest.mark.parametrize('encoding', ['raw', 'files'])
@pytest.mark.parametrize('stop', range(1, 7))
def test_runs_that_are_interrupted_end_with_the_same_bytes(
    tmp_path, hr_folder, monkeypatch, prepare_interrupted, encoding, stop
):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 4)
    settings = {'lr_window': 5, 'encoding': encoding, 'copies': (0.75, 0.5)}
    prepare(Preparation(hr_folder, tmp_path / 'whole', 2, **settings))
    assert prepare_interrupted(Preparation(hr_folder, tmp_path / 'again', 2, **settings), stop).made
    assert contents(tmp_path / 'again') == contents(tmp_path / 'whole')


def test_a_run_with_other_copies_does_not_go_on_with_what_is_there(tmp_path, hr_folder, monkeypatch, prepare_until):
    monkeypatch.setattr(hr_images_module, '_BATCH_IMAGES', 2)
    prepare_until(Preparation(hr_folder, tmp_path / 'again', 2, lr_window=5, copies=(0.5,)), 'd.png')
    assert (tmp_path / 'again' / '.HR_x2.lmdb.partial').exists()
    prepare(Preparation(hr_folder, tmp_path / 'again', 2, lr_window=5, copies=(0.75,)))
    prepare(Preparation(hr_folder, tmp_path / 'whole', 2, lr_window=5, copies=(0.75,)))
    assert contents(tmp_path / 'again') == contents(tmp_path / 'whole')


def test_an_image_that_cannot_be_read_is_left_out_with_its_copies(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {f'{name}.png': picture(40, 40, at) for at, name in enumerate('ab')})
    whole = (folder / 'a.png').read_bytes()
    (folder / 'a.png').write_bytes(whole[: len(whole) // 2])
    made = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=11, copies=(0.75, 0.5)))
    assert LMDBStore(made.hr_path).names == LMDBStore(made.lr_path).names == ['b', 'b_x0.75']
    assert (made.images, made.copies, made.small_copies, len(made.left_out)) == (2, 1, 1, 1)
    (folder / 'a.png').unlink()
    without = prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=11, copies=(0.75, 0.5)))
    assert (without.made, without.images, without.copies, without.small_copies) == (False, 2, 1, 1)


def test_names_that_an_image_has_already_get_a_sentence(tmp_path, write_images, picture):
    folder = write_images(tmp_path / 'hr', {'a.png': picture(40, 40), 'a_x0.9.png': picture(40, 40, 1)})
    prepare(Preparation(folder, tmp_path / 'out', 2, lr_window=8, copies=(0.8,)))
    for shard in (None, (1, 2), (2, 2)):
        with pytest.raises(InputError, match=r'a_x0\.9\.png and the copy of a\.png by 0\.9 would get the same name'):
            prepare(Preparation(folder, tmp_path / 'other', 2, lr_window=8, copies=(0.9,), shard=shard))
    long = write_images(tmp_path / 'long', {f'{"x" * 247}.png': picture(40, 40)})
    with pytest.raises(InputError, match='is too long for a store: shorten it'):
        prepare(Preparation(long, tmp_path / 'other', 2, encoding='files', copies=(0.9,)))
    assert not (tmp_path / 'other').exists()


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        ('1', 'The factor of a copy is 1.0: use factors between 0 and 1, such as 0.9,0.8.'),
        ('0.9,0', 'The factor of a copy is 0.0'),
        ('nan', 'The factor of a copy is nan'),
        ('0.9,0.90', 'The factor of a copy 0.9 is given twice: give every factor once.'),
        ('0.9;0.8', "'0.9;0.8' is not a list of factors: use F,F,... such as 0.9,0.8"),
    ],
)
def test_factors_that_do_not_serve_get_a_sentence(tmp_path, hr_folder, capsys, words, sentence):
    arguments = ['prepare', str(hr_folder), '--out', str(tmp_path / 'out'), '--scale', '2', '--copies', words]
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_the_command_says_how_many_copies_there_are(tmp_path, hr_folder, capsys):
    words = ['prepare', str(hr_folder), '--out', str(tmp_path), '--scale', '2', '--lr-window', '12']
    assert main([*words, '--copies', '0.75,0.5']) == 0
    out = capsys.readouterr().out
    assert ': 12 images.\n' in out
    assert 'Down-scaled copies: 7 stored, 3 smaller than a patch (24 HR pixels) left out.\n' in out
    assert main([*words, '--copies', '0.75,0.5', '--check']) == 0
    assert '12 images' in capsys.readouterr().out

"""Two hundred benchmark images, most of them damaged in some way: each is measured or named, and the run goes on."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bsr_plugin.data.degradation import degrade
from bsr_plugin.evaluation.results import read_results

NUMBER = 200


def encoded(image: np.ndarray) -> bytes:
    return cv2.imencode('.png', image)[1].tobytes()


def as_palette(image: np.ndarray) -> np.ndarray:
    """The image with no more colours than a palette holds."""
    return np.asarray(Image.fromarray(image).quantize(32).convert('RGB'))


class Mutations:
    """Ways to spoil or to dress up a pair; each gives the files of HR and LR, and what must become of the pair."""

    def __init__(self, generator: np.random.Generator):
        self.random = generator

    def untouched(self, hr, lr):
        return encoded(hr), encoded(lr), 'same'

    def sixteen_bit(self, hr, lr):
        return encoded(hr.astype(np.uint16) * 257), encoded(lr.astype(np.uint16) * 257), 'same'

    def opaque_alpha(self, hr, lr):
        return encoded(np.dstack([hr, np.full(hr.shape[:2], 255, np.uint8)])), encoded(lr), 'same'

    def larger_than_its_partner_by_a_border(self, hr, lr):
        border = self.random.integers(0, 11, 2)
        return encoded(np.pad(hr, ((0, border[0]), (0, border[1]), (0, 0)), 'symmetric')), encoded(lr), 'same'

    def grey(self, hr, lr):
        grey = cv2.cvtColor(hr, cv2.COLOR_BGR2GRAY)
        return encoded(grey), encoded(degrade(grey, 2, 'bicubic')), 'measured'

    def palette(self, hr, lr):
        palette = as_palette(hr)
        return encoded(palette), encoded(degrade(palette, 2, 'bicubic')), 'measured'

    def truncated(self, hr, lr):
        whole = encoded(hr)
        return whole[: self.random.integers(1, len(whole) - 12)], encoded(lr), 'named'

    def truncated_lr(self, hr, lr):
        whole = encoded(lr)
        return encoded(hr), whole[: self.random.integers(1, len(whole) - 12)], 'named'

    def flipped_bits(self, hr, lr):
        spoilt = bytearray(encoded(hr))
        for place in self.random.integers(40, len(spoilt) - 20, 4):  # within the compressed pixels
            spoilt[place] ^= 1 << self.random.integers(8)
        return bytes(spoilt), encoded(lr), 'named'

    def empty(self, hr, lr):
        return b'', encoded(lr), 'named'

    def no_image(self, hr, lr):
        return b'<html>404</html>', encoded(lr), 'named'

    def translucent(self, hr, lr):
        return encoded(np.dstack([hr, np.full(hr.shape[:2], 90, np.uint8)])), encoded(lr), 'named'

    def swapped_with_its_partner(self, hr, lr):
        return encoded(lr), encoded(hr), 'named'

    def another_picture(self, hr, lr):
        return encoded(hr), encoded(np.ascontiguousarray(255 - lr[::-1, ::-1])), 'named'

    def too_small_a_partner(self, hr, lr):
        return encoded(hr), encoded(lr[:-6]), 'named'

    def too_large_a_partner(self, hr, lr):
        return encoded(hr[:-1, :-1]), encoded(lr), 'named'

    def tiny(self, hr, lr):
        return encoded(hr[:12, :12]), encoded(degrade(hr[:12, :12], 2, 'bicubic')), 'named'


KINDS = [name for name in vars(Mutations) if not name.startswith('_')]


@pytest.fixture
def log():
    """The lines of the toolbox's log; its logger hands nothing on to the ones above it."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger('basicsr').addHandler(handler)
    yield lines
    logging.getLogger('basicsr').removeHandler(handler)


def test_each_of_200_images_is_measured_or_named_in_one_sentence(run_test, tmp_path, picture, log):
    generator = np.random.default_rng(200)
    mutations = Mutations(generator)
    folders = {name: tmp_path / name for name in ('HR', 'LR', 'clean_HR', 'clean_LR')}
    for folder in folders.values():
        folder.mkdir()
    fates = {}
    for number in range(NUMBER):
        kind = KINDS[number % len(KINDS)]
        name = f'{number:03}_{kind}'
        hr = picture(number, *(2 * generator.integers(20, 28, 2)))
        lr = degrade(hr, 2, 'bicubic')
        hr_file, lr_file, fates[name] = getattr(mutations, kind)(hr, lr)
        (folders['HR'] / f'{name}.png').write_bytes(hr_file)
        (folders['LR'] / f'{name}.png').write_bytes(lr_file)
        (folders['clean_HR'] / f'{name}.png').write_bytes(encoded(hr))
        (folders['clean_LR'] / f'{name}.png').write_bytes(encoded(lr))
    sets = [
        {
            'name': label or 'mutated',
            'dataroot_gt': str(folders[f'{label}HR']),
            'dataroot_lq': str(folders[f'{label}LR']),
        }
        for label in ('', 'clean_')
    ]

    assert run_test(sets) == 1

    mutated, clean = read_results(tmp_path / 'results/run').sets
    measured = {image.name: image.values for image in mutated.images}
    named = {image.name: image.reason for image in mutated.skipped}
    expected = {image.name: image.values for image in clean.images}
    assert len(expected) == NUMBER
    assert sorted([*measured, *named]) == sorted(fates)
    for name, fate in fates.items():
        assert (name in named) == (fate == 'named'), (name, named.get(name), measured.get(name))
        if fate == 'same':
            assert measured[name] == expected[name], name
        if fate == 'measured':
            assert 20 < measured[name]['psnr_y'] < 80
            assert 0.5 < measured[name]['ssim_y'] <= 1
    for name, reason in named.items():
        assert reason.count('\n') == 0
        assert Path(reason.split()[0]).name == f'{name}.png', reason
        assert f'{name} is left out: {reason}' in log
    assert mutated.mean['psnr_y'] == pytest.approx(np.mean([values['psnr_y'] for values in measured.values()]))

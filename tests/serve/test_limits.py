import tracemalloc

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.serve.limits import Limits, open_upload
from tests.serve.conftest import bmp_bomb, noise, png_bomb, save


def test_what_is_within_the_limits_is_opened(tmp_path):
    image = open_upload(save(tmp_path / 'a.png', noise(30, 40, 3)), Limits(megapixels=0.0012))
    assert (image.height, image.width, image.bands) == (30, 40, 3)


@pytest.mark.parametrize('bomb', [png_bomb, bmp_bomb])
def test_bombs_are_refused_by_their_header(tmp_path, bomb):
    path = tmp_path / f'bomb.{bomb.__name__[:3]}'
    path.write_bytes(bomb(9000, 9000))
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        open_upload(path, Limits(megapixels=80))
    assert tracemalloc.get_traced_memory()[1] < 9000 * 9000 / 10
    tracemalloc.stop()
    assert str(error.value) == (
        f'{path} has 9000 x 9000 pixels, more than the 80 megapixels that are taken here: make it smaller, or use bsr '
        'upscale.'
    )


def test_files_that_are_too_long_are_not_opened(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(bytes(1_300_000))
    with pytest.raises(InputError, match=r'a\.png has 1\.2 MB, more than the 1 that are taken here: compress it'):
        open_upload(path, Limits(megabytes=1))


@pytest.mark.parametrize('value', [0, -1, float('nan'), float('inf')])
@pytest.mark.parametrize('name', ['megabytes', 'megapixels'])
def test_limits_that_cannot_be(name, value):
    with pytest.raises(InputError, match=f'--max-{name} is {value:g}: use a number above 0'):
        Limits(**{name: value})

import numpy as np
import pytest
import skimage.data

from bsr_plugin.data.degradation import degrade, imresize
from bsr_plugin.data.image_file import encode_png
from bsr_plugin.errors import InputError
from bsr_plugin.report.compare import compare_with_bicubic
from bsr_plugin.report.crops import busiest_region, crop_sheet


@pytest.fixture
def folders(tmp_path):
    """An HR image of 96x120 and a result that is one grey level off everywhere."""
    truth = np.clip(skimage.data.coffee()[100:196, 200:320, ::-1], 0, 254)
    for name, image in (('hr/cup.png', truth), ('results/cup_BSR.png', truth + 1)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode_png(np.ascontiguousarray(image)))
    return tmp_path / 'results', tmp_path / 'hr', truth


def luma(image):
    return 16 + image[..., ::-1].astype(float) @ np.array([65.481, 128.553, 24.966]) / 255


def test_result_and_bicubic_are_measured_alike(folders):
    results, hr, truth = folders
    (item,) = compare_with_bicubic(results, hr, 2)
    # One level in all channels is 219/255 of a level in Y.
    assert item.result_psnr == pytest.approx(20 * np.log10(255 / (219 / 255)), abs=1e-3)
    bicubic = imresize(degrade(np.ascontiguousarray(truth), 2, 'bicubic'), 96, 120)
    error = (luma(bicubic) - luma(truth))[2:-2, 2:-2]
    assert item.bicubic_psnr == pytest.approx(10 * np.log10(255**2 / np.mean(error**2)), abs=1e-3)
    assert item.name == 'cup'
    assert np.array_equal(item.bicubic, bicubic)


def test_missing_and_misfitting_results_are_named(folders, tmp_path):
    results, hr, truth = folders
    (hr / 'plate.png').write_bytes(encode_png(np.ascontiguousarray(truth)))
    with pytest.raises(InputError, match='has no result for plate'):
        compare_with_bicubic(results, hr, 2)
    (results / 'plate_BSR.png').write_bytes(encode_png(np.ascontiguousarray(truth[:90])))
    with pytest.raises(InputError, match='has plate at 90x120, its HR image is 96x120'):
        compare_with_bicubic(results, hr, 2)


def test_sheet_shows_the_pixels_of_the_busiest_region(folders):
    results, hr, _ = folders
    items = compare_with_bicubic(results, hr, 2)
    side, zoom = 24, 3
    sheet = np.asarray(crop_sheet(items, 'BSR', side, zoom))
    top, left = busiest_region(items[0].truth, side)
    for column, image in enumerate((items[0].bicubic, items[0].result, items[0].truth)):
        x, y = 8 + column * (side * zoom + 8), 8 + 26
        cell = sheet[y : y + side * zoom : zoom, x : x + side * zoom : zoom]
        assert np.array_equal(cell, image[top : top + side, left : left + side, ::-1])


def test_busiest_region_is_found():
    image = np.full((60, 80, 3), 90, np.uint8)
    image[31:43:2, 52:64] = 200
    top, left = busiest_region(image, 16)
    assert 26 <= top <= 33
    assert 47 <= left <= 53
    assert busiest_region(image[:10], 16) == (0, 0)

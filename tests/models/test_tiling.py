import logging
import subprocess
import sys
import textwrap
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import interpolate

from bsr_plugin.models.tiling import MIN_TILE, Tiler, infer, is_out_of_memory, spans

LOGGER = logging.getLogger('tiling')


@st.composite
def cuts(draw):
    overlap = draw(st.integers(0, 12))
    tile = draw(st.integers(2 * overlap + 1, 2 * overlap + 40))
    reach = draw(st.none() | st.integers(0, 14))
    return draw(st.integers(1, 200)), tile, overlap, reach


def net_of_reach_3():
    """Three 3x3 convolutions with zero padding, as BasicSR's networks pad, and a pixel shuffle."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 12, 3, 1, 1), nn.PixelShuffle(2)
    )


@settings(deadline=None)
@given(cuts(), st.sampled_from([1, 2, 3, 4]))
def test_the_weights_of_all_tiles_add_up_to_one_at_every_pixel(cut, scale):
    length, tile, overlap, reach = cut
    total = torch.zeros(length * scale, dtype=torch.float64)
    for span in spans(length, tile, overlap, reach):
        weight = span.weight(scale)
        assert weight.min() >= 0
        total[span.start * scale : span.stop * scale] += weight
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)


@settings(deadline=None)
@given(cuts())
def test_tiles_have_one_size_and_reach_into_each_other_by_the_overlap(cut):
    length, tile, overlap, reach = cut
    pieces = spans(length, tile, overlap, reach)
    assert {piece.stop - piece.start for piece in pieces} == {min(tile, length)}
    assert pieces[0].start == 0
    assert pieces[-1].stop == length
    shared = [left.stop - right.start for left, right in pairwise(pieces)]
    assert all(share >= 2 * overlap for share in shared)
    # One tile fewer could not cover the axis.
    assert len(pieces) == 1 or (len(pieces) - 2) * (tile - 2 * overlap) + tile < length


@settings(deadline=None)
@given(cuts(), st.data())
def test_pixels_within_the_networks_reach_of_a_cut_have_no_weight(cut, data):
    length, tile, overlap, _ = cut
    reach = data.draw(st.integers(0, overlap))
    for piece in spans(length, tile, overlap, reach):
        weight = piece.weight(1)
        assert piece.start == 0 or not weight[:reach].any()
        assert piece.stop == length or not weight[len(weight) - reach :].any()


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 10), st.integers(0, 20))
def test_spans_of_windows_begin_at_windows_and_cover_the_axis(windows, multiple, tiles_windows, overlap):
    length, tile = windows * multiple, tiles_windows * multiple
    overlap = min(overlap, (tile - multiple) // 2)
    pieces = spans(length, tile, overlap, multiple=multiple)
    assert all(piece.start % multiple == 0 for piece in pieces)
    assert {piece.stop - piece.start for piece in pieces} == {min(tile, length)}
    assert (pieces[0].start, pieces[-1].stop) == (0, length)
    assert all(left.stop - right.start >= 2 * overlap for left, right in pairwise(pieces))
    total = torch.zeros(length)
    for piece in pieces:
        total[piece.start : piece.stop] += piece.weight(1)
    torch.testing.assert_close(total, torch.ones(length), rtol=0, atol=1e-6)


def per_window(image, window=4):
    """Adds to every pixel the mean of its window; refuses an image that is not made of windows."""
    assert image.size(-2) % window == image.size(-1) % window == 0
    means = nn.functional.avg_pool2d(image, window)
    return interpolate(image + interpolate(means, scale_factor=window, mode='nearest'), scale_factor=2, mode='nearest')


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 4, 9, 13, 16]), st.integers(0, 6))
def test_windows_in_tiles_are_those_of_the_padded_image(height, width, tile, overlap):
    image = torch.rand(1, 3, height, width)
    below, right = -height % 4, -width % 4
    expected = per_window(
        torch.from_numpy(np.pad(image.numpy(), ((0,) * 2,) * 2 + ((0, below), (0, right)), 'reflect'))
    )
    result = Tiler(tile, overlap, LOGGER)(per_window, image, multiple=4)
    torch.testing.assert_close(result, expected[..., : 2 * height, : 2 * width], rtol=0, atol=1e-6)


def test_memory_that_runs_out_leaves_tiles_of_whole_windows(caplog):
    tiler, image = Tiler(None, 32, LOGGER), torch.rand(1, 3, 61, 90)
    sides = []

    def limited(tile):
        sides.append(tile.shape[-2:])
        if max(tile.shape[-2:]) > 30:
            raise MemoryError
        return per_window(tile, 12)

    expected = Tiler(None, 32, LOGGER)(partial(per_window, window=12), image, multiple=12)
    torch.testing.assert_close(tiler(limited, image, multiple=12), expected, rtol=0, atol=1e-6)
    assert tiler.tile == 24
    assert all(side % 12 == 0 for shape in sides for side in shape)
    assert caplog.records[-1].getMessage().startswith('Out of memory for an LR image of 90 x 61 pixels')


def test_the_blend_is_the_ramp_written_out_by_hand():
    # Tiles 0..12 and 8..20 share 8..12; a reach of 1 leaves 9..11, whose pixel centres are 1/4 and 3/4 along.
    left, right = spans(20, 12, 2, reach=1)
    assert (left.start, left.stop, right.start, right.stop) == (0, 12, 8, 20)
    assert left.weight(1)[8:].tolist() == [1.0, 0.75, 0.25, 0.0]
    assert right.weight(1)[:4].tolist() == [0.0, 0.25, 0.75, 1.0]
    assert right.weight(2)[:8].tolist() == [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(3, 5), st.integers(4, 16))
def test_with_an_overlap_of_the_reach_tiling_changes_nothing(height, width, overlap, core):
    net = net_of_reach_3()
    image = torch.rand(1, 3, height, width)
    with torch.no_grad():
        whole = net(image)
    tiled = infer(net, image, 2 * overlap + core, overlap, reach=3)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)


def test_the_error_falls_with_the_overlap_down_to_nothing_at_the_reach():
    net, image = net_of_reach_3(), torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        whole = net(image)
    errors = [float((infer(net, image, 16, overlap, reach=3) - whole).abs().mean()) for overlap in (0, 1, 2, 3)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-3
    assert errors[2] > 1e-4
    assert errors[3] < 1e-7


def test_an_overlap_that_leaves_nothing_of_the_tile_is_an_error():
    with pytest.raises(ValueError, match='an overlap of 8 on each side leaves nothing of a tile of 16'):
        infer(net_of_reach_3(), torch.rand(1, 3, 20, 20), 16, 8)
    with pytest.raises(ValueError, match='an overlap of 5 on each side leaves less than 8 of a tile of 16'):
        infer(net_of_reach_3(), torch.rand(1, 3, 24, 24), 16, 5, multiple=8)


class Hungry:
    """Doubles an image; out of memory above ``limit`` pixels."""

    def __init__(self, limit, error):
        self.limit, self.error, self.sides = limit, error, []

    def __call__(self, image):
        self.sides.append(max(image.shape[-2:]))
        if image.shape[-1] * image.shape[-2] > self.limit:
            raise self.error
        return interpolate(image, scale_factor=2, mode='nearest')


CPU_ERROR = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
)


@pytest.mark.parametrize('error', [CPU_ERROR, torch.cuda.OutOfMemoryError('CUDA out of memory.'), MemoryError()])
def test_out_of_memory_halves_the_tile_until_it_fits_and_says_so(error, caplog):
    net, image = Hungry(40 * 40, error), torch.rand(1, 3, 100, 130)
    tiler = Tiler(None, 4, LOGGER)
    result = tiler(net, image)
    torch.testing.assert_close(result, interpolate(image, scale_factor=2, mode='nearest'))
    assert tiler.tile == 32
    assert net.sides[:3] == [130, 65, 32]
    assert [record.getMessage() for record in caplog.records] == [
        'Out of memory for an LR image of 130 x 100 pixels; retrying in tiles of 65.',
        'Out of memory for an LR image of 130 x 100 pixels; retrying in tiles of 32.',
    ]
    net.sides.clear()
    tiler(net, image)
    assert set(net.sides) == {32}, 'the next image begins with the tile that fits'


def test_a_tile_too_small_for_the_overlap_reduces_it_and_says_so(caplog):
    tiler = Tiler(128, 40, LOGGER)
    tiler(Hungry(70 * 70, MemoryError()), torch.rand(1, 3, 130, 130))
    assert (tiler.tile, tiler.overlap) == (64, 16)
    assert caplog.records[-1].getMessage().endswith('retrying in tiles of 64 with an overlap of 16.')


def test_tiles_that_are_halved_never_advance_by_a_few_pixels():
    net = Hungry(100 * 100, MemoryError())
    tiler = Tiler(None, 32, LOGGER)
    tiler(net, torch.rand(1, 3, 520, 520))
    assert (tiler.tile, tiler.overlap) == (65, 16)
    assert len(net.sides) < 400


def test_memory_that_no_tile_fits_in_is_an_error():
    net = Hungry(10, CPU_ERROR)
    with pytest.raises(RuntimeError, match='allocate memory'):
        Tiler(None, 4, LOGGER)(net, torch.rand(1, 3, 100, 100))
    assert min(net.sides) >= MIN_TILE


def test_other_errors_are_not_taken_for_a_want_of_memory():
    net = Hungry(10, RuntimeError('mat1 and mat2 shapes cannot be multiplied'))
    with pytest.raises(RuntimeError, match='cannot be multiplied'):
        Tiler(None, 4, LOGGER)(net, torch.rand(1, 3, 100, 100))
    assert len(net.sides) == 1
    assert not is_out_of_memory(ValueError('out of memory'))


@pytest.mark.parametrize(
    'text', ['GET was unable to find an engine to execute this computation', 'cuDNN error: CUDNN_STATUS_ALLOC_FAILED']
)
def test_cudnn_runs_out_of_memory_in_words_of_its_own(text):
    tiler = Tiler(None, 4, LOGGER)
    tiler(Hungry(40 * 40, RuntimeError(text)), torch.rand(1, 3, 60, 50))
    assert tiler.tile == 30


def test_the_real_allocators_error_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


MEASURE = """
    import torch
    from torch import nn
    from bsr_plugin.models.tiling import infer
    torch.set_num_threads(1)

    def peak():
        return int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])

    net = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1), nn.Conv2d(64, 64, 3, 1, 1), nn.Conv2d(64, 12, 3, 1, 1),
                        nn.PixelShuffle(2))
    image = torch.zeros(1, 3, 768, 768)
    infer(net, image[..., :64, :64], 64, 4)
    for tile in (64, 768):
        before = peak()
        infer(net, image, tile, 4)
        print(peak() - before)
"""


def test_memory_grows_with_the_result_and_not_with_the_networks_features():
    command = [sys.executable, '-c', textwrap.dedent(MEASURE)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout
    tiled, whole = map(int, printed.split())
    result = 3 * 4 * (2 * 768) ** 2 / 1024
    assert tiled < 2 * result
    assert whole > 5 * result, 'the measurement sees the features of the whole image'

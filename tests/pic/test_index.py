import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsr_plugin import parallel
from bsr_plugin.errors import InputError
from bsr_plugin.pic import index_build, index_file
from bsr_plugin.pic.index import IndexKey, PICIndex, anchors_of, span_for
from bsr_plugin.pic.index_build import build_index
from bsr_plugin.pic.index_file import IndexFileError, check_arrays
from bsr_plugin.pic.intervals import IntervalRule


@st.composite
def small_stores(draw):
    """A few images of different sizes, some of them smaller than the window, at least one larger."""
    window = draw(st.integers(1, 6))
    sides = st.integers(1, 24)
    sizes = [*draw(st.lists(st.tuples(sides, sides), max_size=4)), (draw(st.integers(window, 24)), window + 3)]
    contrasts = draw(st.lists(st.sampled_from([0, 1, 20, 90]), min_size=len(sizes), max_size=len(sizes)))
    return window, list(zip(sizes, contrasts, strict=True))


def sums_by_convolution(image, window, channels):
    """PIC sums with plain NumPy: padded image, shifted differences, sliding windows."""
    padded = np.pad(image.astype(int), ((1, 1), (1, 1), (0, 0)), mode='reflect')
    height, width = image.shape[:2]

    def at(dy, dx):
        return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    across = sum(weight * (at(dy, 1) - at(dy, -1)) for dy, weight in ((-1, 1), (0, 2), (1, 1)))
    down = sum(weight * (at(1, dx) - at(-1, dx)) for dx, weight in ((-1, 1), (0, 2), (1, 1)))
    gradient = getattr(abs(across) + abs(down), channels)(axis=2)
    if min(height, width) < window:
        return np.zeros((0, 0), int)
    return np.lib.stride_tricks.sliding_window_view(gradient, (window, window)).sum(axis=(2, 3))


def every_rank(index, image, interval):
    ranks = np.arange(index.counts[image, interval])
    return index.select(np.full(ranks.size, image), np.full(ranks.size, interval), ranks).tolist()


@settings(max_examples=60)
@given(small_stores(), st.integers(1, 256), st.sampled_from([0.5, 0.9, 0.999, 1.0]), st.sampled_from(['max', 'sum']))
def test_every_window_can_be_drawn_by_its_rank(indexed, textured, store, bins, quantile, channels):
    window, images = store
    pixels = [textured(*size, contrast, seed) for seed, (size, contrast) in enumerate(images)]
    index = indexed(pixels, window, channels, bins=bins, quantile=quantile)
    sums = [sums_by_convolution(image, window, channels) for image in pixels]
    every = np.sort(np.concatenate([values.ravel() for values in sums]))
    top = int(every[-(-int(quantile * 1000) * every.size // 1000) - 1])

    assert (index.window, index.bins, index.channels) == (window, bins, channels)
    assert index.edges[-1] == pytest.approx(top / window**2 if top else 1.0)
    assert index.grid.tolist() == [list(values.shape) for values in sums]
    assert index.windows.tolist() == [values.size for values in sums]
    assert index.usable.tolist() == [at for at, values in enumerate(sums) if values.size]
    # sum >= k * top / bins, in integers
    inner = [-(-k * (top or window**2) // bins) for k in range(1, bins)]
    for image, values in enumerate(sums):
        binned = np.array([sum(edge <= value for edge in inner) for value in values.ravel()], int)
        for interval in range(bins):
            raster = np.flatnonzero(binned == interval)
            assert index.counts[image, interval] == raster.size
            assert index.positions(image, interval).tolist() == raster.tolist()
            assert every_rank(index, image, interval) == raster.tolist()
        found = index.intervals_at(np.full(binned.size, image), np.arange(binned.size))
        assert found.tolist() == binned.tolist()


@pytest.mark.parametrize('bins', [16, 256])
def test_draws_reach_every_window_between_anchors(indexed, textured, bins):
    # More windows than lie between two anchors, in intervals from common to rare, scattered and in runs.
    index = indexed([textured(130, 130, 70, 0), textured(40, 150, 200, 1)], 7, bins=bins, quantile=0.9)
    for image in range(2):
        assert index.windows[image] > span_for(16)
        for interval in range(bins):
            assert every_rank(index, image, interval) == index.positions(image, interval).tolist()
    # All of it at once and out of order is the same.
    places = [(i, b, r) for i in range(2) for b in range(bins) for r in range(index.counts[i, b])]
    shuffled = np.random.default_rng(0).permutation(places)
    whole = {tuple(place): at for place, at in zip(shuffled.tolist(), index.select(*shuffled.T).tolist(), strict=True)}
    assert [whole[place] for place in places] == [
        position for i in range(2) for b in range(bins) for position in index.positions(i, b).tolist()
    ]
    assert index.counts.sum(axis=1).tolist() == index.windows.tolist()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=3000), st.integers(10, 256))
def test_anchors_are_every_stride_th_window_of_their_interval(intervals, bins):
    intervals = np.array(intervals, np.uint8)
    counts, strides, anchors = anchors_of(intervals, bins)
    expected = [
        [*np.flatnonzero(intervals == interval)[:: strides[interval]], intervals.size] for interval in range(bins)
    ]
    assert counts.tolist() == [int((intervals == interval).sum()) for interval in range(bins)]
    assert anchors.tolist() == np.concatenate(expected).tolist()
    # The scan of a draw, averaged over all ranks of an interval, stays below the span however rare the interval is.
    for count, stride in zip(counts.astype(int), strides.astype(int), strict=True):
        assert stride >= 1
        if count:
            assert (stride - 1) * intervals.size / count <= span_for(bins)


@pytest.mark.parametrize(('bins', 'bytes_per_window'), [(16, 1.55), (32, 2.05), (256, 2.05)])
def test_size_of_the_file(indexed, textured, bins, bytes_per_window):
    index = indexed([textured(480, 330, 60, 3)], 32, bins=bins)
    assert index.bytes_per_window == pytest.approx(index.path.stat().st_size / (449 * 299))
    # Header and tables are paid once per store and image; the rest grows with the windows.
    fixed = 16384 + 8 + bins * 24
    assert index.bytes_per_window * (449 * 299) - fixed < bytes_per_window * 449 * 299
    assert index.bytes_per_window < 4


def test_another_process_maps_the_file_and_gets_no_copy(indexed, textured):
    index = indexed([textured(120, 130, 60, 3)], 8)
    sent = pickle.dumps(index)
    assert len(sent) < 500
    received = pickle.loads(sent)
    assert received.counts.tolist() == index.counts.tolist()
    assert every_rank(received, 0, 2) == every_rank(index, 0, 2)


def test_bytes_do_not_depend_on_the_number_of_threads(in_memory, textured, tmp_path, monkeypatch):
    images = in_memory([textured(20 + 3 * seed, 31 - seed, 50, seed) for seed in range(9)])
    key = IndexKey(8, 'max', IntervalRule(5), images.digest)
    written = []
    for workers in (1, 2, 5):
        monkeypatch.setattr(parallel, 'available_cores', lambda workers=workers: workers)
        written.append(build_index(images, key, tmp_path / f'{workers}.idx').path.read_bytes())
    assert written[0] == written[1] == written[2]


def test_header_carries_the_key(indexed, textured):
    edges = tuple(0.1 + 7 * k / 3 if k else 0 for k in range(257))
    index = indexed([textured(12, 12, 90, 0)], 5, channels='sum', edges=edges)
    reopened = PICIndex(index.path)
    assert reopened.key == index.key
    assert reopened.key['window'] == 5
    assert reopened.key['channels'] == 'sum'
    assert tuple(reopened.edges) == edges
    assert reopened.bins == 256


def test_no_image_as_large_as_the_window(in_memory, textured, tmp_path):
    images = in_memory([textured(4, 90, 9, 0), textured(6, 5, 9, 1)])
    with pytest.raises(InputError, match=r'the window is 7 LR pixels and the largest LR image 6x5;') as error:
        build_index(images, IndexKey(7, 'max', IntervalRule(), ''), tmp_path / 'pic.idx')
    assert 'use a smaller gt_size or larger images' in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_long_histogram_counts_several_sums_as_one(in_memory, textured, tmp_path, monkeypatch):
    images = in_memory([textured(40, 50, 60, seed) for seed in range(3)])
    indexes = []
    for longest in (1 << 25, 1 << 12):
        monkeypatch.setattr(index_build, '_LONGEST_HISTOGRAM', longest)
        key = IndexKey(8, 'max', IntervalRule(8, spacing='quantile'), str(longest))
        indexes.append(build_index(images, key, tmp_path / f'{longest}.idx'))
    exact, coarse = (index.thresholds for index in indexes)
    # 6120 * 64 possible sums in at most 4096 entries: 128 sums in one.
    assert (coarse % 128 == 0).all()
    assert not (exact % 128 == 0).all()
    assert np.abs(exact - coarse).max() <= 128
    assert np.ptp(indexes[1].counts.sum(axis=0) / indexes[1].counts.sum()) < 0.02


def test_a_failed_build_leaves_nothing_behind(in_memory, textured, tmp_path):
    images = in_memory([textured(9, 9, 9, 0)], 'mean')
    with pytest.raises(InputError, match='pic_channels'):
        build_index(images, IndexKey(4, 'mean', IntervalRule(edges=(0, 1)), ''), tmp_path / 'pic.idx')
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def file_of_index(indexed, textured, tmp_path):
    path = tmp_path / 'pic.idx'
    path.write_bytes(indexed([textured(15, 20, 60, 0), textured(3, 3, 60, 0)], 6).path.read_bytes())
    return path


def test_every_flipped_byte_of_the_header_is_noticed(file_of_index):
    whole = file_of_index.read_bytes()
    length = int.from_bytes(whole[8:16], 'little')
    for at in [*range(32 + length), 32 + length, 5000, (1 << 14) - 1]:
        file_of_index.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        with pytest.raises(IndexFileError, match=str(file_of_index)):
            PICIndex(file_of_index)


def test_every_flipped_byte_behind_the_header_is_found_by_a_check(file_of_index):
    whole = file_of_index.read_bytes()
    check_arrays(file_of_index)
    for at in range(1 << 14, len(whole)):
        file_of_index.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        with pytest.raises(IndexFileError, match='does not match its digest'):
            check_arrays(file_of_index)


def test_opening_reads_nothing_but_the_header(file_of_index, monkeypatch):
    def refuse(*_):
        raise AssertionError('the arrays are read')

    monkeypatch.setattr(index_file, '_digest_of_arrays', refuse)
    assert PICIndex(file_of_index).window == 6


def test_every_other_length_is_noticed(file_of_index):
    whole = file_of_index.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1, len(whole) + 1, 2 * len(whole)]:
        file_of_index.write_bytes((2 * whole)[:length])
        with pytest.raises(IndexFileError):
            PICIndex(file_of_index)


def test_other_versions_and_absent_files(file_of_index, tmp_path):
    whole = file_of_index.read_bytes()
    file_of_index.write_bytes(whole.replace(b'BSRPIC2', b'BSRPIC0', 1))
    with pytest.raises(IndexFileError, match='is not a PIC index of this version'):
        PICIndex(file_of_index)
    with pytest.raises(IndexFileError, match='cannot be read as a PIC index'):
        PICIndex(tmp_path / 'absent.idx')


def test_arrays_are_read_only_maps(file_of_index):
    index = PICIndex(file_of_index)
    for array in (index.counts, index.grid):
        assert not array.flags.writeable
        assert not array.flags.owndata

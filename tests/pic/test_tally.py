import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bsr_plugin.pic.draws import Draws
from bsr_plugin.pic.tally import Tally, tally

#: (image, position) -> interval: a window lies in one.
WINDOWS = st.tuples(st.integers(0, 3), st.integers(0, 5))
BATCHES = st.lists(
    st.tuples(st.lists(WINDOWS, min_size=1, max_size=8), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6
)


def interval_of(window):
    return (window[0] + 2 * window[1]) % 5


@given(BATCHES)
def test_patches_windows_and_images_are_those_of_sets(batches):
    draws = [
        Draws(*np.array([[*window, interval_of(window)] for window in windows]).T, widened, displaced)
        for windows, widened, displaced in batches
    ]
    drawn = [window for windows, _, _ in batches for window in windows]
    found = tally(iter(draws), 7)
    in_interval = [[window for window in drawn if interval_of(window) == k] for k in range(7)]
    assert found.patches.tolist() == [len(windows) for windows in in_interval]
    assert found.windows.tolist() == [len(set(windows)) for windows in in_interval]
    assert found.images.tolist() == [len({image for image, _ in windows}) for windows in in_interval]
    assert (found.widened, found.displaced) == (sum(b[1] for b in batches), sum(b[2] for b in batches))


def test_nothing_drawn():
    found = tally([], 3)
    assert found.patches.tolist() == found.windows.tolist() == found.images.tolist() == [0, 0, 0]


def test_the_table_has_sixteen_intervals_in_a_row():
    numbers = np.arange(20) * 10
    lines = str(Tally(numbers, numbers // 2, numbers // 5)).splitlines()
    assert [line.split()[0] for line in lines] == ['interval', 'patches', 'windows', 'images'] * 2
    assert lines[1].split()[1:] == [str(10 * k) for k in range(16)]
    assert lines[6].split()[1:] == [str(5 * k) for k in range(16, 20)]
    assert len({line.rindex(' ') for line in lines[:4]}) <= 3
    assert len({len(line) for line in lines[:4]}) == 1


def test_the_law_stands_in_the_table_in_percent():
    numbers = np.array([7, 5])
    lines = str(Tally(numbers, numbers, numbers, probabilities=np.array([2 / 3, 1 / 3]))).splitlines()
    assert [line.split() for line in lines[:3]] == [['interval', '0', '1'], ['percent', '66.67', '33.33'],
                                                    ['patches', '7', '5']]  # fmt: skip
    assert len({len(line) for line in lines}) == 1

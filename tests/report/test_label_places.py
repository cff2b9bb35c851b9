"""Corners of points for their labels."""

import pytest

from bsr_plugin.report.label_places import Box, corners_of_labels

PANEL = Box(0, 0, 200, 100)
#: A label that goes to the right of a point in the middle and above it, if it can.
MIDDLE, SIZE = (100, 50), (40, 12)


@pytest.mark.parametrize(
    ('point', 'others', 'corner'),
    [
        (MIDDLE, [], (1, 1)),
        (MIDDLE, [(125, 55)], (1, -1)),
        (MIDDLE, [(125, 55), (125, 40)], (-1, 1)),
        (MIDDLE, [(125, 55), (125, 40), (75, 55)], (-1, -1)),
        ((170, 50), [], (-1, 1)),
        ((100, 95), [], (1, -1)),
        ((170, 95), [], (-1, -1)),
    ],
)
def test_the_first_corner_that_covers_nothing_and_stays_in_the_panel(point, others, corner):
    sizes = [SIZE, *[(0, 0)] * len(others)]
    assert corners_of_labels([point, *others], sizes, PANEL, 5)[0] == corner


def test_labels_make_way_for_those_before_them():
    assert corners_of_labels([MIDDLE, (100, 56)], [SIZE, SIZE], PANEL, 3) == [(1, 1), (-1, 1)]


def test_where_every_corner_covers_something_it_is_the_least():
    others = [(125, 55), (125, 40), (75, 55), (75, 37)]
    sizes = [SIZE, *[(0, 0)] * len(others)]
    assert corners_of_labels([MIDDLE, *others], sizes, PANEL, 5)[0] == (-1, -1), 'below to the left it is cut off'

"""Where the labels of points in a plot go, so that they cover neither points nor one another."""

from collections.abc import Sequence
from typing import NamedTuple

#: To the right and above first, as a reader expects it.
_CORNERS = (1, 1), (1, -1), (-1, 1), (-1, -1)


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def area(self) -> float:
        """Its area; 0 for one turned inside out."""
        return max(0.0, self.right - self.left) * max(0.0, self.top - self.bottom)

    def common(self, other: 'Box') -> float:
        """Area that it has in common with another."""
        return Box(
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            min(self.right, other.right),
            min(self.top, other.top),
        ).area()


def corners_of_labels(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], panel: Box, radius: float
) -> list[tuple[int, int]]:
    """Chooses, label after label, the corner of its point at which it covers least.

    Args:
        points: Centre of each point, in pixels.
        sizes: Width and height of each label, in pixels.
        panel: What the labels had better not leave.
        radius: Radius of a point, which is the distance of its label as well.

    Returns:
        For each label whether it is right (1) or left (-1) of its point, and above (1) or below (-1) it.
    """
    taken = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    chosen = []
    for point, size in zip(points, sizes, strict=True):
        boxes = {corner: _at(corner, point, size, radius) for corner in _CORNERS}
        costs = {corner: box.area() - box.common(panel) + sum(map(box.common, taken)) for corner, box in boxes.items()}
        corner = min(_CORNERS, key=lambda each: costs[each])
        taken.append(boxes[corner])
        chosen.append(corner)
    return chosen


def _at(corner: tuple[int, int], point: tuple[float, float], size: tuple[float, float], gap: float) -> Box:
    """The box of a label at a corner of its point."""
    (x, y), (width, height) = point, size
    left = x + gap if corner[0] > 0 else x - gap - width
    bottom = y if corner[1] > 0 else y - height
    return Box(left, bottom, left + width, bottom + height)

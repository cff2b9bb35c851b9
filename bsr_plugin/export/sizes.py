"""Sizes of images: free in exported files, odd where exported files are verified."""

from torch.export import Dim

#: Batch, height and width of the example that the exporters trace with; no two alike, none of them 1.
EXAMPLE_SIZE = (2, 17, 13)
#: Batch, height and width of the images that exported files are compared on: odd, long, and a single pixel.
ODD_SIZES = ((1, 31, 47), (3, 17, 23), (1, 5, 64), (1, 1, 1))


def dynamic_shapes() -> tuple[dict[int, Dim]]:
    """For the exporters: any batch, height and width."""
    return ({0: Dim('batch', min=1), 2: Dim('height', min=1), 3: Dim('width', min=1)},)

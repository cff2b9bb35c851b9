"""What can be chosen, and what is taken otherwise, known without the seconds that importing torch takes."""

from typing import Literal

Device = Literal['auto', 'cpu', 'cuda']
Precision = Literal['auto', 'float32', 'bf16']

#: Side of a tile in LR pixels.
TILE = 512
#: Tiles that are smaller would be mostly overlap.
SMALLEST_TILE = 16
#: Pixels of the largest image that is read.
MAX_PIXELS = 1 << 29
#: Quality of lossy formats, 1 to 100.
QUALITY = 95
#: Endings of the formats that are written.
SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.tif', '.tiff', '.avif')

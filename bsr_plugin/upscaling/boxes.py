"""What the boxes of a file say of it before it is decoded."""

from pathlib import Path

from bsr_plugin.data import boxes


def is_sequence(path: Path) -> bool:
    """Whether a HEIF or AVIF file holds an animation, of which libvips takes the first image for all."""
    with path.open('rb') as file:
        found = boxes.boxes(file)
        return next(found, (b'',))[0] == b'ftyp' and any(box.kind == b'moov' for box in found)


def bits_of_jpeg2000(path: Path) -> int:
    """Bits of the samples of a JPEG 2000 file, the most that one of its components has.

    Raises:
        struct.error: The file ends too early.
    """
    with path.open('rb') as file:
        return max(boxes.bits_of_jpeg2000(file), default=0)

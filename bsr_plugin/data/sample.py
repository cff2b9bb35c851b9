"""Real photographs without a download: those that scikit-image ships in its package."""

from pathlib import Path

import skimage.data

from bsr_plugin.atomic import write_bytes
from bsr_plugin.data.image_file import encode_png, read_image
from bsr_plugin.errors import InputError

#: Photographs to train on.
TRAINING = (
    *('brick.png', 'chelsea.png', 'coins.png', 'grass.png', 'gravel.png'),
    *('hubble_deep_field.jpg', 'ihc.png', 'page.png', 'rocket.jpg', 'text.png'),
)
#: Photographs that training never sees. The right-hand view of the motorcycle is in neither set: it is the same scene.
HELD_OUT = ('astronaut.png', 'camera.png', 'coffee.png', 'motorcycle_left.png')


def write_sample(folder: Path) -> tuple[Path, Path]:
    """Writes the photographs as PNG into the folders ``train`` and ``test``, which it returns.

    Files that are there already are left as they are.

    Raises:
        InputError: The installed scikit-image does not ship one of the photographs.
    """
    folders = folder / 'train', folder / 'test'
    for target, names in zip(folders, (TRAINING, HELD_OUT), strict=True):
        target.mkdir(parents=True, exist_ok=True)
        for photograph in map(_shipped, names):
            copy = target / f'{photograph.stem}.png'
            if not copy.exists():
                write_bytes(copy, encode_png(read_image(photograph)))
    return folders


def held_out_photographs() -> list[Path]:
    """The files of ``HELD_OUT`` where scikit-image has them.

    Raises:
        InputError: The installed scikit-image does not ship one of them.
    """
    return [_shipped(name) for name in HELD_OUT]


def _shipped(name: str) -> Path:
    photograph = Path(skimage.data.__file__).parent / name
    if not photograph.is_file():
        raise InputError(f'The installed scikit-image has no {name}: install scikit-image 0.22 or later.')
    return photograph

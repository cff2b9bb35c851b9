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
    source = Path(skimage.data.__file__).parent
    folders = folder / 'train', folder / 'test'
    for target, names in zip(folders, (TRAINING, HELD_OUT), strict=True):
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            copy = target / f'{Path(name).stem}.png'
            if not (source / name).is_file():
                raise InputError(f'The installed scikit-image has no {name}: install scikit-image 0.22 or later.')
            if not copy.exists():
                write_bytes(copy, encode_png(read_image(source / name)))
    return folders

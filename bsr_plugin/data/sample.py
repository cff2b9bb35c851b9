"""Real photographs without a download: those that scikit-image ships in its package."""

from pathlib import Path

import skimage.data

from bsr_plugin.atomic import replacing
from bsr_plugin.data.image_file import encode_png, read_image
from bsr_plugin.errors import InputError

#: Photographs to train on. The two motorcycles are one scene seen twice and must stay on one side of the split.
TRAINING = (
    'astronaut.png',
    'brick.png',
    'coins.png',
    'grass.png',
    'gravel.png',
    'hubble_deep_field.jpg',
    'ihc.png',
    'motorcycle_left.png',
    'motorcycle_right.png',
    'page.png',
)
#: Photographs that training never sees.
HELD_OUT = ('camera.png', 'chelsea.png', 'coffee.png', 'rocket.jpg')


def write_sample(folder: Path) -> tuple[Path, Path]:
    """Writes the photographs as PNG; files that are there already are left as they are.

    Args:
        folder: Gets the folders ``train`` and ``test``.

    Returns:
        The two folders.

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
                with replacing(copy) as temporary:
                    temporary.write_bytes(encode_png(read_image(source / name)))
    return folders

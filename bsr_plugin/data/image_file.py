"""Image files of any kind to the one form everything here works on: (H, W, 3) uint8, BGR."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bsr_plugin.errors import InputError

#: File name endings, lower case, of what is taken for an image when a folder is listed.
IMAGE_SUFFIXES = frozenset({'.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm', '.pnm', '.jp2'})


def list_images(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name; hidden files are passed over.

    Raises:
        InputError: The folder does not exist or holds no image.
    """
    if not folder.is_dir():
        raise InputError(f'{folder} is no folder: give a folder of images.')
    paths = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
    )
    if not paths:
        raise InputError(f'{folder} holds no image: give a folder with PNG, JPEG, TIFF, BMP or WebP files.')
    return paths


def image_size(path: Path) -> tuple[int, int]:
    """Height and width from the file's header, without decoding it.

    Raises:
        InputError: The file is no image, or one whose colours have no single RGB reading (CMYK).
    """
    try:
        with Image.open(path) as image:
            if image.mode == 'CMYK':
                raise InputError(f'{path} is CMYK: convert it to RGB first.')
            return image.height, image.width
    except UnidentifiedImageError as error:
        raise InputError(f'{path} is no image that can be read: remove it or put it right.') from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f'{path} cannot be read ({error}): remove it or put it right.') from error


def decode(data: bytes | memoryview | NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Decodes an encoded image.

    Grey images get three equal channels, palettes their colours, 16-bit samples are rounded to 8 bits, and an alpha
    channel is dropped where it is opaque everywhere.

    Args:
        data: The encoded bytes.
        name: What to call the image in an error.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        InputError: No image, a translucent one, or samples that are neither 8 nor 16 bits.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f'{name} is no image that can be read: remove it or put it right.')
    return _to_bgr8(np.asarray(image), name)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Reads an image file; see :func:`decode`. Any file name works, non-ASCII ones included."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f'{path} cannot be read ({error.strerror}).') from error
    return decode(data, str(path))


def encode_png(image: NDArray[np.uint8], compression: int = 1) -> bytes:
    """Encodes (H, W, 3) BGR or (H, W) uint8 as PNG, losslessly.

    Args:
        image: The pixels.
        compression: 0 (fast) to 9 (small).
    """
    done, data = cv2.imencode('.png', image, [cv2.IMWRITE_PNG_COMPRESSION, compression])
    if not done:
        raise ValueError(f'An image of shape {image.shape} cannot be encoded as PNG.')
    return data.tobytes()


def _to_bgr8(image: NDArray, name: str) -> NDArray[np.uint8]:
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise InputError(f'{name} has samples of type {image.dtype}: convert it to 8 or 16 bits first.')
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    channels = image.shape[2]
    if channels in (2, 4) and (image[..., -1] != 255).any():
        raise InputError(f'{name} is translucent: flatten its alpha channel first.')
    if channels in (1, 2):
        return np.repeat(image[..., :1], 3, axis=2)
    return np.ascontiguousarray(image[..., :3])

"""One network, one file: encoded, written, read back, compared, and only then put in its place."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.atomic import replacing
from bsr_plugin.errors import InputError
from bsr_plugin.export import onnx_file, program_file, weights_file
from bsr_plugin.export.half_precision import half
from bsr_plugin.export.verification import Difference, difference
from bsr_plugin.weights.about import Precision, WeightsMetadata


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        name: As users call it.
        encode: Network and metadata to the file's content.
        run: A file to a function of float32 images.
    """

    name: str
    encode: Callable[[BSRNet, WeightsMetadata], bytes]
    run: Callable[[Path], Callable[[Tensor], Tensor]]


#: Ending of the file's name -> what it is.
FORMATS = {
    '.safetensors': Format('safetensors', weights_file.encode, weights_file.open_network),
    '.onnx': Format('ONNX', onnx_file.encode, lambda path: onnx_file.run(path.read_bytes())),
    '.pt2': Format('torch.export', program_file.encode, lambda path: program_file.run(path.read_bytes())),
}


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how far it is from the network."""

    path: Path
    size: int
    about: WeightsMetadata
    difference: Difference


def format_of(path: Path) -> Format:
    """The format that a file's name asks for; ``InputError`` if it is none of them."""
    if path.suffix not in FORMATS:
        raise InputError(f'{path} ends with {path.suffix or "nothing"}: use {", ".join(FORMATS)}.')
    if path.suffix == '.onnx':
        onnx_file.check_installed()
    return FORMATS[path.suffix]


def export(network: BSRNet, about: WeightsMetadata, path: Path, precision: Precision = 'float32') -> Exported:
    """Writes a file whose name says its format; it replaces one that is there only when it has been verified.

    Args:
        network: In eval mode, float32.
        about: What the file is to say of itself.
        path: ``*.safetensors``, ``*.onnx`` or ``*.pt2``.
        precision: Type of its weights; in ONNX and ``torch.export`` files also that of input, output and arithmetic.

    Raises:
        InputError: The format is unknown or lacks a package, or the file differs from the network by too much.
        OSError: It cannot be written.
    """
    wanted = format_of(path)
    about = replace(about, precision=precision)
    content = wanted.encode(half(network) if precision == 'float16' else network, about)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        found = difference(network, wanted.run(temporary))
        found.check(path, precision)
    return Exported(path, len(content), about, found)

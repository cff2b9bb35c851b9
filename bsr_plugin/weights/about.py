"""What a file of weights says about itself: network, data, recipe, scores. Kept in its header, shown by its card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bsr_plugin.archs.arguments import arguments_of_network
from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.data.degradation import Degradation
from bsr_plugin.errors import InputError, is_number
from bsr_plugin.models.safetensors_file import decoded
from bsr_plugin.models.weights import WeightsFile

Precision = Literal['float32', 'float16']

#: Headers hold more than this, such as the digest of the tensors.
_CONFIG = ConfigDict(extra='ignore')


@dataclass(frozen=True, config=_CONFIG)
class TrainingSet:
    """The HR images that weights were trained on.

    Attributes:
        name: Name of the data set in the recipe.
        images: Number of images, down-scaled copies included.
        digest: Digest of the HR store, which covers every pixel and name.
    """

    name: str
    images: int
    digest: str


@dataclass(frozen=True, config=_CONFIG)
class Recipe:
    """The option file of the training: its name and its text."""

    file: str
    text: str


@dataclass(frozen=True, config=_CONFIG)
class Score:
    """A metric on a test set: its mean, and its value for every image by name."""

    mean: float
    images: dict[str, float]


@dataclass(frozen=True, config=_CONFIG)
class WeightsMetadata:
    """What a file says about itself.

    Attributes:
        network_g: Type and all arguments of the network.
        scale: Factor from LR to HR.
        parameters: Number of weights.
        precision: Type of the weights in the file.
        degradation: How the LR images of the training were made; ``None`` where that is not known.
        training_set: What it was trained on.
        recipe: How.
        scores: Test set -> ``psnr_y``, ``ssim_y`` or ``psnr_rgb`` -> score.
        versions: Package -> version it was trained with.
    """

    network_g: dict[str, Any]
    scale: int
    parameters: int
    precision: Precision = 'float32'
    degradation: Degradation | None = None
    training_set: TrainingSet | None = None
    recipe: Recipe | None = None
    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, file: WeightsFile, network: BSRNet) -> 'WeightsMetadata':
        """What ``file`` says, with the network that was made of it.

        Raises:
            InputError: The file says something that cannot be.
        """
        named = {each.name for each in fields(cls)}
        said = {name: value for name, value in file.metadata.items() if name in named}
        known = {
            'network_g': {'type': 'BSRNet', **arguments_of_network(network)},
            'scale': network.upscale,
            'parameters': sum(weight.numel() for weight in network.parameters()),
        }
        return _checked({**said, **known}, file.path)

    @classmethod
    def from_header(cls, header: Mapping[str, str], path: Path) -> 'WeightsMetadata':
        """Undoes :meth:`header`; ``path`` is the file in errors.

        Raises:
            InputError: Something is missing, or cannot be, or the network is not a BSRNet.
        """
        if 'network_g' not in header:
            raise InputError(
                f'{path} does not say what it holds: bsr export {path} -o FILE.safetensors makes one that does'
            )
        named = {each.name for each in fields(cls)}
        about = _checked({name: decoded(text) for name, text in header.items() if name in named}, path)
        network = about.network_g
        if network.get('type') != 'BSRNet' or not is_number(network.get('img_range')):
            raise InputError(f'{path} has invalid metadata: network_g: it lacks the type BSRNet or img_range')
        return about

    def header(self) -> dict[str, str]:
        """As strings: words as they are, anything else as JSON. What is not known is left out."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, {})}
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items()}


def _checked(values: Mapping[str, Any], path: Path) -> WeightsMetadata:
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = '.'.join(map(str, first['loc'])) or 'it'
        raise InputError(f'{path} has invalid metadata: {where}: {first["msg"]}') from error


_ADAPTER = TypeAdapter(WeightsMetadata)

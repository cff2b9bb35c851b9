"""BSR for spandrel, which loads models for chaiNNer, ComfyUI and others from their weights alone.

After ``bsr_plugin.spandrel.install()``, ``spandrel.ModelLoader().load_from_file(...)`` knows a BSRNet in files of
BSRModel and of SRModel and in safetensors.
"""

from collections.abc import Mapping
from typing import Any

from bsr_plugin.archs.arguments import arguments_of
from bsr_plugin.archs.bsr_arch import BSRNet

# After the toolbox, whose import makes that of torchvision possible where its build is not that of torch.
try:
    from spandrel import MAIN_REGISTRY, Architecture, ArchRegistry, ArchSupport, ImageModelDescriptor, SizeRequirements
    from spandrel.util import KeyCondition
except ImportError as error:
    raise ImportError('spandrel is not installed: pip install spandrel.', name='spandrel') from error


class BSRArch(Architecture[BSRNet]):
    """How spandrel recognizes a BSRNet, and what it reads from the tensors.

    ``img_range`` and ``rgb_mean`` are not among them, and spandrel hands on nothing but tensors: images are in [0, 1],
    which spandrel has too, and the mean is DIV2K's, the default.
    """

    def __init__(self) -> None:
        super().__init__(
            id='BSR',
            name='BSR',
            detect=KeyCondition.has_all(
                'conv_first.weight',
                'body.0.blocks.0.conv1.weight',
                'body.0.blocks.0.conv2.weight',
                'conv_fuse.weight',
                'conv_last.weight',
            ),
        )

    def load(self, state_dict: Mapping[str, Any]) -> ImageModelDescriptor[BSRNet]:
        """The network with its weights, and what it is.

        Raises:
            InputError: The tensors are those of a network that spandrel cannot be told of, one without RGB images.
        """
        arguments = arguments_of(state_dict)
        network = BSRNet(**arguments)
        return ImageModelDescriptor(
            network,
            dict(state_dict),
            architecture=self,
            purpose='SR',
            tags=_tags(arguments),
            supports_half=True,
            supports_bfloat16=True,
            scale=network.upscale,
            input_channels=arguments['num_in_ch'],
            output_channels=arguments['num_out_ch'],
            # One convolution after another with zeros around the image: any size will do.
            size_requirements=SizeRequirements(),
        )


def _tags(arguments: Mapping[str, Any]) -> list[str]:
    """Features, groups and blocks, as spandrel's other architectures have them; then what is not the paper's."""
    tags = [f'{arguments["num_feat"]}nf', f'{arguments["num_group"]}ng', f'{arguments["num_block"]}nb']
    if arguments['expansion'] != 1:
        tags.append(f'{arguments["expansion"]}ex')
    if arguments['upsampler'] != 'pixelshuffle':
        tags.append(arguments['upsampler'])
    if arguments['attention'] != 'spatial':
        tags.append(f'{arguments["attention"]} attention')
    if not arguments.get('skip_connections', True):
        tags.append('no skip connections')
    return tags


def install(registry: ArchRegistry = MAIN_REGISTRY) -> None:
    """Adds BSR to a registry of spandrel, by default to that of all its loaders; a second call changes nothing."""
    registry.add(ArchSupport.from_architecture(BSRArch()), ignore_duplicates=True)

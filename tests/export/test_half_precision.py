"""What float16 weights cost."""

import cv2
import numpy as np
import pytest
import torch

from bsr_plugin.archs.bsr_arch import BSRNet
from bsr_plugin.errors import InputError
from bsr_plugin.export.half_precision import half, largest_loss, rounded_to_half


@pytest.fixture
def network():
    torch.manual_seed(1)
    return BSRNet(num_feat=4, num_group=1, num_block=1, upscale=2, img_range=255.0).eval().requires_grad_(False)


def images():
    rng = np.random.default_rng(0)
    return [
        cv2.GaussianBlur(rng.integers(0, 256, size, dtype=np.uint8), (5, 5), 2) for size in ((25, 31, 3), (40, 36, 3))
    ]


def psnr_y(network, image):
    """By the definition: luma of ITU-R BT.601 in [16, 235], two pixels cut from the border."""
    from bsr_plugin.data.degradation import imresize

    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    lr = imresize(image, image.shape[0] // 2, image.shape[1] // 2)
    output = network(torch.tensor(lr[..., ::-1].copy()).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0)
    pixels = output.clamp(0, 255).round().double().numpy()
    luma = [rgb @ np.array([65.481, 128.553, 24.966]) / 255 for rgb in (pixels, image[..., ::-1].astype(float))]
    error = np.mean((luma[0] - luma[1])[2:-2, 2:-2] ** 2)
    return 10 * np.log10(255**2 / error)


@pytest.mark.parametrize('offset', [40.017, 70.1])
def test_the_loss_is_that_of_the_worst_image(network, offset):
    # Large weights that cancel out leave the steps of float16, 1/32 from 32 on.
    network.conv_fuse.weight.add_(offset)
    network.conv_fuse.weight[:, 1::2].mul_(-1)
    rounded = rounded_to_half(network)
    losses = [psnr_y(network, image) - psnr_y(rounded, image) for image in images()]
    assert max(map(abs, losses)) > 0.001
    assert largest_loss(network, images(), 'bicubic') == pytest.approx(max(0.0, *losses), abs=1e-5)


def test_weights_that_are_halves_already_need_no_images(network):
    for weight in network.parameters():
        weight.copy_(weight.half())
    assert largest_loss(network, iter(()), 'bicubic') == 0.0
    assert all(
        torch.equal(a, b) for a, b in zip(network.parameters(), rounded_to_half(network).parameters(), strict=True)
    )
    assert {weight.dtype for weight in half(network).parameters()} == {torch.float16}


def test_weights_beyond_the_range_get_a_sentence(network):
    network.conv_fuse.weight[0, 0] = 1e5
    with pytest.raises(InputError, match=r'conv_fuse\.weight has weights beyond the range of float16'):
        half(network)

"""Images that are integers until they are on the device: no engine can mistake 0..255 for [0, 1]."""

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from torch.utils.data import default_collate

from bsr_plugin.data.uint8_images import UInt8Images

INTEGERS = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)


def test_they_arrive_as_floats():
    for device in ('cpu', torch.device('cpu')):
        floats = UInt8Images(INTEGERS).to(device, non_blocking=True)
        assert floats.dtype == torch.float32
        assert floats.flatten().tolist() == (torch.arange(256.0) / 255).tolist()
    assert INTEGERS.flatten().tolist() == list(range(256))


def test_nothing_can_be_computed_with_them_before():
    images = UInt8Images(INTEGERS)
    with pytest.raises(TypeError):
        images / 1.0
    with pytest.raises(TypeError):
        torch.nn.Conv2d(1, 1, 3)(images)


def test_they_are_collated_to_a_batch():
    batch = default_collate([{'lq': image} for image in UInt8Images(INTEGERS).unbind()])
    assert torch.equal(batch['lq'].integers, INTEGERS)


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('phase', ['train', 'val'])
def test_through_the_toolboxs_loader(options, phase, workers):
    batches = []
    for uint8 in (True, False):
        opt = options(phase=phase, uint8=uint8, num_worker_per_gpu=workers)
        (batch, *_) = build_dataloader(build_dataset(opt), opt, sampler=range(4), seed=0)
        batches.append(batch)
    integers, floats = batches
    for side in ('lq', 'gt'):
        assert torch.equal(integers[side].to('cpu'), floats[side])

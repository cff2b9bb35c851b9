"""Prefetched batches hold what the data set gave, however fast they are taken; on a GPU while it is still computing."""

import time

import basicsr.data  # noqa: F401  # which imports the prefetchers itself
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from bsr_plugin.data.uint8_images import UInt8Images
from bsr_plugin.toolbox.prefetch import CUDAPrefetcher

COUNT, SIDE = 24, 256


class Numbered(Dataset):
    """Image ``index`` is filled with that number, as floats and as bytes; each takes ``seconds`` to make."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        time.sleep(self.seconds)
        image = torch.full((3, SIDE, SIDE), index, dtype=torch.uint8)
        return {'lq': image.float(), 'gt': UInt8Images(image), 'lq_path': str(index)}


@pytest.mark.parametrize('consumer', ['slow', 'fast'])
@pytest.mark.parametrize('workers', [0, 1])
def test_every_batch_arrives_whole_and_in_order(device, consumer, workers):
    on_gpu = device.type == 'cuda'
    loader = DataLoader(
        Numbered(0.005 if consumer == 'fast' else 0), batch_size=1, num_workers=workers, pin_memory=on_gpu
    )
    opt = {'num_gpu': int(on_gpu), 'model_type': 'BSRModel', 'train': {'channels_last': True}}
    prefetcher = CUDAPrefetcher(loader, opt)
    for _ in range(2):
        prefetcher.reset()
        found, paths = [], []
        while (batch := prefetcher.next()) is not None:
            if on_gpu:
                assert batch['lq'].is_contiguous(memory_format=torch.channels_last)
                if consumer == 'slow':
                    # The GPU gets to this batch long after the host has asked for the next ones.
                    torch.cuda._sleep(20_000_000)
            lq, gt = (batch[side].to(device) for side in ('lq', 'gt'))
            found.append(torch.stack([lq.amin(), lq.amax(), 255 * gt.amin(), 255 * gt.amax()]))
            paths += batch['lq_path']
            del batch, lq, gt
        expected = torch.arange(COUNT, dtype=torch.float32)[:, None].expand(COUNT, 4)
        torch.testing.assert_close(torch.stack(found).cpu(), expected, rtol=1e-5, atol=1e-4)
        assert paths == [str(index) for index in range(COUNT)]
        assert prefetcher.next() is None


def test_an_image_that_cannot_be_read_is_told_after_the_batches_before_it(device):
    class Broken(Numbered):
        def __getitem__(self, index):
            if index == 3:
                raise OSError('image 3 cannot be read')
            return super().__getitem__(index)

    on_gpu = device.type == 'cuda'
    loader = DataLoader(Broken(0), batch_size=1, pin_memory=on_gpu)
    prefetcher = CUDAPrefetcher(loader, {'num_gpu': int(on_gpu), 'model_type': 'SRModel', 'train': {}})
    prefetcher.reset()
    assert [prefetcher.next()['lq_path'] for _ in range(3)] == [['0'], ['1'], ['2']]
    for _ in range(2):
        with pytest.raises(OSError, match='image 3 cannot be read'):
            prefetcher.next()

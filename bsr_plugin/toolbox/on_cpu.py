"""What the toolbox does only with a GPU, done without one: several processes that train on CPUs."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torch.nn.parallel import DistributedDataParallel

#: ``torch`` for ``basicsr.utils.dist_util``, which uses it for nothing but counting and selecting GPUs.
ONE_DEVICE = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: 1, set_device=lambda device: None))


def over_gloo(stock: Callable[..., None]) -> Callable[..., None]:
    """``_init_dist_pytorch`` and ``_init_dist_slurm`` with the gloo backend, whichever is asked for."""
    return lambda backend, **settings: stock('gloo', **settings)


def model_to_device(stock: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``BaseModel.model_to_device`` that does not tie the networks of several ranks in main memory to a GPU."""

    def by_device(self: Any, net: Any) -> Any:
        if self.device.type != 'cpu' or not self.opt['dist']:
            return stock(self, net)
        unused = self.opt.get('find_unused_parameters', False)
        return DistributedDataParallel(net.to(self.device), find_unused_parameters=unused)

    return by_device

"""Every difference between BasicSR 1.4.2 as released and today's Python, torch and torchvision.

One function for each difference; it says what goes wrong, and does nothing where nothing would. No installed file
is changed. ``before_basicsr`` makes ``import basicsr`` possible, ``after_basicsr`` repairs what the toolbox does on
a machine without a GPU, and ``when_basicsr_is_imported`` calls both at the right moment.

This file imports the standard library alone, and nothing of this package: the start-up hook
(``startup/bsr_plugin_hook.py``) loads it by its path, before the package is known.
"""

import importlib.util
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import takewhile
from pathlib import Path
from queue import Empty
from types import ModuleType, SimpleNamespace
from typing import Any

# ---------------------------------------------------------------------------------------------------------------
# When: around the one import of the toolbox
# ---------------------------------------------------------------------------------------------------------------


def before_basicsr() -> None:
    """Makes ``import basicsr`` possible; harmless to repeat."""
    define_torchvision_operators()
    provide_functional_tensor()
    provide_distutils()


def after_basicsr() -> None:
    """Repairs the imported toolbox; harmless to repeat."""
    forward_prefetch_errors()
    end_abandoned_prefetching()
    outlive_stop_signals()
    prefetch_without_gpu()
    resume_from_newest_readable_state()
    note_epochs()
    distribute_without_gpu()
    wrap_networks_without_gpu()


def when_basicsr_is_imported(register: Callable[[], None]) -> None:
    """Calls ``before_basicsr``, then lets ``basicsr`` be imported, then calls ``after_basicsr`` and ``register``.

    If the toolbox has been imported already, the last two are called now.
    """

    def after() -> None:
        after_basicsr()
        register()

    if 'basicsr' in sys.modules:
        after()
    else:
        sys.meta_path.insert(0, _AroundBasicSR(after))


class _AroundBasicSR(MetaPathFinder):
    """Finds ``basicsr`` where the other finders find it."""

    def __init__(self, after: Callable[[], None]) -> None:
        self.after = after

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return spec_around(self, name, self.after) if name == 'basicsr' else None


def spec_around(finder: Any, name: str, after: Callable[[], None]) -> ModuleSpec | None:
    """Finds a top-level package with the finders behind ``finder`` and arranges for two calls around its execution.

    Args:
        finder: The member of ``sys.meta_path`` that was asked.
        name: The package.
        after: Called when the package has been executed; ``before_basicsr`` is called just before. Looking for
            the package without importing it calls neither.
    """
    behind = sys.meta_path[sys.meta_path.index(finder) + 1 :]
    found = (other.find_spec(name, None) for other in behind if hasattr(other, 'find_spec'))
    spec = next((spec for spec in found if spec is not None), None)
    if spec is None or spec.loader is None:
        return spec
    execute = spec.loader.exec_module

    def exec_module(module: ModuleType) -> None:
        before_basicsr()
        execute(module)
        after()

    spec.loader.exec_module = exec_module  # type: ignore[method-assign]
    return spec


# ---------------------------------------------------------------------------------------------------------------
# Before: what stops the import
# ---------------------------------------------------------------------------------------------------------------


def define_torchvision_operators() -> None:
    """Declares ``nms`` and ``qnms`` where torchvision's compiled library cannot be loaded.

    ``import torchvision`` attaches shape functions to both operators. Where its library was built for CUDA and
    torch was not, the operators do not exist and the import fails. The toolbox calls neither.
    """
    package = importlib.util.find_spec('torchvision')
    if 'torchvision' in sys.modules or package is None:
        return
    import torch

    for folder in package.submodule_search_locations or ():
        for library in Path(folder).glob('_C.*'):
            # Loading twice is harmless; defining an operator that a later load defines again is not.
            with suppress(OSError):
                torch.ops.load_library(str(library))
    for operator in ('nms', 'qnms'):
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(
                f'torchvision::{operator}', '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
            )


def provide_functional_tensor() -> None:
    """Gives torchvision 0.17 and later the module that ``basicsr.data.degradations`` takes one function from."""
    name = 'torchvision.transforms.functional_tensor'
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    from torchvision.transforms.functional import rgb_to_grayscale

    _add_module(name, rgb_to_grayscale=rgb_to_grayscale)


def provide_distutils() -> None:
    """Gives Python 3.12 and later the one name of ``distutils`` that ``basicsr.archs.arch_util`` compares with.

    Usually setuptools brings a copy of ``distutils``; this is for where it does not.
    """
    if 'distutils' in sys.modules or importlib.util.find_spec('distutils') is not None:
        return
    from packaging.version import Version

    _add_module('distutils', __path__=[])
    _add_module('distutils.version', LooseVersion=Version)


def _add_module(name: str, **contents: Any) -> None:
    module = ModuleType(name, 'Stands in for a module that is gone; see bsr_plugin.compat.')
    vars(module).update(contents)
    sys.modules[name] = module


# ---------------------------------------------------------------------------------------------------------------
# After: what hangs or needs a GPU
# ---------------------------------------------------------------------------------------------------------------


class _Raised:
    """An exception on its way from the prefetching thread to the one that waits for a batch."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def forward_prefetch_errors() -> None:
    """Raises in the training loop what a data set raised under ``prefetch_mode: cpu``.

    As released, the exception ends the prefetching thread and the training loop waits for ever.
    """
    from basicsr.data.prefetch_dataloader import PrefetchGenerator

    def run_and_report(stock: Callable[..., None]) -> Callable[..., None]:
        """Hands an exception over like an item."""

        def run(self: Any) -> None:
            try:
                stock(self)
            except BaseException as error:
                self.queue.put(_Raised(error))

        return run

    def next_or_raise(stock: Callable[..., Any]) -> Callable[..., Any]:
        """Raises an exception that was handed over, whenever it is asked again."""

        def following(self: Any) -> Any:
            item = stock(self)
            if isinstance(item, _Raised):
                self.queue.put(item)
                raise item.error
            return item

        return following

    _wrap(PrefetchGenerator, 'run', run_and_report)
    _wrap(PrefetchGenerator, '__next__', next_or_raise)


def end_abandoned_prefetching() -> None:
    """Ends the prefetching of an epoch when the next one begins under ``prefetch_mode: cpu``.

    The training loop asks for a first epoch and throws it away. As released, its thread and its worker processes
    stay, and with ``persistent_workers`` it takes batches that belong to the epoch that is used.
    """
    from basicsr.data.prefetch_dataloader import PrefetchDataLoader, PrefetchGenerator
    from torch.utils.data import DataLoader

    def one_at_a_time(stock: Callable[..., Any]) -> Callable[..., Any]:
        """Ends the prefetching that is under way before another begins."""

        def iterate(self: Any) -> Any:
            if hasattr(self, 'prefetching'):
                _end(*self.prefetching)
            abandoned = threading.Event()
            batches = takewhile(lambda _: not abandoned.is_set(), DataLoader.__iter__(self))
            self.prefetching = PrefetchGenerator(batches, self.num_prefetch_queue), abandoned
            return self.prefetching[0]

        return iterate

    _wrap(PrefetchDataLoader, '__iter__', one_at_a_time)


def _end(prefetching: Any, abandoned: threading.Event) -> None:
    abandoned.set()
    while prefetching.is_alive():
        with suppress(Empty):
            prefetching.queue.get(timeout=0.01)


def prefetch_without_gpu() -> None:
    """Makes ``prefetch_mode: cuda`` an ordinary loader where there is no CUDA stream to copy batches on."""
    from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher

    if _has_gpu():
        return
    _wrap(CUDAPrefetcher, '__init__', lambda _: lambda self, loader, opt: CPUPrefetcher.__init__(self, loader))
    _wrap(CUDAPrefetcher, 'next', lambda _: CPUPrefetcher.next)
    _wrap(CUDAPrefetcher, 'reset', lambda _: CPUPrefetcher.reset)


def resume_from_newest_readable_state() -> None:
    """Lets ``--auto_resume`` take the newest state that can be read, wherever the program was started.

    As released, it looks in the current folder, takes the newest state even if it is damaged, and asks for a GPU.
    Also where ``basicsr/train.py`` of a toolbox checkout is itself the running program.
    """
    import basicsr.train
    from bsr_plugin.models.resume import load_resume_state

    program = sys.modules['__main__']
    for module in (basicsr.train, program):
        if hasattr(module, 'load_resume_state') and hasattr(module, 'train_pipeline'):
            _wrap(module, 'load_resume_state', lambda _: load_resume_state)


def outlive_stop_signals() -> None:
    """Keeps data workers alive while the training process finishes its step after SIGTERM or Ctrl-C.

    As released, a worker dies of a signal sent to the whole job, and the training process of the error that follows.
    """
    import basicsr.data
    from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher

    from bsr_plugin.models.loop import worker_init_fn
    from bsr_plugin.models.stopping import signals_wait

    for prefetcher in (CPUPrefetcher, CUDAPrefetcher) if _has_gpu() else (CPUPrefetcher,):
        for name in ('__init__', 'reset'):
            _wrap(prefetcher, name, signals_wait())
    if basicsr.data.worker_init_fn is not worker_init_fn:
        worker_init_fn.stock = basicsr.data.worker_init_fn  # type: ignore[attr-defined]
        basicsr.data.worker_init_fn = worker_init_fn


def note_epochs() -> None:
    """Makes the epoch known to the model, which must be able to save at any time.

    As released, the training loop tells it to the sampler alone, and to the model only when it asks it to save.
    """
    from basicsr.data.data_sampler import EnlargedSampler

    from bsr_plugin.models.loop import note_epoch

    def noting(stock: Callable[..., None]) -> Callable[..., None]:
        def set_epoch(self: Any, epoch: int) -> None:
            note_epoch(epoch)
            stock(self, epoch)

        return set_epoch

    _wrap(EnlargedSampler, 'set_epoch', noting)


def distribute_without_gpu() -> None:
    """Lets ``--launcher pytorch`` and ``--launcher slurm`` join processes over gloo where there is no GPU.

    As released, the toolbox divides the rank by the number of GPUs, selects that GPU and asks for NCCL.
    """
    from basicsr.utils import dist_util

    if _has_gpu():
        return
    # The module uses torch for nothing else than to count and select devices.
    dist_util.torch = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: 1, set_device=lambda device: None))

    def over_gloo(stock: Callable[..., None]) -> Callable[..., None]:
        return lambda backend, **settings: stock('gloo', **settings)

    _wrap(dist_util, '_init_dist_pytorch', over_gloo)
    _wrap(dist_util, '_init_dist_slurm', over_gloo)


def wrap_networks_without_gpu() -> None:
    """Keeps ``BaseModel.model_to_device`` from tying a network in main memory to the current GPU."""
    from basicsr.models.base_model import BaseModel
    from torch.nn.parallel import DistributedDataParallel

    def by_device(stock: Callable[..., Any]) -> Callable[..., Any]:
        """Leaves everything to the toolbox but networks of several ranks in main memory."""

        def model_to_device(self: Any, net: Any) -> Any:
            if self.device.type != 'cpu' or not self.opt['dist']:
                return stock(self, net)
            unused = self.opt.get('find_unused_parameters', False)
            return DistributedDataParallel(net.to(self.device), find_unused_parameters=unused)

        return model_to_device

    _wrap(BaseModel, 'model_to_device', by_device)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _wrap(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces ``owner.name`` by ``wrapper(owner.name)``, once."""
    wrapped = vars(owner).get('wrapped_by_bsr_plugin', frozenset())
    if name not in wrapped:
        setattr(owner, name, wrapper(getattr(owner, name)))
        owner.wrapped_by_bsr_plugin = wrapped | {name}

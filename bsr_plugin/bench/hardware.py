"""What a machine has that training cares about: versions, processor, memory, disk and GPUs."""

import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bsr_plugin import __version__
from bsr_plugin.parallel import available_cores

_PACKAGES = ('basicsr', 'torch', 'torchvision', 'numpy', 'opencv-python', 'lmdb', 'pydantic')
#: What is told of a processor -> how Linux calls it.
_FEATURES = {'AVX2': 'avx2', 'AVX-512': 'avx512f', 'AVX-512 bf16': 'avx512_bf16', 'AMX bf16': 'amx_bf16'}
_CPUINFO, _MEMINFO = Path('/proc/cpuinfo'), Path('/proc/meminfo')


def versions() -> dict[str, str]:
    """Versions of the plugin, Python, the system, and the packages that decide how fast and how exact a run is."""
    found = {'bsr_plugin': __version__, 'Python': platform.python_version(), 'system': platform.platform()}
    return found | {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return 'not installed'


def hardware(folder: Path) -> dict[str, Any]:
    """Processor, memory in bytes, disk and GPUs.

    Args:
        folder: Whose disk is asked for its free space.

    Returns:
        ``processor``, its ``features`` by name (``None`` where the system does not tell), ``cores`` that this process
        may use, ``threads`` of torch, ``memory_free`` and ``memory`` (``None`` where the system does not tell),
        ``disk_free``, and ``gpus``: name, memory and free memory of each.
    """
    import torch

    name, flags = read_cpuinfo(_CPUINFO.read_text(errors='replace') if _CPUINFO.is_file() else '')
    memory = read_meminfo(_MEMINFO.read_text() if _MEMINFO.is_file() else '')
    gpus = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        gpus.append({'name': torch.cuda.get_device_name(index), 'memory': total, 'memory_free': free})
    return {
        'processor': name or platform.processor() or platform.machine(),
        'features': {feature: flag in flags if flags else None for feature, flag in _FEATURES.items()},
        'cores': available_cores(),
        'threads': torch.get_num_threads(),
        'memory': memory.get('MemTotal'),
        'memory_free': memory.get('MemAvailable'),
        'disk_free': shutil.disk_usage(folder).free,
        'gpus': gpus,
    }


def read_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    """Name and flags of the first processor in Linux's ``/proc/cpuinfo``; both empty where it has none."""
    entries = _entries(text.partition('\n\n')[0])
    return entries.get('model name', ''), frozenset(entries.get('flags', entries.get('Features', '')).split())


def read_meminfo(text: str) -> dict[str, int]:
    """Linux's ``/proc/meminfo`` in bytes."""
    return {name: int(value.split()[0]) * 1024 for name, value in _entries(text).items()}


def _entries(text: str) -> Mapping[str, str]:
    pairs = (line.partition(':') for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}

"""The machine that figures are measured on, and who else computes on it meanwhile."""

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bsr_plugin.parallel import available_cores

_STAT = Path('/proc/stat')
#: Columns of the work in a line ``cpuN``: user, nice, system, interrupts (2), and what a hypervisor took away.
_BUSY = (1, 2, 3, 6, 7, 8)


@dataclass(frozen=True)
class Load:
    """Seconds since some moment: on the clock, of work on the cores available here, and of this program's share in it.

    Only Linux tells the work of all programs; elsewhere ``work`` is NaN.
    """

    clock: float
    work: float
    own: float

    @classmethod
    def now(cls) -> 'Load':
        """The counts so far; the program's own include its child processes that have ended."""
        return cls(time.monotonic(), _work(), sum(os.times()[:4]))

    def others_until(self, later: 'Load') -> float:
        """Cores that other programs held on average."""
        return (later.work - self.work - (later.own - self.own)) / (later.clock - self.clock)


def _work() -> float:
    if not _STAT.is_file():
        return float('nan')
    names = {f'cpu{core}' for core in os.sched_getaffinity(0)}
    lines = map(str.split, _STAT.read_text().splitlines())
    ticks = sum(int(line[column]) for line in lines if line and line[0] in names for column in _BUSY)
    return ticks / os.sysconf('SC_CLK_TCK')


def describe() -> dict[str, str]:
    """Processor, cores, torch and, where there is a GPU, its name, driver, CUDA and cuDNN."""
    import torch

    found = {'processor': processor(), 'cores': str(available_cores()), 'torch': torch.__version__}
    if torch.cuda.is_available():
        found |= {
            'GPU': torch.cuda.get_device_name(),
            'driver': _driver(),
            'CUDA': str(torch.version.cuda),
            'cuDNN': str(torch.backends.cudnn.version()),
        }
    return found


def in_a_line() -> str:
    """Processor, cores, torch and, where there is one, GPU."""
    found = describe()
    words = [
        found['GPU'] if 'GPU' in found else found['processor'],
        f'{found["cores"]} core{"" if found["cores"] == "1" else "s"}',
        f'torch {found["torch"]}',
    ]
    return ', '.join(words)


def processor() -> str:
    """Name of the processor."""
    cpus = Path('/proc/cpuinfo')
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return next(filter(None, names), platform.machine())


def _driver() -> str:
    program = shutil.which('nvidia-smi')
    if program is None:
        return 'unknown'
    words = [program, '--query-gpu=driver_version', '--format=csv,noheader']
    told = subprocess.run(words, capture_output=True, text=True).stdout.split()
    return told[0] if told else 'unknown'

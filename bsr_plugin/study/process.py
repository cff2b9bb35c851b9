"""A running process of a study: started, watched through what it prints, asked to stop."""

import multiprocessing
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bsr_plugin.study.child import run_child
from bsr_plugin.study.slots import Slot

_ITERATION = re.compile(rb'\biter: *([\d,]+)')
#: Bytes at the end of the output that are looked at.
_TAIL = 64 * 1024
#: What every process needs, imported once: a process that is forked from there starts in no time.
_PRELOADED = ('bsr_plugin.launch', 'bsr_plugin.toolbox.command_line', 'basicsr.train', 'basicsr.test')


class Process:
    """A training or a test, in a process that ends when this one does.

    Args:
        phase: ``train`` or ``test``.
        words: Arguments of the launcher.
        folder: The run's folder.
        output: File that what it prints is added to.
        slot: Where it runs.
    """

    def __init__(self, phase: str, words: Sequence[str], folder: Path, output: Path, slot: Slot) -> None:
        self._output = output
        self._begin = output.stat().st_size if output.exists() else 0
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(list(_PRELOADED))
        self._process = context.Process(target=run_child, args=(phase, words, folder, output, slot))
        self._process.start()

    def status(self) -> int | None:
        """Its exit status, negative for a signal; ``None`` while it runs."""
        return self._process.exitcode

    def stop(self) -> None:
        """Asks it to save and end."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def iteration(self) -> int:
        """The last iteration that it logged; 0 for none."""
        found = _ITERATION.findall(self._tail())
        return int(found[-1].replace(b',', b'')) if found else 0

    def last_line(self) -> str:
        """The last line that it printed."""
        lines = self._tail().decode(errors='replace').split('\n')
        return next((line.strip() for line in reversed(lines) if line.strip()), '')

    def _tail(self) -> bytes:
        if not self._output.exists():
            return b''
        with self._output.open('rb') as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._begin, end - _TAIL))
            return file.read()

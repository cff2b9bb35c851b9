"""Programs that tests start: in interpreters of their own, or forked from one that has imported everything.

A fresh interpreter needs six seconds of a core for torch, the toolbox and the plugin. Tests of what happens at start,
while importing or under torchrun use one; runs that are trained, killed and resumed are forked.
"""

import multiprocessing
import os
import runpy
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.reduction import DupFd
from pathlib import Path

#: What every run needs, and the command line of studies, whose runs the same server forks.
PRELOADED = (
    'bsr_plugin.launch',
    'bsr_plugin.toolbox.command_line',
    'bsr_plugin.study.running',
    'basicsr.train',
    'basicsr.test',
)
# Before anything else starts this process's fork server.
multiprocessing.set_forkserver_preload(list(PRELOADED))
#: The command line, as it is installed.
BSR = Path(sys.executable).with_name('bsr')


class Programs:
    """Starts programs, and ends them with all that they have started.

    ``subprocess.run`` ends a program whose time is up and then waits for those who still hold its output, for ever if
    they hang: the ranks of torchrun, which have sessions of their own, or the workers of a loader.
    """

    def __init__(self, mark):
        self._mark = mark
        self._forked = []

    def start(self, words, env=os.environ, **settings):
        environment = {**env, 'BSR_TEST': self._mark}
        return subprocess.Popen([*map(str, words)], env=environment, text=True, **settings)

    def fork(self, words, env=os.environ, cwd='/', stderr=subprocess.STDOUT):
        """Runs a script with its arguments, as ``python`` does, in a process whose imports are done."""
        self._forked.append(Forked([*map(str, words)], {**env, 'BSR_TEST': self._mark}, str(cwd), stderr))
        return self._forked[-1]

    def run_two_ranks(self, words, env=os.environ, cwd='/', timeout=240):
        """Forks a script as two ranks, which meet as torchrun has them meet; gives an exit status and both outputs."""
        from torch.distributed import TCPStore

        store = TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)
        job = {'WORLD_SIZE': '2', 'LOCAL_WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(store.port)}
        job |= {'TORCHELASTIC_USE_AGENT_STORE': 'True', 'TORCHELASTIC_RESTART_COUNT': '0'}
        ranks = [self.fork(words, {**env, **job, 'RANK': rank, 'LOCAL_RANK': rank}, cwd) for rank in '01']
        printed = [self.finish(rank, timeout)[0] for rank in ranks]
        return next((rank.returncode for rank in ranks if rank.returncode), 0), ''.join(printed)

    def finish(self, process, timeout=240):
        """What a program prints until it ends."""
        try:
            return process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end()
            printed, errors = process.communicate(timeout=60)
            raise AssertionError(
                f'{shlex.join(process.args)} did not end within {timeout} s:\n{printed}{errors or ""}'
            ) from None

    def run(self, words, timeout=240, **settings):
        process = self.start(words, **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **settings})
        printed, errors = self.finish(process, timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)

    def end(self):
        """Kills whoever still runs, found by the environment that children inherit (on Linux) or by session."""
        for environment in Path('/proc').glob('[0-9]*/environ'):
            with suppress(OSError):
                if f'BSR_TEST={self._mark}'.encode() in environment.read_bytes().split(b'\0'):
                    os.kill(int(environment.parent.name), signal.SIGKILL)
        for process in self._forked:
            process.end()


class Forked:
    """A script that runs in a session of its own, with what tests use of ``subprocess.Popen``.

    ``stdout`` and ``stderr`` give what is printed until all who may print have ended; ``stderr`` is ``None`` where
    errors are printed among the rest.
    """

    def __init__(self, words, environment, folder, stderr):
        self.args = words
        self.stdout, output = _pipe()
        self.stderr, errors = _pipe() if stderr == subprocess.PIPE else (None, output)
        self._rest = None
        self._process = _started(_Script(words, environment, folder, _Inherited(output), _Inherited(errors)))
        for writer in {output, errors}:
            os.close(writer)
        self.pid = self._process.pid

    @property
    def returncode(self):
        """Its exit status, negative for a signal; ``None`` while it runs."""
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """Waits until it has ended; gives what was not read yet of what it has printed, and of its errors."""
        if self._rest is None:
            pool = ThreadPoolExecutor(2)
            self._rest = [stream and pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            pool.shutdown(wait=False)
        try:
            printed, errors = (rest and rest.result(timeout) for rest in self._rest)
        except NotYet:
            raise subprocess.TimeoutExpired(self.args, timeout) from None
        self.wait(timeout)
        return printed, errors

    def send_signal(self, number):
        if self.returncode is None:
            os.kill(self.pid, number)

    def end(self):
        """Kills all of its session."""
        for kill in (os.killpg, os.kill):  # whose head it is only after a moment
            with suppress(ProcessLookupError):
                kill(self.pid, signal.SIGKILL)


def _started(run):
    """The process of a script, from this process's fork server or, where that is ending, from a new one.

    A study asks the same server for its runs, and the server ends if a study is killed between connection and request.
    """
    process = multiprocessing.get_context('forkserver').Process(target=run)
    try:
        process.start()
    except (ConnectionError, EOFError):
        forkserver._forkserver._stop()  # waits for its end
        process.start()
    return process


def _pipe():
    reader, writer = os.pipe()
    return os.fdopen(reader, encoding='utf-8', errors='replace'), writer


class _Inherited:
    """A file descriptor that the process which is started with it gets a copy of."""

    def __init__(self, number):
        self._number = number

    def __reduce__(self):
        return _detached, (DupFd(self._number),)


def _detached(handle):
    return handle.detach()


class _Script:
    """What the process does."""

    def __init__(self, words, environment, folder, output, errors):
        self._words, self._environment, self._folder = words, environment, folder
        self._output, self._errors = output, errors

    def __call__(self):
        import torch

        os.setsid()
        os.dup2(self._output, 1)
        os.dup2(self._errors, 2)
        os.close(self._output)
        os.close(self._errors)
        # The server's own may be files, which are written to in another way than pipes.
        sys.stdout = open(1, 'w', closefd=False)  # noqa: SIM115
        sys.stderr = open(2, 'w', buffering=1, errors='backslashreplace', closefd=False)  # noqa: SIM115
        os.chdir(self._folder)
        os.environ.clear()
        os.environ.update(self._environment)
        torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', torch.get_num_threads())))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A process of a fork server would start its own workers by one more of them.
        multiprocessing.set_start_method(None, force=True)
        # What it asks a fork server for itself comes from the one that it came from, which runs.
        forkserver._forkserver.ensure_running = lambda: None
        sys.argv = self._words
        sys.path.insert(0, str(Path(self._words[0]).parent))
        runpy.run_path(self._words[0], run_name='__main__')

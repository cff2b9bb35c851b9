"""Ctrl-C while a command imports what it needs."""

import subprocess
import sys

import pytest

#: Ctrl-C while torch is looked for, which an extension module makes an error of its own.
CODE = """
import os, signal, sys, time

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == 'torch':
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
            except KeyboardInterrupt:
                raise SystemError('initialization failed')

sys.meta_path.insert(0, Finder())
from bsr_plugin.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize('words', ['upscale {0} -o {0}.png', 'export x2 -o {0}.onnx', 'card x2 -o {0}.md'])
def test_ctrl_c_while_a_command_imports(tmp_path, words):
    (tmp_path / 'a').write_bytes(b'')
    words = words.format(tmp_path / 'a').split()
    done = subprocess.run([sys.executable, '-c', CODE, *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, f'bsr {words[0]}: interrupted\n')
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_help_and_wrong_words_come_without_torch_and_libvips():
    code = (
        'import sys; from bsr_plugin.cli import _command_parser as parser\n'
        'for name in ("upscale", "export", "card", "serve", "info", "options"): parser(name)\n'
        'print(sorted({"torch", "pyvips", "gradio", "basicsr"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout == '[]\n'

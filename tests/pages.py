"""README and docs, and the commands that they tell a reader to type."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', ROOT / 'datasets/README.md', *sorted(ROOT.glob('docs/*.md'))]

_COMMAND = r'(?:\.venv/bin/)?(?:bsr|python basicsr/\w+\.py|torchrun \S+ basicsr/\w+\.py) '


def commands(page):
    """The words of every command of this project in a page: lines of their own, then those within a sentence.

    What names a command without giving it anything to do (``bsr study``) is not one.
    """
    text = page.read_text(encoding='utf-8')
    for line in text.splitlines():
        if re.match(rf'[ .b]\s*{_COMMAND}', line) or re.match(_COMMAND, line):
            for command in line.split('&&'):
                yield _words(command)
    for command in re.findall(rf'(?<!`)`({_COMMAND}[^`]+)`(?!`)', text):
        words = _words(command)
        if len(words) > 2:
            yield words


def _words(command):
    return shlex.split(command.replace('.venv/bin/', ''), comments=True)

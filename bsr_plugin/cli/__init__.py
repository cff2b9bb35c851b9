"""The ``bsr`` command: one module per sub-command, imported only when it is called."""

import argparse
import codecs
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import lmdb

from bsr_plugin.atomic import check_replaceable
from bsr_plugin.cli.output import EXIT_PARTLY, EXIT_WRONG_INPUT
from bsr_plugin.errors import InputError
from bsr_plugin.interruption import EXIT_INTERRUPTED, ended_by_ctrl_c

#: Sub-command -> (module in this package, what it does in one line).
COMMANDS: dict[str, tuple[str, str]] = {
    'download': ('download', "Downloads the paper's data sets into the folders that option files name."),
    'prepare': ('prepare', 'Makes the HR store, the LR store and the PIC index from a folder of HR images.'),
    'upscale': ('upscale', 'Upscales images of any format and size by 2, 3, 4 or 8.'),
    'serve': ('serve', 'A local web page: drop an image, compare with bicubic interpolation, download.'),
    'bicubic': ('bicubic', "The paper's baseline: PSNR-Y and SSIM-Y of bicubic interpolation."),
    'export': ('export', 'Writes a network as ONNX, torch.export or safetensors file, and verifies it.'),
    'card': ('card', 'Writes the model card of a safetensors file.'),
    'options': ('options', 'Checks option files, or prints the option reference or the JSON Schema for editors.'),
    'sample': ('sample', 'Writes the photographs that scikit-image ships, split for training and testing.'),
    'pic': ('pic', 'Shows how the patches of a data set are spread over the intervals of PIC.'),
    'info': ('info', 'Versions, hardware, and which options of the engine are fast here: for bug reports.'),
    'bench': ('bench', 'Measures data, training and upscaling on this machine.'),
    'compare': ('compare', 'Compares test results with bicubic interpolation, in figures and in a picture.'),
    'report': ('report', "Test results beside the paper's: one page, and tables as Markdown, CSV and LaTeX."),
    'study': ('study', 'Trains and tests variants of an option file with several seeds, and compares them.'),
    'evidence': ('evidence', 'Makes the page of all studies that a repository keeps, with figures.'),
    'figure': ('figure', "Draws one of the paper's figures: PIC, crops, differences, attention, training curves."),
}

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: What no other path would fix; ``None`` is an error of a library that says no more.
_CANNOT_GO_ON = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, None}
_LONGEST_PATH = 200
#: Arguments whose words may be files and need not be.
_PATHS_AS_TEXT = {'inputs', 'weights', 'file'}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command, with the words after ``bsr``; ``None`` takes them from the command line.

    Each command module offers ``EXAMPLE``, ``add_arguments(parser)`` and ``run(arguments) -> int``. What goes wrong
    with files, databases and input is left to this function, which says it in one sentence.

    Returns:
        The exit status: 0 done, 1 partly done or unable to go on, 2 wrong input, 130 interrupted.
    """
    # Read when OpenCV is imported: its lines on a damaged image would stand before the sentence.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in COMMANDS:
        parser = _overview()
        parser.parse_args(words)
        parser.print_help()
        return EXIT_WRONG_INPUT
    name = words[0]
    with ended_by_ctrl_c(f'bsr {name}: interrupted'):
        parser = _command_parser(name)
    arguments = parser.parse_args(words[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error('bsr', _bytes_as_they_are)
        sys.stdout.reconfigure(errors='bsr')
    try:
        _check_words(arguments)
        status = int(_module(name).run(arguments))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f'bsr {name}: interrupted', file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # nobody reads the output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PARTLY
    except (InputError, OSError, lmdb.Error) as error:
        sentence, status = _explained(error)
        print(f'bsr {name}: {sentence}', file=sys.stderr)
        return status


def _bytes_as_they_are(error: UnicodeError) -> tuple[str | bytes, int]:
    """Has names of files that are not text printed as they are, and what the terminal does not know as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        return codecs.lookup_error('surrogateescape')(error)
    return b''.join(map(_encoded, error.object[error.start : error.end])), error.end


def _encoded(letter: str) -> bytes:
    is_byte = '\udc80' <= letter <= '\udcff'
    return letter.encode('ascii', 'surrogateescape' if is_byte else 'backslashreplace')


def _check_words(arguments: argparse.Namespace) -> None:
    """Refuses what no command can use, before any of them begins its work."""
    for value in vars(arguments).values():
        for word in value if isinstance(value, list | tuple) else [value]:
            if isinstance(word, str | Path) and '\0' in str(word):
                raise InputError(f'{str(word)!r} contains a NUL character: correct the argument.')
    for name in ('json', 'picture'):
        if path := getattr(arguments, name, None):
            check_replaceable(path)
            _check_is_no_other(name, path, arguments)
            _check_is_no_input(name, path, arguments)


def _check_is_no_other(name: str, path: Path, arguments: argparse.Namespace) -> None:
    """Refuses an output that is a file which another argument names."""
    for other, value in vars(arguments).items():
        for word in value if isinstance(value, list | tuple) else [value]:
            is_path = isinstance(word, Path) or (isinstance(word, str) and other in _PATHS_AS_TEXT)
            if other != name and is_path and os.path.realpath(word) == os.path.realpath(path):
                raise InputError(f'--{name} is {path}, which would be written over: name another file.')


def _check_is_no_input(name: str, path: Path, arguments: argparse.Namespace) -> None:
    """Refuses to write over a file in a folder that the command reads, unless it looks like an earlier output."""
    if not path.exists() or (name == 'json' and path.suffix == '.json'):
        return
    given = {key: value for key, value in vars(arguments).items() if key != 'out'}
    folders = [value for value in given.values() if isinstance(value, Path) and value.is_dir()]
    for folder in folders:
        if path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f'--{name} is {path}, a file of {folder}, which would be written over: name another file.')


def _explained(error: InputError | OSError | lmdb.Error) -> tuple[str, int]:
    """One sentence with the fix, and the exit status."""
    if isinstance(error, InputError):
        return str(error), EXIT_WRONG_INPUT
    reason = str(error).partition('\n')[0]
    if isinstance(error, lmdb.Error):
        return f'the database cannot be read or written: {reason}', EXIT_PARTLY
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else 'a file'
    if len(where) > _LONGEST_PATH:
        where = f'{where[: _LONGEST_PATH // 2]}...{where[-_LONGEST_PATH // 2 :]}'
    reason = error.strerror or reason
    if error.errno in _DISK_FULL:
        return f'{where} cannot be written ({reason}): make room, or write elsewhere.', EXIT_PARTLY
    if error.errno in _CANNOT_GO_ON:
        return f'{where} cannot be read or written ({reason}).', EXIT_PARTLY
    return f'{where} cannot be used ({reason}): correct the path or its permissions.', EXIT_WRONG_INPUT


def _module(name: str) -> ModuleType:
    return import_module(f'{__name__}.{COMMANDS[name][0]}')


def _overview() -> argparse.ArgumentParser:
    from bsr_plugin import __version__

    width = max(map(len, COMMANDS), default=0)
    listing = '\n'.join(f'  {name:{width}}  {summary}' for name, (_, summary) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog='bsr',
        description='Balanced super resolution: data, baselines and reports for the BasicSR toolbox.',
        epilog=f'commands:\n{listing}\n\nbsr COMMAND --help tells more.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'bsr {__version__}')
    parser.add_argument('command', choices=list(COMMANDS), metavar='COMMAND', nargs='?')
    return parser


def _command_parser(name: str) -> argparse.ArgumentParser:
    module = _module(name)
    parser = argparse.ArgumentParser(
        prog=f'bsr {name}',
        description=COMMANDS[name][1],
        epilog=f'example:\n  {module.EXAMPLE}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser

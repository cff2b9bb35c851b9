"""The ``bsr`` command: one module per sub-command, imported only when it is called."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bsr_plugin.errors import InputError

#: Sub-command -> (module in this package, what it does in one line).
COMMANDS: dict[str, tuple[str, str]] = {}

EXIT_DONE, EXIT_PARTLY, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command.

    Each command module offers ``EXAMPLE``, ``add_arguments(parser)`` and ``run(arguments) -> int``.

    Args:
        argv: The words after ``bsr``; ``None`` takes them from the command line.

    Returns:
        The exit status: 0 done, 1 partly done, 2 wrong input, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if word in COMMANDS), None)
    parser = _overview() if name is None or words[0] != name else _command_parser(name)
    arguments = parser.parse_args(words if parser.prog == 'bsr' else words[1:])
    if name is None:
        parser.print_help()
        return EXIT_WRONG_INPUT
    try:
        return int(_module(name).run(arguments))
    except InputError as error:
        print(f'bsr {name}: {error}', file=sys.stderr)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        print(f'bsr {name}: interrupted', file=sys.stderr)
        return EXIT_INTERRUPTED


def _module(name: str):
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
    parser.add_argument('command', choices=list(COMMANDS), metavar='COMMAND')
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


if __name__ == '__main__':
    sys.exit(main())

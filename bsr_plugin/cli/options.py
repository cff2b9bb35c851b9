"""``bsr options``: checks option files, or prints the option reference or the JSON Schema."""

import argparse

from bsr_plugin.errors import InputError

EXAMPLE = 'bsr options options/train_BSR_x4.yml'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument('file', nargs='*', metavar='FILE', help='option files; without any, print the reference')
    phase = parser.add_mutually_exclusive_group()
    phase.add_argument('--train', action='store_const', const=True, dest='is_train', help='they are for training')
    phase.add_argument('--test', action='store_const', const=False, dest='is_train', help='they are for a test')
    elsewhere = 'do not look for folders, files and GPUs on this machine'
    parser.add_argument('--elsewhere', action='store_true', help=elsewhere)
    parser.add_argument('--schema', action='store_true', help='print the JSON Schema of option files, for editors')
    parser.add_argument('--force_yml', nargs='+', default=(), metavar='KEY:KEY=VALUE', help='change options first')


def run(arguments: argparse.Namespace) -> int:
    """Checks the files, or prints what ``docs/options.md`` or ``docs/options.schema.json`` holds.

    Raises:
        InputError: A file is wrong; one line for each problem of each file.
    """
    if arguments.schema:
        if arguments.file:
            raise InputError(f'--schema is for all option files at once: leave out either it or {arguments.file[0]}.')
        from bsr_plugin.options.json_schema import json_schema

        print(json_schema(), end='')
        return 0
    if not arguments.file:
        if arguments.force_yml or arguments.is_train is not None or arguments.elsewhere:
            raise InputError('There is no option file to check: name it first, before --force_yml.')
        from bsr_plugin.options.reference import reference

        print(reference(), end='')
        return 0
    problems = [problem for file in arguments.file if (problem := _check(file, arguments))]
    if problems:
        raise InputError('\n'.join(problems))
    return 0


def _check(file: str, arguments: argparse.Namespace) -> str:
    from bsr_plugin.options import load_options
    from bsr_plugin.options.loader import read_options

    try:
        is_train = arguments.is_train
        if is_train is None:
            options = read_options(file)
            datasets = options.get('datasets')
            is_train = 'train' in options or (isinstance(datasets, dict) and 'train' in datasets)
        load_options(file, is_train, arguments.force_yml, check_paths=not arguments.elsewhere)
    except InputError as error:
        return str(error)
    print(f'{file}: OK ({"training" if is_train else "test"} options)')
    return ''

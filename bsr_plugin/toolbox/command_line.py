"""The command line of ``basicsr/train.py`` and ``basicsr/test.py``, with checked options.

BasicSR's ``parse_options`` reads the option file with a loader that runs what tags ask for, applies ``--force_yml``
through ``exec``, and joins the processes of a distributed run before it has looked at a single option. Here the
options are checked first; what follows, and the result, are BasicSR's.
"""

import argparse
import os
import random
from pathlib import Path
from typing import Any

import torch

from bsr_plugin.errors import InputError
from bsr_plugin.models.shipped import weights_file
from bsr_plugin.options.check import load_options
from bsr_plugin.options.machine import absent_sets, expanded, left_out

#: Launcher -> what a process that it has started finds in its environment, and who starts it so.
_STARTED_BY = {'pytorch': ('RANK', 'torchrun'), 'slurm': ('SLURM_PROCID', 'srun')}
_DEBUG_FREQUENCIES = (('val', 'val_freq', 8), ('logger', 'print_freq', 1), ('logger', 'save_checkpoint_freq', 8))


def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], argparse.Namespace]:
    """Takes the place of ``basicsr.utils.options.parse_options``; gives the options and the command line.

    Raises:
        InputError: The options are wrong; nothing has been created and no process been joined.
    """
    arguments = _parser().parse_args()
    options = load_options(arguments.opt, is_train, arguments.force_yml or ())
    if not is_train:
        _leave_out_absent_sets(options)
    _join_processes(options, arguments.launcher)
    _seed(options)
    options |= {'auto_resume': arguments.auto_resume, 'is_train': is_train}
    if arguments.debug and not options['name'].startswith('debug'):
        options['name'] = f'debug_{options["name"]}'
    if options['num_gpu'] == 'auto':
        options['num_gpu'] = torch.cuda.device_count()
    _complete_datasets(options)
    _complete_paths(options, Path(root_path))
    if is_train and 'debug' in options['name']:
        for section, key, iterations in _DEBUG_FREQUENCIES:
            if options.get(section) is not None:
                options[section][key] = iterations
    return options, arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument('-opt', required=True, metavar='FILE', help='the option file')
    parser.add_argument(
        '--launcher', choices=('none', 'pytorch', 'slurm'), default='none', help='how the processes were started'
    )
    parser.add_argument('--auto_resume', action='store_true', help='resume from the newest state, if there is one')
    parser.add_argument('--debug', action='store_true', help='log, validate and save every few iterations')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by launchers')
    parser.add_argument(
        '--force_yml', nargs='+', metavar='KEY:KEY=VALUE', help='change options, such as train:ema_decay=0.999'
    )
    return parser


def _leave_out_absent_sets(options: dict[str, Any]) -> None:
    for key in absent_sets(options):
        print(left_out(options['datasets'].pop(key)), flush=True)


def _join_processes(options: dict[str, Any], launcher: str) -> None:
    from basicsr.utils.dist_util import get_dist_info, init_dist

    options['dist'] = launcher != 'none'
    if launcher == 'none':
        print('Disable distributed.', flush=True)
    else:
        variable, program = _STARTED_BY[launcher]
        if variable not in os.environ:
            raise InputError(
                f'--launcher {launcher} requires processes started by {program}: start it so, or omit --launcher.'
            )
        settings = (options.get('dist_params') or {}) if launcher == 'slurm' else {}
        # NCCL, the toolbox's default, cannot reach a network in main memory.
        init_dist(launcher, **{**settings, **({'backend': 'gloo'} if options['num_gpu'] == 0 else {})})
    options['rank'], options['world_size'] = get_dist_info()


def _seed(options: dict[str, Any]) -> None:
    from basicsr.utils import set_random_seed

    if options.get('manual_seed') is None:
        options['manual_seed'] = random.randint(1, 10000)
    set_random_seed(options['manual_seed'] + options['rank'])


def _complete_datasets(options: dict[str, Any]) -> None:
    for key, dataset in options['datasets'].items():
        dataset['phase'] = key.split('_')[0]
        if 'scale' in options:
            dataset['scale'] = options['scale']
        for root in ('dataroot_gt', 'dataroot_lq'):
            if dataset.get(root) is not None:
                dataset[root] = str(expanded(dataset[root]))


def _complete_paths(options: dict[str, Any], root: Path) -> None:
    path, name = options['path'], options['name']
    for key, value in path.items():
        if value is not None and 'pretrain_network' in key:
            path[key] = str(expanded(weights_file(value)))
        elif value is not None and 'resume_state' in key:
            path[key] = str(expanded(value))
    kind = 'experiments' if options['is_train'] else 'results'
    folder = expanded(path.get(f'{kind}_root') or root / kind) / name
    if options['is_train']:
        path |= {'experiments_root': str(folder), 'models': str(folder / 'models')}
        path['training_states'] = str(folder / 'training_states')
    else:
        path['results_root'] = str(folder)
    path |= {'log': str(folder), 'visualization': str(folder / 'visualization')}

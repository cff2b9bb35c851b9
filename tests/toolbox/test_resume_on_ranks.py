"""Two ranks that begin without ``manual_seed`` share one, which is the one that their states keep."""

import re
import textwrap

import pytest
import torch

import bsr_plugin

PROGRAM = """
    import sys
    from pathlib import Path

    import torch
    import torch.distributed as dist

    from bsr_plugin.toolbox.resume import load_resume_state

    dist.init_process_group('gloo')
    rank, folder = dist.get_rank(), Path(sys.argv[1])
    opt = {'manual_seed': 100 * (rank + 1), 'rank': rank, 'auto_resume': True, 'network_g': {}}
    opt['path'] = {'models': str(folder), 'training_states': str(folder), 'resume_state': None}
    torch.manual_seed(opt['manual_seed'] + rank)
    load_resume_state(opt)
    print(f'rank {rank}: {opt["manual_seed"]} {torch.initial_seed()}', flush=True)
    dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize(('saved', 'expected'), [(None, ['0: 100 100', '1: 100 101']), (42, ['0: 42 42', '1: 42 43'])])
def test_all_ranks_take_the_seed_of_rank_0_or_of_the_state(programs, tmp_path, saved, expected):
    if saved is not None:
        state = {'epoch': 0, 'iter': 5, 'optimizers': [], 'schedulers': [], 'manual_seed': saved}
        torch.save({'params': {}}, tmp_path / 'net_g_5.pth')
        torch.save(state, tmp_path / '5.state')
    script = tmp_path / 'program.py'
    script.write_text(textwrap.dedent(PROGRAM))
    repository = bsr_plugin.__path__[0].rpartition('/')[0]
    environment = {'PYTHONPATH': repository, 'OMP_NUM_THREADS': '1', 'PATH': '/bin:/usr/bin'}
    status, printed = programs.run_two_ranks([script, tmp_path], environment)
    assert status == 0, printed
    assert sorted(re.findall(r'rank (\d: \d+ \d+)', printed)) == expected

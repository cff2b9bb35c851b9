"""A TensorBoard log is read record by record."""

import pytest
from torch.utils.tensorboard import SummaryWriter

from bsr_plugin.errors import InputError
from bsr_plugin.evaluation.training_log import read_log


def test_records_in_the_order_in_which_they_were_written_with_their_times(tmp_path):
    for first in (10, 20):
        with SummaryWriter(str(tmp_path)) as writer:
            for step in (first, first + 10):
                writer.add_scalar('losses/l_pix', step / 16, step, walltime=1000.0 + first + step)
    log = read_log(tmp_path)
    assert list(log) == ['losses/l_pix']
    assert log['losses/l_pix'] == [(10, 0.625, 1020), (20, 1.25, 1030), (20, 1.25, 1040), (30, 1.875, 1050)]


def test_what_a_killed_process_left_half_written_is_passed_over(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for step in (1, 2, 3):
            writer.add_scalar('x', step, step)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert [record.iteration for record in read_log(tmp_path)['x']] == [1, 2]


def test_a_folder_without_a_log_is_named(tmp_path):
    with pytest.raises(InputError, match='holds no TensorBoard log'):
        read_log(tmp_path)

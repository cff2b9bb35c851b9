"""TensorBoard logs of training runs, record by record."""

from pathlib import Path
from typing import NamedTuple

from bsr_plugin.errors import InputError


class Record(NamedTuple):
    """A scalar that was logged.

    Attributes:
        iteration: When.
        value: What, with the precision of a float32.
        time: Seconds since the epoch.
    """

    iteration: int
    value: float
    time: float


def read_log(folder: Path) -> dict[str, list[Record]]:
    """The scalars of a TensorBoard log, in the order in which they were written; a resumed run may repeat iterations.

    Args:
        folder: ``tb_logger/<name>``.

    Returns:
        Name of the scalar, such as ``losses/l_pix`` or ``metrics/Set5/psnr_y``, -> its records.

    Raises:
        InputError: The folder holds no such log.
    """
    if not any(folder.glob('*tfevents*')):
        raise InputError(f'{folder} holds no TensorBoard log: name a folder tb_logger/<name>.')
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
    from tensorboard.util import tensor_util

    log = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0}, purge_orphaned_data=False)
    log.Reload()
    records = {
        tag: [Record(event.step, event.value, event.wall_time) for event in log.Scalars(tag)]
        for tag in log.Tags()[SCALARS]
    }
    for tag in log.Tags()[TENSORS]:
        events = [(event, tensor_util.make_ndarray(event.tensor_proto)) for event in log.Tensors(tag)]
        if all(value.size == 1 and value.dtype.kind == 'f' for _, value in events):
            records[tag] = [Record(event.step, float(value.item()), event.wall_time) for event, value in events]
    return records

"""What BasicSR's training loop does not tell a model, and where its workers are started."""

from bsr_plugin.models.stopping import ride_out

_epoch = 0


def current_epoch() -> int:
    """The epoch the training loop is in, counted from 0."""
    return _epoch


def note_epoch(epoch: int) -> None:
    """Called with every epoch that begins."""
    global _epoch  # one process runs one training loop
    _epoch = epoch


def worker_init_fn(worker_id: int, num_workers: int, rank: int, seed: int) -> None:
    """BasicSR's function of that name, for workers that outlive the signal that stops the training."""
    # In a worker that was spawned, not forked, this import first puts BasicSR's function there.
    import basicsr.data  # noqa: F401

    worker_init_fn.stock(worker_id, num_workers, rank, seed)  # type: ignore[attr-defined]
    ride_out()

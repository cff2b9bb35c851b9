"""Where a run is in its stream of patches.

A rank's patches are numbered 0, 1, 2, ... over the whole run; epochs are pieces of that stream. A resumed run goes on
at the number it had reached, inside the epoch it was in. The number of patches seen before this process started is
the one thing that the toolbox's loader cannot tell a data set, so it is kept here.
"""

_patches_before = 0


def resume_at(patches: int) -> None:
    """Tells the stream that this rank has seen ``patches`` patches before; called before the first batch is drawn."""
    global _patches_before  # one process trains one run: its place in the stream is the process's
    _patches_before = patches


def epoch_positions(epoch: int, patches_per_epoch: int) -> range:
    """Numbers of the patches that are still to be drawn in an epoch.

    Args:
        epoch: Counted from 0.
        patches_per_epoch: Per rank.

    Returns:
        The epoch's piece of the stream, without what a run had seen of it before it was resumed.
    """
    start = epoch * patches_per_epoch
    return range(min(max(start, _patches_before), start + patches_per_epoch), start + patches_per_epoch)

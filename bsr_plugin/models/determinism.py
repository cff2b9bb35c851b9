"""The same bits every time, on a GPU too."""

import os

import torch


def compute_deterministically() -> None:
    """Has PyTorch compute with deterministic algorithms only, in this process from now on.

    On the same kind of GPU, with the same versions, a training gives the same bits every time. An operation of a
    network that has no deterministic implementation raises PyTorch's ``RuntimeError``, which names it.
    """
    # cuBLAS reads it when it is first used.
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    # Algorithms that are chosen by time may differ from run to run.
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    # Only what reads memory that it has not written would notice.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

"""Why a training run ends before its last iteration."""

import signal


class TrainingError(RuntimeError):
    """Training cannot continue. The message is one sentence for the person who started it."""


class NonFiniteError(TrainingError):
    """A loss or a weight became NaN or infinite."""


class SaveError(TrainingError):
    """A checkpoint could not be written; those written before are untouched."""


class Interrupted(SystemExit):
    """The run was asked to stop and has saved its state; the exit status is a shell's, 128 plus the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(128 + signal_number)
        self.signal_name = signal.Signals(signal_number).name

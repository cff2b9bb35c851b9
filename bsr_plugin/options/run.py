"""The option file as a whole: what a training run and a test run are told."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bsr_plugin.options.datasets import TestDatasets, TrainingDatasets
from bsr_plugin.options.network import Network
from bsr_plugin.options.section import LenientSection, Section, problem
from bsr_plugin.options.training import OtherTrain, Train
from bsr_plugin.options.validation import Evaluation, OtherEvaluation, OtherValidation, Validation
from bsr_plugin.options.values import Count, CountOrZero, PathComponent, whole_number
from bsr_plugin.options.wording import shown


def _gpus(value: Any) -> str | int:
    if value == 'auto':
        return 'auto'
    if isinstance(value, str) or whole_number(value) < 0:
        raise problem(f'{shown(value)} is neither auto nor a number of GPUs')
    return whole_number(value)


class Paths(Section):
    """Weights and states to start from; relative to the current folder."""

    pretrain_network_g: str | None = None
    """Weights to start from or to test; ~ for none."""
    param_key_g: str | None = 'params'
    """Which weights of that file: params, or params_ema for the running mean; ~ where the file holds nothing else."""
    strict_load_g: bool = True
    """Whether every weight must be in the file and fit."""


class TrainingPaths(Paths):
    """Weights and states to start from; relative to the current folder."""

    resume_state: str | None = None
    """For training: state to resume from; `--auto_resume` takes the newest one by itself."""
    ignore_resume_networks: list[str] | None = None
    """For training: networks, such as network_g, whose weights a resumed run takes from `pretrain_network_g`
    nevertheless."""


class OtherPaths(TrainingPaths, LenientSection):
    """Weights and states of the toolbox's other models."""

    pretrain_network_d: str | None = None
    """Weights of the discriminator to start from."""
    param_key_d: str | None = 'params'
    """Which weights of that file."""
    strict_load_d: bool = True
    """Whether every weight must be in the file and fit."""


class Wandb(Section):
    """Weights & Biases, which mirrors the TensorBoard log."""

    project: str | None = None
    """Name of the project; ~ switches it off."""
    resume_id: str | None = None
    """Run to go on with."""


class Logger(Section):
    """What a training run writes, and how often."""

    print_freq: Count
    """Iterations from one log line to the next."""
    save_checkpoint_freq: Count
    """Iterations from one checkpoint to the next."""
    use_tb_logger: bool
    """Whether to write a TensorBoard log, to tb_logger/."""
    wandb: Wandb | None = None
    """Weights & Biases."""
    keep_checkpoints: Count | None = None
    """BSRModel: number of checkpoints to keep, the newest ones; ~ keeps all."""
    keep_best: str | None = None
    """BSRModel: a name in `val.metrics`; the weights that are best by it on the first validation set are kept
    besides."""


class Distribution(Section):
    """Training on several GPUs, for `--launcher slurm`; `--launcher pytorch` takes its settings from torchrun."""

    backend: Literal['nccl', 'gloo', 'mpi'] = 'nccl'
    """How processes talk: nccl between GPUs, gloo between CPUs."""
    port: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=65535)] | None = None
    """Port of the first process; ~ takes MASTER_PORT or 29500."""


class Run(Section):
    """What training and test have in common."""

    bsr_plugin: str | None = None
    """`!!python/name:bsr_plugin.__version__`: makes an unmodified BasicSR import the plugin, and the log show its
    version."""
    name: PathComponent
    """Name of the run: of its folder under experiments/ or results/. A name with debug in it logs every
    iteration."""
    model_type: str
    """BSRModel, SRModel or another registered model. BSRModel is SRModel with the options marked so; SRModel
    ignores them."""
    scale: Count | None = None
    """Factor from LR to HR."""
    num_gpu: Annotated[Literal['auto'] | int, BeforeValidator(_gpus)]
    """Number of GPUs; auto takes all there are, 0 is the CPU."""
    manual_seed: CountOrZero | None = None
    """Seed of every random number; ~ draws one."""
    find_unused_parameters: bool = False
    """Needed with several GPUs if the loss does not depend on all weights."""
    network_g: Network
    """The network."""


class TrainingRun(Run):
    """What a training run is told besides."""

    datasets: TrainingDatasets
    """The sets: `train`, and `val`, `val_2` and so on for validation."""
    path: TrainingPaths
    """Weights and states to start from."""
    train: Train
    """How to train."""
    val: Validation | None = None
    """How to validate; ~ does not."""
    logger: Logger
    """What to write."""
    dist_params: Distribution | None = None
    """Training on several GPUs."""


class TestRun(Run):
    """What a test run is told besides."""

    datasets: TestDatasets
    """The sets, `test_1`, `test_2` and so on, in the order of their keys."""
    path: Paths
    """The weights to test."""
    val: Evaluation
    """What to measure."""
    dist_params: Distribution | None = None
    """Testing on several GPUs."""


class OtherTrainingRun(TrainingRun, LenientSection):
    """A training run of one of the toolbox's other models; they look up keys of their own."""

    network_d: Network | None = None
    """The discriminator."""
    path: OtherPaths
    """Weights and states to start from."""
    train: OtherTrain
    """How to train."""
    val: OtherValidation | None = None
    """How to validate."""


class OtherTestRun(TestRun, LenientSection):
    """A test run of one of the toolbox's other models; they look up keys of their own."""

    path: OtherPaths
    """The weights to test."""
    val: OtherEvaluation
    """What to measure."""

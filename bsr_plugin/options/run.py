"""The option file as a whole, for training and for a test."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bsr_plugin.models.engine_options import EngineLogging
from bsr_plugin.options import registered
from bsr_plugin.options.classes import Network
from bsr_plugin.options.datasets import TestDatasets, TrainingDatasets
from bsr_plugin.options.section import Section, problem
from bsr_plugin.options.training import OtherTrain, Train
from bsr_plugin.options.validation import Evaluation, Validation
from bsr_plugin.options.values import Count, CountOrZero, PathComponent, Whole, whole_or_none
from bsr_plugin.options.wording import perhaps, shown


def _gpus(value: Any) -> str | int:
    number = whole_or_none(value)
    if value != 'auto' and (number is None or number < 0):
        raise problem(f'{shown(value)} is neither auto nor a number of GPUs')
    return 'auto' if number is None else number


def _model(name: str) -> str:
    if registered.find('model', name) is None:
        raise problem(f'{shown(name)} is not a registered model{perhaps(name, registered.names("model"))}')
    return name


class Paths(Section):
    """Weights and states to start from; relative to the current folder."""

    read_by_model: ClassVar[bool] = True
    pretrain_network_g: str | None = None
    """Weights to start from or to test; ~ for none."""
    param_key_g: str | None = 'params'
    """Which weights of that file: params, or params_ema for the running mean; ~ where the file holds nothing else."""
    strict_load_g: bool = True
    """Whether every weight must be in the file and fit."""
    results_root: str | None = None
    """For a test: folder in place of results/ that the folder of the run is made in."""


class TrainingPaths(Paths):
    """Weights and states to start from; relative to the current folder."""

    experiments_root: str | None = None
    """For training: folder in place of experiments/ that the folder of the run is made in."""
    resume_state: str | None = None
    """For training: state to resume from; `--auto_resume` takes the newest one by itself."""
    ignore_resume_networks: list[str] | None = None
    """For training: networks, such as network_g, whose weights a resumed run takes from `pretrain_network_g`
    nevertheless."""


class OtherPaths(TrainingPaths):
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


class Logger(EngineLogging, Section):
    """What a training run writes, and how often."""

    print_freq: Count
    """Iterations from one log line to the next."""
    save_checkpoint_freq: Count
    """Iterations from one checkpoint to the next."""
    use_tb_logger: bool
    """Whether to write a TensorBoard log, to tb_logger/."""
    wandb: Wandb | None = None
    """Weights & Biases."""


class Distribution(Section):
    """Training on several GPUs, for `--launcher slurm`; `--launcher pytorch` takes its settings from torchrun."""

    backend: Literal['nccl', 'gloo', 'mpi'] = 'nccl'
    """The torch.distributed backend: nccl for GPUs, gloo for CPUs."""
    port: Annotated[Whole, Field(ge=1, le=65535)] | None = None
    """Port of the first process; ~ takes MASTER_PORT or 29500."""


class Run(Section):
    """Options that training and test have in common."""

    read_by_model: ClassVar[bool] = True
    unread: ClassVar[Collection[str]] = ('save_img', 'suffix', 'crop_border')
    bsr_plugin: str | None = None
    """`!!python/name:bsr_plugin.__version__`: makes an unmodified BasicSR import the plugin, and the log show its
    version."""
    name: PathComponent
    """Name of the run: of its folder under experiments/ or results/. A name with debug in it logs every
    iteration."""
    model_type: Annotated[str, AfterValidator(_model)]
    """BSRModel, SRModel or another registered model. BSRModel is SRModel with further options, which SRModel
    ignores."""
    scale: Count | None = None
    """Factor from LR to HR."""
    num_gpu: Annotated[Literal['auto'] | int, BeforeValidator(_gpus)]
    """Number of GPUs of this process: auto uses one if there is one, 0 is the CPU; several GPUs: torchrun."""
    manual_seed: CountOrZero | None = None
    """Seed of every random number; ~ draws one."""
    find_unused_parameters: bool = False
    """Needed with several GPUs if the loss does not depend on all weights."""
    network_g: Network
    """The network."""


class TrainingRun(Run):
    """Training-only options."""

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
    """Test-only options."""

    datasets: TestDatasets
    """The sets, `test_1`, `test_2` and so on, in the order of their keys."""
    path: Paths
    """The weights to test."""
    val: Evaluation
    """What to measure."""
    dist_params: Distribution | None = None
    """Testing on several GPUs."""


class OtherTrainingRun(TrainingRun):
    """A training run of one of the toolbox's other models; they look up keys of their own."""

    network_d: Network | None = None
    """The discriminator."""
    path: OtherPaths
    """Weights and states to start from."""
    train: OtherTrain
    """How to train."""

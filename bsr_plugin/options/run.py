"""The option file as a whole, for training and for a test, and all its sections but the data sets."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bsr_plugin.models.engine_options import EngineLogging, EngineTraining, EngineValidation
from bsr_plugin.options.classes import Loss, Metric, Network, Optimizer, Scheduler
from bsr_plugin.options.datasets import TestDatasets, TrainingDatasets
from bsr_plugin.options.registered import check_name
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import NUMBER, Count, CountOrZero, Fraction, PathComponent, Seed, otherwise


class Paths(Section):
    """Checkpoints to start from: weights and training states."""

    pretrain_network_g: str | None = None
    """Pretrained weights to fine-tune or to test; ~ for none. BSRModel also takes safetensors files, and the names of
    pretrained weights, such as x2."""
    param_key_g: str | None = 'params'
    """Which weights of that file: params, or params_ema, their exponential moving average; ~ for a bare state dict
    and for safetensors."""
    strict_load_g: bool = True
    """`strict` of `load_state_dict`: whether the keys of the file must be those of the network."""


class TestPaths(Paths):
    """The weights to test."""

    results_root: str | None = None
    """For a test: parent folder of the run, in place of results/."""


class TrainingPaths(Paths):
    """Checkpoints to start from: weights and training states."""

    experiments_root: str | None = None
    """For training: parent folder of the run, in place of experiments/."""
    resume_state: str | None = None
    """For training: training state to resume from; `--auto_resume` finds the newest one."""
    ignore_resume_networks: list[str] | None = None
    """For training: networks, such as network_g, whose weights a resumed run takes from `pretrain_network_g`
    nevertheless."""
    adversarial: ClassVar[Collection[str]] = ('pretrain_network_d', 'param_key_d', 'strict_load_d')
    pretrain_network_d: str | None = None
    """Pretrained weights of the discriminator."""
    param_key_d: str | None = 'params'
    """Which weights of that file."""
    strict_load_d: bool = True
    """`strict` of `load_state_dict`: whether the keys of the file must be those of the network."""


class Train(EngineTraining):
    """Optimizer, learning rate, losses."""

    adversarial: ClassVar[Collection[str]] = ('optim_d', 'gan_opt', 'ldl_opt')

    total_iter: Count
    """Number of training iterations."""
    warmup_iter: Annotated[int, Field(strict=False, ge=-1), NUMBER] = -1
    """Iterations of linear learning rate warm-up, at whose end the scheduler takes over: MultiStepLR goes on with the
    rate that is reached then, (n - 1) / n of `lr`; -1 for none."""
    optim_g: Optimizer
    """The optimizer."""
    scheduler: Scheduler
    """The learning rate scheduler."""
    pixel_opt: Loss | None = None
    """The pixel loss."""
    perceptual_opt: Loss | None = None
    """The perceptual loss, on features of a classification network."""
    optim_d: Optimizer | None = None
    """The discriminator's optimizer."""
    gan_opt: Loss | None = None
    """The adversarial loss."""
    ldl_opt: Loss | None = None
    """The locally discriminative learning (LDL) loss."""
    ema_decay: Fraction = 0.0
    """Decay of the exponential moving average (EMA) of the weights, which is validated and saved beside them; 0 for
    none. BSRModel warms it up, so that short runs validate sensibly."""


class Evaluation(EngineValidation):
    """How to test, and with which metrics."""

    save_img: bool
    """Whether to save the output images."""
    suffix: PathComponent | None = None
    """For a test: suffix of the file names of saved images; ~ is the name of the run."""
    metrics: Annotated[dict[str, Metric], Field(min_length=1)] | None = None
    """Metrics, each under a name of your choice."""
    pbar: bool = False
    """Whether to show a progress bar."""


class Validation(Evaluation):
    """How to validate, and with which metrics."""

    val_freq: Count
    """For training: iterations between validations."""


class Wandb(Section):
    """Weights & Biases, to which the TensorBoard log is synced."""

    project: str | None = None
    """Name of the project; ~ for none."""
    resume_id: str | None = None
    """Id of the run to resume."""


class Logger(EngineLogging):
    """Logging and checkpoints."""

    print_freq: Count
    """Iterations between log lines."""
    save_checkpoint_freq: Count
    """Iterations between checkpoints."""
    use_tb_logger: bool
    """Whether to write a TensorBoard log, to tb_logger/."""
    wandb: Wandb | None = None
    """Weights & Biases."""


class Distribution(Section):
    """Distributed training with `--launcher slurm`; `--launcher pytorch` takes its settings from torchrun."""

    backend: Literal['nccl', 'gloo', 'mpi'] = 'nccl'
    """The torch.distributed backend: nccl for GPUs, gloo for CPUs."""
    port: Annotated[int, Field(strict=False, ge=1, le=65535), NUMBER] | None = None
    """MASTER_PORT, the port of rank 0; ~ takes it from the environment, or 29500."""


class Run(Section):
    """Options that training and test have in common."""

    unread: ClassVar[Collection[str]] = ('save_img', 'suffix', 'crop_border')
    bsr_plugin: str | None = None
    """`!!python/name:bsr_plugin.__version__`: makes an unmodified BasicSR import the plugin, and the log show its
    version."""
    name: PathComponent
    """Name of the run, and of its folder under experiments/ or results/. With debug in it, each iteration is logged."""
    model_type: Annotated[str, check_name('model')]
    """BSRModel, SRModel or another registered model. BSRModel is SRModel with further options, which SRModel
    ignores."""
    scale: Count | None = None
    """Factor from LR to HR."""
    num_gpu: Annotated[Literal['auto'] | CountOrZero, otherwise('neither auto nor a number of GPUs')]
    """Number of GPUs of this process: auto uses one if there is one, 0 is the CPU; several GPUs: torchrun."""
    manual_seed: Seed | None = None
    """Seed of the random number generators; ~ draws one."""
    find_unused_parameters: bool = False
    """`find_unused_parameters` of DistributedDataParallel: needed if the loss does not depend on all weights."""
    network_g: Network
    """The network."""


class TrainingRun(Run):
    """Training-only options."""

    datasets: TrainingDatasets
    """The data sets: `train`, and `val`, `val_2` and so on for validation."""
    adversarial: ClassVar[Collection[str]] = ('network_d',)
    network_d: Network | None = None
    """The discriminator, of models that have one."""
    path: TrainingPaths
    """Checkpoints to start from."""
    train: Train
    """How to train."""
    val: Validation | None = None
    """How to validate; ~ for no validation."""
    logger: Logger
    """Logging and checkpoints."""
    dist_params: Distribution | None = None
    """Distributed training."""


class TestRun(Run):
    """Test-only options."""

    datasets: TestDatasets
    """The data sets, `test_1`, `test_2` and so on, in the order of their keys."""
    path: TestPaths
    """The weights to test."""
    val: Evaluation
    """How to test, and with which metrics."""
    dist_params: Distribution | None = None
    """Distributed testing."""

"""BSRModel: SRModel made fast, bounded in memory, and safe to interrupt."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn
from torch.optim import Optimizer

from bsr_plugin.data.uint8_images import UInt8Images
from bsr_plugin.errors import InputError
from bsr_plugin.models.checkpointed_model import CheckpointedModel
from bsr_plugin.models.compiled import MaybeCompiled
from bsr_plugin.models.determinism import compute_deterministically
from bsr_plugin.models.ema import MovingAverage
from bsr_plugin.models.failures import Interrupted
from bsr_plugin.models.gradient_step import GradientStep, computes_bf16
from bsr_plugin.models.interval_losses import IntervalLosses
from bsr_plugin.models.interval_monitor import IntervalMonitor
from bsr_plugin.models.loss_watch import LossWatch
from bsr_plugin.models.memory_format import to_channels_last
from bsr_plugin.models.objective import Objective
from bsr_plugin.models.padding import multiple_wanted_by
from bsr_plugin.models.ranks import no_gradient_sync
from bsr_plugin.models.sample_weighting import SampleWeighting
from bsr_plugin.models.self_ensemble import x8
from bsr_plugin.models.stopping import StopRequest
from bsr_plugin.models.tensorboard_images import ValidationImages
from bsr_plugin.models.tiling import Tiler


class _ValidationBrokenOff(Exception):  # noqa: N818
    """The process was asked to stop in the middle of a validation."""


@MODEL_REGISTRY.register()
class BSRModel(CheckpointedModel):
    """BasicSR's engine for single-image super resolution, faster and safer.

    It reads every option file of ``SRModel``, and the options of ``EngineOptions``. Batches hold ``lq`` and
    ``gt``, (N, C, H, W), RGB, float in [0, 1], uint8 or ``UInt8Images``, and for error messages the lists ``lq_path``
    and ``gt_path``.

    Args:
        opt: The options, as BasicSR's ``parse_options`` returns them.

    Attributes:
        losses (dict[str, Tensor]): The last iteration's losses on this rank, by term, still on the device.

    Raises:
        InputError: An option of the engine is wrong, or the weights to start from cannot be loaded.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self._tiler = Tiler(self.engine.tile, self.engine.overlap, get_root_logger())
        self._paths: list[str] = []
        self._shown: ValidationImages | None = None

    # Setting up

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Moves a network to its device in the memory format asked for."""
        if self.engine.channels_last:
            to_channels_last(net)
        return super().model_to_device(net)

    def init_training_settings(self) -> None:
        """Sets up losses, optimizer, average, mixed precision and compilation."""
        if self.engine.deterministic:
            compute_deterministically()
        self._step = self.parts['scaler'] = GradientStep(self.engine.amp, self.engine.grad_clip, self.device)
        if self.engine.amp == 'bf16' and not computes_bf16(self.device):
            get_root_logger().warning('This processor emulates bf16, many times slower than float32: set amp to ~.')
        super().init_training_settings()
        if self.ema_decay > 0:
            if self.engine.channels_last:
                to_channels_last(self.net_g_ema)
            self.parts['ema'] = self._average = self._moving_average()
        self._network = MaybeCompiled(self.net_g, self.engine.compile, self.ranks, get_root_logger())
        self._trained = [weight for weight in self.net_g.parameters() if weight.requires_grad]
        # On a GPU a look at the losses waits for it: only where the log has to wait anyway.
        print_freq = self.opt.get('logger', {}).get('print_freq', 100)
        self._watch = LossWatch(1 if self.device.type == 'cpu' else print_freq, self.engine.amp)
        self._stop = StopRequest()
        self.losses: Mapping[str, Tensor] = {}
        self._objective = Objective(self.cri_pix, self.cri_perceptual)
        self._monitor: IntervalMonitor | None = None
        if self.engine.tb_intervals:
            self._monitor = self.parts['interval_monitor'] = IntervalMonitor(self.cri_pix, self.ranks, self.device)

    def get_optimizer(self, optim_type: str, params: list[Tensor], lr: float, **kwargs: Any) -> Optimizer:
        """Builds the optimizer as BasicSR does, with the fused kernel if that is asked for."""
        fused = {'fused': True} if self.engine.fused else {}
        return super().get_optimizer(optim_type, params, lr, **{**kwargs, **fused})

    def weight_samples(self, intervals: int) -> IntervalLosses:
        """From now on multiplies the pixel loss of each sample by its ``pic_weight``, for importance sampling.

        Args:
            intervals: Number of intervals that ``pic_bin`` of the batches counts.

        Returns:
            The losses of each interval, which are collected meanwhile and part of the training state.

        Raises:
            InputError: A loss cannot be weighted sample by sample.
        """
        if self.cri_perceptual:
            raise InputError(
                "train.perceptual_opt: a perceptual loss has no value for each sample, which sampling 'importance' "
                'has to weight: leave it out, or use another sampling.'
            )
        losses = self.parts['interval_losses'] = IntervalLosses(intervals, self.ranks, self.device)
        self._objective.weighting = SampleWeighting(self.cri_pix, losses, self.device)
        return losses

    def _moving_average(self) -> MovingAverage:
        return MovingAverage(self.net_g_ema, self.get_bare_model(self.net_g))

    def model_ema(self, decay: float = 0.999) -> None:
        """Moves the averaged network towards the trained one, with warm-up; a decay of 0 copies it."""
        if decay == 0:
            self._moving_average().copy()
        else:
            self._average.update(decay)

    # Training

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Takes a batch to the device and makes float images in [0, 1] of it there."""
        self.lq = self._images(data['lq'])
        if 'gt' in data:
            self.gt = self._images(data['gt'])
        elif hasattr(self, 'gt'):
            del self.gt
        self._paths = [*data.get('lq_path', data.get('gt_path', []))]
        self.position = data.get('position', self.position)
        if self.is_train and self._monitor and 'pic_bin' in data:
            self._intervals = data['pic_bin'].to(self.device, non_blocking=True)
        if self.is_train and self._objective.weighting and 'pic_weight' in data:
            self._objective.weighting.feed(data)

    def _images(self, batch: Tensor | UInt8Images) -> Tensor:
        if isinstance(batch, Tensor) and batch.dtype == torch.uint8:
            batch = UInt8Images(batch)
        layout = torch.channels_last if self.engine.channels_last else torch.contiguous_format
        return batch.to(self.device, non_blocking=True).contiguous(memory_format=layout)

    def optimize_parameters(self, current_iter: int) -> None:
        """One iteration: gradients of the batch, new weights, moving average.

        Raises:
            NonFiniteError: A loss is NaN or infinite.
            Interrupted: The process was asked to stop; the state after this iteration is saved.
        """
        self._stop.listen()
        self.weights_change()
        with self.random_stream.resumed():
            self.losses = self._network.run(self._gradients)
        rate = self.get_current_learning_rate()[0]
        self._watch.add(current_iter, self.losses, rate, (self.lq, self.gt), self._paths)
        self._step.update(self.optimizer_g, self._trained)
        for collecting in (self._objective.weighting, self._monitor):
            if collecting:
                collecting.collect()
        if self.ema_decay > 0:
            self.model_ema(self.ema_decay)
        self.epoch, self.iteration = (self.position or {}).get('epoch', 0), current_iter
        self._leave_if(self.ranks.max_of_previous_call(self._stop.signal_number))

    def _gradients(self, network: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Accumulates the gradients of the batch over its micro-batches; returns its losses."""
        self.optimizer_g.zero_grad()
        if self._monitor:
            self._monitor.begin()
        weighting = self._objective.weighting
        batch = (self.lq, self.gt, *((weighting.begin(),) if weighting else ()))
        splits = (part.tensor_split(self.engine.accumulate) for part in batch)
        micro_batches = list(zip(*splits, strict=True))
        losses: dict[str, Tensor] = {}
        for index, (lq, gt, *weights) in enumerate(micro_batches):
            is_last = index + 1 == len(micro_batches)
            with nullcontext() if is_last else no_gradient_sync(self.net_g):
                with self._step.autocast():
                    self.output = network(lq)
                total, terms = self._objective(self.output.float(), gt, len(lq) / len(self.lq), *weights)
                self._step.backward(total)
            if self._monitor:
                intervals = self._intervals.tensor_split(self.engine.accumulate)[index]
                self._monitor.add(intervals, self.output.detach().float(), gt)
            for name, term in terms.items():
                losses[name] = losses[name] + term.detach() if name in losses else term.detach()
        return losses

    def get_current_log(self) -> OrderedDict[str, float]:
        """The losses of the last iteration, averaged over the ranks; only this waits for the GPU."""
        self._check_finite()
        self.log_dict = self.reduce_loss_dict(self.losses)
        return self.log_dict

    # Saving and stopping

    def save(self, epoch: int, current_iter: int) -> None:
        """Saves as ``CheckpointedModel`` does, once it is sure that all losses up to now were finite."""
        self._check_finite()
        super().save(epoch, current_iter)

    def _check_finite(self) -> None:
        self._watch.check()
        self._step.check()

    def _leave_if(self, signal_number: int) -> None:
        """Saves and raises ``Interrupted`` if any rank was sent a signal; all ranks pass the same number."""
        if not signal_number:
            return
        self.save_once()
        self.ranks.barrier()
        interrupted = Interrupted(signal_number)
        get_root_logger().warning(
            '%s: stopped after iteration %d. The state is saved; resume with --auto_resume.',
            interrupted.signal_name,
            self.iteration,
        )
        raise interrupted

    # Validation and test

    def validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool = False) -> None:
        """Validates on rank 0 while the others wait, for however long it takes.

        Raises:
            Interrupted: The process was asked to stop meanwhile.
            NonFiniteError: A loss was NaN or infinite.
        """
        if self.is_train:
            self._check_finite()
            if self._monitor:
                self._monitor.write(tb_logger, current_iter)
        name = dataloader.dataset.opt['name']
        if self.is_train and self.engine.tb_images and tb_logger is not None:
            self._shown = ValidationImages(tb_logger, self.engine.tb_images, name, current_iter)
        try:
            super().validation(dataloader, current_iter, tb_logger, save_img)
        except _ValidationBrokenOff:
            get_root_logger().warning('Validation interrupted; it is repeated when the training is resumed.')
        except InputError:
            # An image that cannot be read ends the run, which resumes from here once it has been fixed.
            if self.is_train and self.opt.get('world_size', 1) == 1:
                self.save_once()
            raise
        else:
            self.remember_validation(name)
        self._shown = None
        if self.is_train:
            self._leave_if(self.ranks.max(self._stop.signal_number))
        self.ranks.barrier()

    def get_current_visuals(self) -> OrderedDict[str, Tensor]:
        """The images of the validation or test that were computed last, on the CPU."""
        visuals: OrderedDict[str, Tensor] = super().get_current_visuals()
        if self._shown:
            self._shown.add(Path(self._paths[0]).stem, visuals)
        return visuals

    def test(self) -> None:
        """Super-resolves ``self.lq`` into ``self.output``, with the averaged network if there is one."""
        if self.is_train and self._stop.signal_number:
            raise _ValidationBrokenOff
        net = self.net_g_ema if hasattr(self, 'net_g_ema') else self.get_bare_model(self.net_g)
        multiple = self.engine.multiple_of or multiple_wanted_by(net, self.opt['network_g'])
        infer = partial(self._tiler, net, reach=getattr(net, 'receptive_field_radius', None), multiple=multiple)
        was_training = net.training
        net.eval()
        try:
            self.output = x8(infer, self.lq) if self.engine.self_ensemble else infer(self.lq)
        finally:
            net.train(was_training)

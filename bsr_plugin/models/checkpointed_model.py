"""SRModel with checkpoints that cannot be lost: whole, verified, complete, safe to load."""

import math
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from torch import Tensor, nn

import basicsr
import bsr_plugin
from bsr_plugin.atomic import remove_left_overs
from bsr_plugin.models import checkpoint
from bsr_plugin.models.ema import MovingAverage
from bsr_plugin.models.engine_options import EngineOptions
from bsr_plugin.models.failures import NonFiniteError
from bsr_plugin.models.gradient_step import GradientStep
from bsr_plugin.models.interval_losses import IntervalLosses
from bsr_plugin.models.interval_monitor import IntervalMonitor
from bsr_plugin.models.loss_watch import all_finite
from bsr_plugin.models.ranks import Ranks
from bsr_plugin.models.resume import missing_validations
from bsr_plugin.models.resumed_schedule import resumed
from bsr_plugin.models.training_state import (
    RandomStream,
    match_memory_format,
    plain,
    random_state,
    set_random_state,
)
from bsr_plugin.models.weights import check_fit, open_weights, other_arguments

BEST = 'best'


class CheckpointedModel(SRModel):
    """Saves and resumes.

    A checkpoint is a pair: the weights ``models/net_g_N.pth``, then the state ``training_states/N.state``, which names
    the weights' size and digest. If the process dies between the two, the pair before is still whole.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.engine = EngineOptions.from_options(opt)
        self.ranks = Ranks()
        #: Further parts with a state of their own.
        self.parts: dict[str, GradientStep | MovingAverage | IntervalLosses | IntervalMonitor] = {}
        self.random_stream = RandomStream()
        self.epoch, self.iteration = 0, 0
        #: Where the run is in its data, as its batches say; ``None`` where they do not.
        self.position: Mapping[str, int] | None = None
        self._has_loaded_average = False
        self._saved_iteration: int | None = None
        self._saved_state: dict[str, Any] | None = None
        #: Names of the sets validated with the weights as they are.
        self._validated: list[str] = []
        self._weight_files: dict[str, Mapping[str, Any]] = {}
        super().__init__(opt)

    @property
    def _models(self) -> Path:
        return Path(self.opt['path']['models'])

    @property
    def _states(self) -> Path:
        return Path(self.opt['path']['training_states'])

    # Saving

    def save(self, epoch: int, current_iter: int) -> None:
        """Saves weights and state; at the end of the training, -1, ``net_g_latest.pth`` as well.

        Raises:
            NonFiniteError: The weights are not finite; nothing has been written.
            SaveError: A file cannot be written; the checkpoints before are untouched.
        """
        if not all_finite(self.net_g.parameters()):
            raise NonFiniteError(f'iteration {self.iteration}: the weights are no longer finite; they were not saved')
        if current_iter == -1:
            self.save_once()
        self._weight_files = {}
        super().save(epoch, current_iter)

    def save_once(self) -> None:
        """Saves the iteration just finished, if that has not been done yet."""
        if self._saved_iteration != self.iteration:
            self.save(self.epoch, self.iteration)

    @master_only
    def save_network(
        self,
        net: nn.Module | list[nn.Module],
        net_label: str,
        current_iter: int | str,
        param_key: str | list[str] = 'params',
        **further: Any,
    ) -> None:
        """Writes ``net_LABEL_ITER.pth`` as BasicSR does, but whole or not at all, and never ignores a failure.

        Beside the weights, and the entries that are given, it says what network they belong to: ``network_g`` (type and
        all arguments), ``scale`` where there is one, and ``versions``, in containers that ``weights_only=True`` reads.
        """
        nets = net if isinstance(net, list) else [net]
        keys = param_key if isinstance(param_key, list) else [param_key]
        content = {key: self._weights(one) for key, one in zip(keys, nets, strict=True)}
        content |= self._description(net_label.replace('net', 'network', 1), type(self.get_bare_model(nets[0])))
        name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
        self._weight_files[name] = checkpoint.write(self._models / name, {**content, **further})

    def _weights(self, net: nn.Module) -> dict[str, Tensor]:
        weights = self.get_bare_model(net).state_dict()
        return {name.removeprefix('module.'): value for name, value in plain(weights).items()}

    def _description(self, section: str, kind: type[nn.Module]) -> dict[str, Any]:
        """What network the weights belong to; arguments left at their defaults are spelt out, for these may change."""
        constants = bool, int, float, str, tuple, type(None)
        parameters = signature(kind).parameters.values()
        arguments = {each.name: each.default for each in parameters if isinstance(each.default, constants)}
        versions = {package.__name__: str(package.__version__) for package in (bsr_plugin, basicsr, torch)}
        scale = {} if self.opt.get('scale') is None else {'scale': self.opt['scale']}
        return plain({section: {**arguments, **self.opt[section]}, **scale, 'versions': versions})

    def save_training_state(self, epoch: int, current_iter: int) -> None:
        """Writes ``ITER.state``, then deletes the checkpoints that are no longer to be kept."""
        if current_iter == -1:
            return
        # All ranks take part: each has random numbers, and losses that it has collected, of its own.
        with self.random_stream.resumed():
            random_states = self.ranks.all_gather(plain(random_state()))
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        self._saved_iteration = current_iter
        if self.opt['rank'] != 0:
            return
        self._saved_state = plain(
            {
                'epoch': epoch,
                'iter': current_iter,
                **({} if self.position is None else {'position': self.position}),
                'manual_seed': self.opt.get('manual_seed'),
                'optimizers': [optimizer.state_dict() for optimizer in self.optimizers],
                'optimizer_types': [type(optimizer).__name__ for optimizer in self.optimizers],
                'schedulers': [scheduler.state_dict() for scheduler in self.schedulers],
                'warmup_iter': self.opt['train'].get('warmup_iter', -1),
                'weights': self._weight_files,
                'parts': parts,
                'random': random_states,
                'best_metric_results': getattr(self, 'best_metric_results', {}),
                'validated': self._validated,
            }
        )
        checkpoint.write(self._states / f'{current_iter}.state', self._saved_state)
        if self.engine.keep_checkpoints is not None:
            checkpoint.prune(self._models, self._states, self.engine.keep_checkpoints, current_iter)

    def weights_change(self) -> None:
        """To be called before every update: the last saved state shares the optimizer's memory."""
        self._saved_state, self._validated = None, []

    def remember_validation(self, dataset_name: str) -> None:
        """Notes a validation in the state of its iteration, with the best figures; one saved later holds both.

        A state saved before is written anew when these change, and when no validation is missing any more.
        """
        self._validated = list(dict.fromkeys([*self._validated, dataset_name]))
        state, best = self._saved_state, plain(getattr(self, 'best_metric_results', {}))
        if state is None:
            return
        is_last = missing_validations(self.opt, state) == [dataset_name]
        is_better = state['best_metric_results'] != best
        state['validated'] = self._validated
        state['best_metric_results'] = best
        if is_last or is_better:
            checkpoint.write(self._states / f'{state["iter"]}.state', state)

    # Loading

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = 'params'
    ) -> None:
        """Loads the weights that are asked for and no others, and never runs code that the file may hold.

        Raises:
            InputError: The file is missing, damaged or refused, lacks the entry ``param_key``, holds NaN, or was made
                for another network.
        """
        file = open_weights(Path(load_path))
        if net is getattr(self, 'net_g_ema', None):
            self._has_loaded_average = param_key in file.entries
        if net is getattr(self, 'net_g_ema', None) and param_key not in file.entries:
            # The toolbox asks for the average; a file without one starts it from the weights.
            param_key = self.opt['path'].get('param_key_g', 'params')
        weights = file.weights(param_key)
        net = self.get_bare_model(net)
        check_fit(weights, net.state_dict(), file.path, type(net).__name__, strict)
        for sentence in other_arguments(file, self._description('network_g', type(net))['network_g']):
            get_root_logger().warning('%s.', sentence)
        get_root_logger().info('Loading %s from %s, param key %s.', type(net).__name__, load_path, param_key)
        self._print_different_keys_loading(net, weights, strict)
        net.load_state_dict(weights, strict=strict)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Goes on as if the run had never stopped, from a state of this model or of SRModel, which has less in it.

        Raises:
            InputError: The state holds the moments of an optimizer of another type.
        """
        for sentence in resume_state.get('skipped', []):
            get_root_logger().warning(sentence)
        self._resume_optimizers(resume_state)
        self.epoch, self.iteration = resume_state['epoch'], resume_state['iter']
        self._saved_iteration = self.iteration
        # SRModel's states say nothing of the warm-up of an average that they have: it is over.
        known = resume_state.get('parts', {'ema': {'updates': self.iteration}} if self._has_loaded_average else {})
        for name, part in self.parts.items():
            part.load_state_dict(known.get(name, {}))
        self._validated = [*resume_state.get('validated', [])]
        self._resume_best(resume_state.get('best_metric_results', {}))
        random_states = resume_state.get('random', [])
        if self.opt['rank'] < len(random_states):
            set_random_state(random_states[self.opt['rank']])
            self.random_stream.capture()
        if self.opt['rank'] == 0:
            for folder in (self._models, self._states):
                remove_left_overs(folder)
            path = Path(self.opt['path']['resume_state']).resolve()
            is_own = path.parent == self._states.resolve()
            if is_own and not self.opt.get('auto_resume'):
                self._set_aside_later_states()
            if 'validated' in resume_state and is_own:
                self._saved_state = {key: value for key, value in resume_state.items() if key != 'skipped'}

    def _set_aside_later_states(self) -> None:
        """Renames the states of the branch that a run leaves by going back: ``--auto_resume`` would return to it."""
        for iteration, path in checkpoint.states_in(self._states).items():
            if iteration > self.iteration:
                aside = path.with_name(f'{path.name}.abandoned')
                path.replace(aside)
                get_root_logger().warning('%s is of the branch that this run leaves: renamed to %s.', path, aside.name)

    def _resume_optimizers(self, state: dict[str, Any]) -> None:
        pairs = enumerate(zip(self.optimizers, self.schedulers, strict=True))
        states = [resumed(*pair, state, index, self.opt['train']) for index, pair in pairs]
        optimizers, schedulers, changed = ([*each] for each in zip(*states, strict=True))
        super().resume_training({**state, 'optimizers': optimizers, 'schedulers': schedulers})
        for optimizer in self.optimizers:
            match_memory_format(optimizer)
        for sentence in filter(None, changed):
            get_root_logger().warning(sentence)

    # The best weights so far

    def _resume_best(self, saved: Mapping[str, Mapping[str, Any]]) -> None:
        if not (self.opt.get('val') or {}).get('metrics'):
            # Nothing is measured now; later states keep the figures for a run that measures again.
            if saved:
                self.best_metric_results = {dataset: {**records} for dataset, records in saved.items()}
            return
        for dataset, records in saved.items():
            self._initialize_best_metric_results(dataset)
            known = self.best_metric_results[dataset]
            known.update({metric: dict(record) for metric, record in records.items() if metric in known})
        path = self._models / f'net_g_{BEST}.pth'
        record = checkpoint.record_of_best(path, BEST) if self.engine.keep_best else None
        if not record or record['metric'] != self.engine.keep_best:
            self._forget_best()
        elif self.opt.get('auto_resume') or record['iter'] <= self.iteration:
            # Written after the state it came with: better than what the state knows if the run was killed in between.
            self._initialize_best_metric_results(record['dataset'])
            super()._update_best_metric_result(record['dataset'], record['metric'], record['val'], record['iter'])

    def _forget_best(self) -> None:
        """Has the next validation be the best one by the metric whose best weights are to be kept and are not there."""
        for records in getattr(self, 'best_metric_results', {}).values():
            if record := records.get(self.engine.keep_best):
                record |= {'val': math.inf if record['better'] == 'lower' else -math.inf, 'iter': -1}

    def _update_best_metric_result(self, dataset_name: str, metric: str, val: float, current_iter: int) -> None:
        """Notes a value as BasicSR does, and keeps the weights if it is the best by the metric asked for."""
        super()._update_best_metric_result(dataset_name, metric, float(val), current_iter)
        record = self.best_metric_results[dataset_name][metric]
        if not self.is_train or metric != self.engine.keep_best or record['iter'] != current_iter:
            return
        sets = self.opt['datasets'].items()
        if dataset_name == next((each['name'] for phase, each in sets if phase.split('_')[0] == 'val'), None):
            nets = {'params': self.net_g}
            if hasattr(self, 'net_g_ema'):
                nets['params_ema'] = self.net_g_ema
            best = {'dataset': dataset_name, 'metric': metric, **record}
            self.save_network([*nets.values()], 'net_g', BEST, [*nets], best=best)

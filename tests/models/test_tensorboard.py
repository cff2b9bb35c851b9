"""What BSRModel writes into TensorBoard's event files, read back from them."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from bsr_plugin.data.degradation import imresize
from bsr_plugin.errors import InputError
from bsr_plugin.losses.hybrid_loss import HybridL1L2LpLoss


@pytest.fixture
def validate(tmp_path):
    """Validates with a TensorBoard writer; gives what the event file holds."""

    def run(model, *iterations, between=lambda iteration: None):
        loader_options = {**model.opt['datasets']['val'], 'phase': 'val', 'scale': 2}
        loader = build_dataloader(build_dataset(loader_options), loader_options)
        with SummaryWriter(str(tmp_path / 'log')) as writer:
            for iteration in iterations:
                between(iteration)
                model.validation(loader, iteration, writer)
        events = EventAccumulator(str(tmp_path / 'log'), size_guidance={IMAGES: 0, SCALARS: 0})
        return events.Reload()

    return run


def decoded(event):
    return cv2.imdecode(np.frombuffer(event.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)


def test_the_first_images_are_shown_as_bicubic_result_and_hr(build, batches, train, validate, pairs):
    model = train(build(val={'tb_images': 2}, logger={'use_tb_logger': True}), batches(2))
    events = validate(model, 2, 4)
    # The toolbox's data set takes a folder as it comes.
    dataset = build_dataset({**model.opt['datasets']['val'], 'phase': 'val', 'scale': 2})
    names = [Path(dataset[position]['lq_path']).stem for position in range(2)]
    assert set(events.Tags()['images']) == {f'images/Val/{name}' for name in names}
    for name in names:
        shown = events.Images(f'images/Val/{name}')
        assert [event.step for event in shown] == [2, 4]
        bicubic, result, hr = np.split(decoded(shown[0]), 3, axis=1)
        lr = cv2.imread(str(pairs / f'LR/{name}.png'))
        assert np.array_equal(hr, cv2.imread(str(pairs / f'HR/{name}.png')))
        assert np.array_equal(bicubic, imresize(lr, *hr.shape[:2]))
        with torch.no_grad():
            pixels = torch.from_numpy(lr[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
            expected = model.net_g_ema(pixels)[0].clamp(0, 1).permute(1, 2, 0).numpy()[..., ::-1] * 255
        assert np.abs(result - expected).max() < 0.51


def test_lr_images_alone_are_shown_without_hr(build, batches, train, validate, pairs):
    lr = {'name': 'Val', 'type': 'SingleImageDataset', 'dataroot_lq': str(pairs / 'LR'), 'io_backend': {'type': 'disk'}}
    settings = {'val': {'tb_images': 2, 'metrics': None}, 'logger': {'use_tb_logger': True}}
    model = train(build(datasets={'val': lr}, **settings), batches(2))
    events = validate(model, 2)
    for name in ('photo0', 'photo1'):
        image = cv2.imread(str(pairs / f'LR/{name}.png'))
        (shown,) = events.Images(f'images/Val/{name}')
        bicubic, result = np.split(decoded(shown), 2, axis=1)
        assert result.shape == (2 * image.shape[0], 2 * image.shape[1], 3)
        assert np.array_equal(bicubic, imresize(image, *result.shape[:2]))


def test_shares_and_losses_of_the_intervals_are_those_of_the_patches_since_the_last_validation(
    build, batches, validate
):
    changes = {'logger': {'use_tb_logger': True, 'tb_intervals': True}, 'train': {'accumulate': 2}}
    model, loss = build(**changes), HybridL1L2LpLoss()
    bins = [torch.tensor([0, 0, 3, 15]), torch.tensor([0, 3, 3, 3]), torch.tensor([7, 7, 7, 7])]
    seen = {2: [], 3: []}

    def train_until(iteration):
        for number in (1, 2) if iteration == 2 else (3,):
            batch = batches(3)[number - 1]
            with torch.no_grad():
                output = model.net_g(batch['lq'])
            for interval, pred, target in zip(bins[number - 1].tolist(), output, batch['gt'], strict=True):
                seen[iteration].append((interval, float(loss(pred[None], target[None]))))
            model.feed_data({**batch, 'pic_bin': bins[number - 1]})
            model.optimize_parameters(number)

    events = validate(model, 2, 3, between=train_until)
    found = {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()['scalars']}
    expected = {'metrics/Val/psnr': found['metrics/Val/psnr']}
    for iteration, samples in seen.items():
        for interval in {number for number, _ in samples}:
            losses = [value for number, value in samples if number == interval]
            tag = f'{interval:02}'
            expected.setdefault(f'intervals/share/{tag}', {})[iteration] = len(losses) / len(samples)
            expected.setdefault(f'intervals/loss/{tag}', {})[iteration] = pytest.approx(np.mean(losses), rel=1e-4)
    assert found == expected
    assert found['intervals/share/03'] == {2: 0.5}
    assert found['intervals/share/07'] == {3: 1.0}


def test_nothing_is_written_that_is_not_asked_for(build, batches, train, validate):
    events = validate(train(build(), batches(2)), 2)
    assert events.Tags()['images'] == []
    assert events.Tags()['scalars'] == ['metrics/Val/psnr']


def test_training_is_the_same_with_and_without_them(build, batches, train, same, tmp_path):
    asked = {'val': {'tb_images': 1}, 'logger': {'use_tb_logger': True, 'tb_intervals': True}}
    given = [{**batch, 'pic_bin': torch.arange(4)} for batch in batches(3)]
    models = [train(build(root=tmp_path / str(at), **each), given) for at, each in enumerate(({}, asked))]
    assert same(*(model.net_g.state_dict() for model in models))


def test_a_batch_that_is_computed_twice_counts_once(build, batches, monkeypatch):
    model = build(logger={'use_tb_logger': True, 'tb_intervals': True}, train={'accumulate': 2})
    # As where torch.compile is tried: the first work on a batch is a rehearsal.
    monkeypatch.setattr(model._network, 'run', lambda work: (work(model.net_g), work(model.net_g))[1])
    for iteration, batch in enumerate(batches(3), 1):
        model.feed_data({**batch, 'pic_bin': torch.tensor([0, 1, 1, 3])})
        model.optimize_parameters(iteration)
    assert model._monitor._sums[1].nonzero().flatten().tolist() == [0, 1, 3]
    assert model._monitor._sums[1].sum() == 3 * 4


def test_what_is_collected_between_two_validations_survives_a_resume(build, batches, tmp_path):
    changes = {'logger': {'use_tb_logger': True, 'tb_intervals': True}}
    bins, data = [torch.tensor([0, 0, 3, 15]), torch.tensor([0, 3, 3, 3])], batches(2)

    def go_on(model, iteration):
        model.feed_data({**data[iteration - 1], 'pic_bin': bins[iteration - 1]})
        model.optimize_parameters(iteration)

    def written(model):
        scalars = {}
        model._monitor.write(SimpleNamespace(add_scalar=lambda tag, value, _: scalars.update({tag: value})), 2)
        return scalars

    model = build(**changes)
    go_on(model, 1)
    model.save(0, 1)
    resumed = build(resume=1, **changes)
    for each in (model, resumed):
        go_on(each, 2)
    expected = written(model)
    assert expected['intervals/share/03'] == 0.5
    assert written(resumed) == expected
    # A state of a run that did not collect has nothing to go on from.
    build().save(0, 3)
    assert not build(resume=3, **changes)._monitor._sums.any()


def test_what_cannot_be_shown_is_said_at_the_start(build):
    with pytest.raises(InputError, match=r'`logger.use_tb_logger`: must be true with val.tb_images'):
        build(val={'tb_images': 1})
    logger = {'use_tb_logger': True, 'tb_intervals': True}
    with pytest.raises(InputError, match='PairedImageDataset does not say which PIC interval a patch is from'):
        build(logger=logger, datasets={'train': {'type': 'PairedImageDataset'}})
    with pytest.raises(InputError, match=r'WeightedTVLoss gives no loss for each sample, which logger.tb_intervals'):
        build(logger=logger, train={'pixel_opt': {'type': 'WeightedTVLoss', 'loss_weight': 1.0}})


def test_collecting_does_not_wait_for_the_device(build):
    model = build(logger={'use_tb_logger': True, 'tb_intervals': True})
    images, waits = torch.rand(4, 3, 8, 8), []

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, arguments=(), settings=None):
            name = getattr(function, '__name__', '')
            waits.extend([name] * (name in ('item', 'tolist', '__bool__', 'cpu', 'numpy', 'nonzero', '__float__')))
            return super().__torch_function__(function, types, arguments, settings or {})

    model._monitor.add(torch.arange(4).as_subclass(Watched), images.as_subclass(Watched), images)
    assert not waits

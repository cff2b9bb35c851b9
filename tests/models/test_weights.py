"""The weights that are asked for, and no others."""

import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bsr_plugin.errors import InputError
from bsr_plugin.models.weights import check_fit, check_weights, open_weights

NETWORK = {'type': 'BSRNet', 'num_feat': 4, 'num_group': 2, 'num_block': 2, 'upscale': 2}


@pytest.fixture
def saved(build, tmp_path):
    """A file of BSRModel with weights and averages that differ, and its path."""
    model = build()
    with torch.no_grad():
        model.net_g_ema.conv_last.bias.add_(1)
    model.save_network([model.net_g, model.net_g_ema], 'net_g', 7, ['params', 'params_ema'])
    return model, tmp_path / 'experiments/tiny/models/net_g_7.pth'


def test_each_entry_is_what_it_is_called(saved):
    model, path = saved
    file = open_weights(path)
    assert list(file.entries) == ['params', 'params_ema']
    assert torch.equal(file.weights('params')['conv_last.bias'], model.net_g.conv_last.bias)
    assert torch.equal(file.weights('params_ema')['conv_last.bias'], model.net_g.conv_last.bias + 1)


@pytest.mark.parametrize(
    ('param_key', 'sentence'),
    [
        ('parms_ema', 'has no entry parms_ema: set path.param_key_g to params or params_ema'),
        ('network_g', 'has no entry network_g: set path.param_key_g to params or params_ema'),
        (None, 'is not a bare state dict: set path.param_key_g to params or params_ema'),
    ],
)
@pytest.mark.parametrize('is_train', [True, False])
def test_a_misspelt_key_is_an_error_that_lists_the_keys(saved, build, param_key, sentence, is_train):
    _, path = saved
    with pytest.raises(InputError) as caught:
        build(is_train=is_train, name='other', path={'pretrain_network_g': str(path), 'param_key_g': param_key})
    assert str(caught.value) == f'{path} {sentence}'
    with pytest.raises(InputError) as caught:
        check_weights(path, param_key, NETWORK)
    assert str(caught.value) == f'{path} {sentence}'


def test_averages_that_are_not_there_are_not_replaced_by_the_weights(build, tmp_path):
    model = build()
    model.save_network(model.net_g, 'net_g', 7)
    start = {'pretrain_network_g': str(tmp_path / 'experiments/tiny/models/net_g_7.pth'), 'param_key_g': 'params_ema'}
    with pytest.raises(InputError, match=r'has no entry params_ema: set path\.param_key_g to params$'):
        build(is_train=False, name='other', path=start)


@pytest.mark.parametrize('param_key', ['params', None, 'own'])
def test_a_new_average_starts_from_the_weights_of_a_file_without_one(build, tmp_path, param_key):
    weights = build().net_g.state_dict()
    weights['conv_last.bias'] += 3
    torch.save(weights if param_key is None else {param_key: weights}, tmp_path / 'start.pth')
    start = {'pretrain_network_g': str(tmp_path / 'start.pth'), 'param_key_g': param_key}
    model = build(name='other', path=start)
    for network in (model.net_g, model.net_g_ema):
        assert torch.equal(network.conv_last.bias, weights['conv_last.bias'])


def test_a_bare_state_dict_is_asked_for_by_no_key(build, tmp_path):
    torch.save({f'module.{name}': value for name, value in build().net_g.state_dict().items()}, tmp_path / 'bare.pth')
    check_weights(tmp_path / 'bare.pth', None, NETWORK)
    with pytest.raises(InputError, match=r'has no entry params: set path\.param_key_g to ~, because it is a bare'):
        check_weights(tmp_path / 'bare.pth', 'params', NETWORK)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_are_an_error(saved, build, value):
    _, path = saved
    content = torch.load(path, weights_only=True)
    content['params_ema']['body.0.blocks.1.conv2.bias'][2] = value
    torch.save(content, path)
    check_weights(path, 'params', NETWORK)
    sentence = r'NaN or infinite values in 1 of 28 tensors, such as body\.0\.blocks\.1\.conv2\.bias'
    with pytest.raises(InputError, match=sentence):
        check_weights(path, 'params_ema', NETWORK)
    with pytest.raises(InputError, match=sentence):
        build(is_train=False, name='other', path={'pretrain_network_g': str(path), 'param_key_g': 'params_ema'})


def test_a_training_state_and_files_without_weights_are_called_what_they_are(build, batches, train, tmp_path):
    train(build(), batches(1), save_at=(1,))
    state = tmp_path / 'experiments/tiny/training_states/1.state'
    with pytest.raises(
        InputError, match=r'1\.state is a training state, not weights: use models/net_g_1\.pth of its run'
    ):
        check_weights(state, 'params', NETWORK)
    for content in ({1: 2, 2: 3}, [1], {}, {'params': {}}):
        torch.save(content, tmp_path / 'else.pth')
        with pytest.raises(InputError, match=r'else\.pth holds no weights: use a file models/net_g_\*\.pth'):
            check_weights(tmp_path / 'else.pth', 'params', NETWORK)


PLAIN = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.integers(0, 3).map(torch.zeros),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def is_weight(entry):
    name, value = entry
    return isinstance(name, str) and isinstance(value, torch.Tensor)


@example({1: torch.zeros(2)}, None)
@example({'params': {1: torch.zeros(2)}}, 'params')
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLAIN, st.sampled_from(['params', 'params_ema', None]))
def test_whatever_a_file_holds_there_are_weights_or_one_sentence(tmp_path, content, param_key):
    path = tmp_path / 'any.pth'
    torch.save(content, path)
    sound = content.get(param_key) if param_key and isinstance(content, dict) else content
    if isinstance(sound, dict) and sound and all(map(is_weight, sound.items())):
        assert list(open_weights(path).weights(param_key)) == list(sound)
    else:
        with pytest.raises(InputError) as caught:
            open_weights(path).weights(param_key)
        assert str(caught.value).startswith(str(path))
        assert '\n' not in str(caught.value)


def test_weights_of_another_network_are_an_error_before_the_run_begins(saved):
    _, path = saved
    before = torch.random.get_rng_state()
    check_weights(path, 'params', NETWORK)
    with pytest.raises(InputError) as caught:
        check_weights(path, 'params', {**NETWORK, 'num_feat': 5})
    sentence = 'does not fit BSRNet: conv_first.weight is 4x3x3x3 in the file and 5x3x3x3 in the network (25 differ)'
    assert str(caught.value) == f'{path} {sentence}'
    assert torch.equal(torch.random.get_rng_state(), before), 'the run begins with the same random numbers'


def test_not_strict_leaves_out_what_does_not_fit_but_not_everything(saved, build):
    _, path = saved
    parts = {'path': {'pretrain_network_g': str(path), 'strict_load_g': False}, 'name': 'other'}
    model = build(network_g={'upscale': 3}, scale=3, train={'ema_decay': 0}, **parts)
    assert torch.equal(model.net_g.conv_first.weight, open_weights(path).weights('params')['conv_first.weight'])
    with pytest.raises(InputError, match='does not fit BSRNet'):
        check_fit({'a': torch.zeros(2)}, {'a': torch.zeros(3), 'b': torch.zeros(1)}, path, 'BSRNet', strict=False)


def test_the_file_says_what_network_it_belongs_to_and_stock_loads_it(saved, build):
    from basicsr.models.base_model import BaseModel

    import basicsr
    import bsr_plugin

    model, path = saved
    content = torch.load(path, weights_only=True)
    assert content['network_g'] == {
        'type': 'BSRNet', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_group': 2, 'num_block': 2, 'upscale': 2,
        'skip_connections': True, 'attention': 'spatial', 'img_range': 1.0, 'rgb_mean': (0.4488, 0.4371, 0.4040),
        'expansion': 1, 'upsampler': 'pixelshuffle',
    }  # fmt: skip
    assert content['scale'] == 2
    versions = {'bsr_plugin': bsr_plugin.__version__, 'basicsr': basicsr.__version__, 'torch': torch.__version__}
    assert content['versions'] == versions
    assert yaml.safe_load(yaml.safe_dump(content['versions'])) == versions, 'plain strings'
    stock = build(model_type='SRModel', is_train=False, name='other')
    for key, network in (('params', model.net_g), ('params_ema', model.net_g_ema)):
        BaseModel.load_network(stock, stock.net_g, str(path), True, key)
        assert torch.equal(stock.net_g.conv_last.bias, network.conv_last.bias)

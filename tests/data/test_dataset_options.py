import pytest
import yaml

from bsr_plugin.data.dataset_options import (
    BenchmarkOptions,
    RFSOptions,
    RFSTrainingOptions,
    SamplingOptions,
    StockTrainingOptions,
)
from bsr_plugin.errors import InputError
from bsr_plugin.pic.balance import BalanceRule
from bsr_plugin.pic.band import BandRule
from bsr_plugin.pic.intervals import IntervalRule
from bsr_plugin.pic.sampling import SamplingRule

FOLDERS = {'dataroot_gt': 'HR', 'dataroot_lq': 'LR', 'io_backend': {'type': 'disk'}, 'scale': 2}


def test_the_defaults_are_those_of_the_rules():
    options = SamplingOptions.read({})
    assert options.intervals == IntervalRule()
    assert options.rule == SamplingRule() == SamplingRule('rfs', None, BalanceRule(1.0, 1.0), 'share', BandRule())


def test_the_intervals():
    def intervals(**given):
        return SamplingOptions.read(given).intervals

    assert intervals(pic_bins=4, pic_quantile=0.5) == IntervalRule(4, 0.5)
    assert intervals(pic_edges=[0, 1, 7]).edges == (0.0, 1.0, 7.0)
    assert intervals(pic_edges=[0, 1, 7], pic_bins=2).bins == 2
    assert intervals(pic_bins=9, pic_spacing='quantile') == IntervalRule(9, spacing='quantile')


def test_the_sampler():
    given = {'sampling': 'band', 'num_candidates': 'all', 'pic_band': {'quantiles': [0, 1]}}
    assert SamplingOptions.read(given).rule == SamplingRule('band', 'all', band=BandRule(0.5, (0, 1)))
    given = {'pic_balance': {'from': 0, 'to': 1, 'between': [0, 2e4]}, 'image_choice': 'spread'}
    assert SamplingOptions.read(given).rule == SamplingRule('rfs', None, BalanceRule(0, 1, (0, 20000)), 'spread')


def test_numbers_as_basicsr_reads_them():
    # YAML 1.1, of BasicSR's own loader, takes numbers without a dot and a sign in the exponent for text.
    text = '{gt_size: 4e1, pic_quantile: 9e-1, pic_balance: 5e-1, num_candidates: 1e1, pic_band: {share: 3e-1}}'
    given = yaml.safe_load(text)
    assert given['gt_size'] == '4e1'
    band = given.pop('pic_band')
    options = RFSTrainingOptions.of({**FOLDERS, **given})
    assert (options.gt_size, options.pic_quantile, options.pic_balance, options.num_candidates) == (40, 0.9, 0.5, 10)
    assert SamplingOptions.read({'sampling': 'band', 'pic_band': band}).rule.band == BandRule(0.3)


def test_numbers_within_a_schedule_as_basicsr_reads_them():
    given = yaml.safe_load('pic_balance: {from: 1e-1, to: 9e-1, between: [1e2, 2e4]}')
    assert given['pic_balance'] == {'from': '1e-1', 'to': '9e-1', 'between': ['1e2', '2e4']}
    assert SamplingOptions.read(given).rule.balance == BalanceRule(0.1, 0.9, (100, 20000))
    assert SamplingOptions.read(given).pic_balance == {'from': 0.1, 'to': 0.9, 'between': [100, 20000]}


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'from': 'weak'}, 'pic_balance is weak: use a number from 0 (uniform) to 1 (rfs).'),
        ({'to': '2e0'}, 'pic_balance is 2.0: use a number from 0 (uniform) to 1 (rfs).'),
        ({'to': True}, 'pic_balance is True: use a number from 0 (uniform) to 1 (rfs).'),
        (
            {'between': ['2e4', '0']},
            'pic_balance is between [20000.0, 0.0]: give two iterations, the earlier one first.',
        ),
        ({'between': 'ever'}, 'pic_balance is between ever: give two iterations, the earlier one first.'),
        ({'until': 1}, 'pic_balance has from, to, between, until: give a number, or from, to and between.'),
    ],
)
def test_a_wrong_schedule_gets_the_sentence_of_the_rule(changes, sentence):
    with pytest.raises(InputError) as error:
        SamplingOptions.read({'pic_balance': {'from': '0', 'to': '1', 'between': ['0', '2e4'], **changes}})
    assert str(error.value) == sentence


def test_what_the_loader_reads_is_not_looked_at():
    options = RFSOptions.of({**FOLDERS, 'phase': 'val', 'name': 'x', 'gt_size': 'any', 'my_own': 1})
    assert options.model_dump() == {**FOLDERS, 'filename_tmpl': '{}', 'meta_info_file': None, 'uint8': False}


@pytest.mark.parametrize(
    ('options', 'given', 'lines'),
    [
        (
            RFSOptions,
            {'scale': None, 'uint8': 1},
            ['`scale`: ~ is not a number', '`uint8`: 1 should be a valid boolean'],
        ),
        (
            RFSTrainingOptions,
            {'seed': -1},
            ['`gt_size`: missing', '`seed`: -1 should be greater than or equal to 0'],
        ),
        (
            RFSTrainingOptions,
            {'gt_size': 48, 'io_backend': {'type': 'lmdb', 'readahead': True}},
            ['`io_backend.readahead`: unknown key; known here: type'],
        ),
        (
            RFSTrainingOptions,
            {'gt_size': 48, 'sampling': 'band', 'pic_band': {'part': 1, 'quantiles': [0.5]}},
            [
                '`pic_band.part`: unknown key; known here: quantiles, share',
                '`pic_band.quantiles`: [0.5] should have at least 2 items, not 1',
            ],
        ),
        (
            RFSTrainingOptions,
            {'gt_size': 48, 'pic_spacing': 'quantile', 'pic_edges': [0, 1]},
            ['pic_spacing is quantile, and pic_edges is given: leave one of the two out'],
        ),
        (StockTrainingOptions, {'gt_size': 48, 'use_hflip': True}, ['`use_rot`: missing']),
        (BenchmarkOptions, {'io_backend': None}, ['`io_backend`: ~ is not a mapping of keys to values']),
    ],
)
def test_every_problem_names_the_data_set(options, given, lines):
    with pytest.raises(InputError) as error:
        options.of({**FOLDERS, 'name': 'Toy', **given})
    assert str(error.value).splitlines() == [f'data set Toy: {line}' for line in lines]

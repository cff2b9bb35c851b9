"""The JSON Schema of option files, judged by a library that knows nothing of the package's own checks."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from bsr_plugin.cli import main
from bsr_plugin.options.json_schema import json_schema
from bsr_plugin.options.loader import read_options


@pytest.fixture(scope='module')
def schema():
    return json.loads(json_schema())


@pytest.fixture
def wrong(schema):
    """What an editor underlines: the paths of the keys where something is wrong, and what."""
    validator = Draft202012Validator(schema)

    def deepest(error):
        """Of what speaks against each of several choices, that which lies deepest in the file."""
        return max([error, *map(deepest, error.context)], key=lambda each: len(each.absolute_path))

    def errors(options):
        found = map(deepest, validator.iter_errors(options))
        return {'.'.join(map(str, error.absolute_path)): error.message for error in found}

    return errors


def test_it_is_a_schema_of_its_dialect_and_the_docs_hold_it(schema, shipped, capsys):
    assert schema['$schema'] == 'https://json-schema.org/draft/2020-12/schema'
    Draft202012Validator.check_schema(schema)
    text = (shipped.parent / 'docs/options.schema.json').read_text(encoding='utf-8')
    assert text == json_schema(), 'write it anew: bsr options --schema > docs/options.schema.json'
    assert main(['options', '--schema']) == 0
    assert capsys.readouterr().out == text


def test_every_reference_leads_somewhere_and_every_section_is_reached(schema):
    named = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert named == set(schema['$defs'])


def test_every_option_file_names_it_and_is_right_by_it(shipped, wrong):
    files = [file for file in shipped.rglob('*.yml') if file.parent.name != 'studies']
    assert len(files) >= 23
    for file in files:
        first, second, *_ = file.read_text(encoding='utf-8').splitlines()
        assert first.startswith('bsr_plugin: !!python/name:bsr_plugin.__version__'), file
        named = second.partition('# yaml-language-server: $schema=')[2]
        assert named, f'{file}: its second line is to name the schema, as in other files'
        assert (file.parent / named).samefile(shipped.parent / 'docs/options.schema.json'), file
        assert wrong(read_options(file)) == {}, file


@pytest.mark.parametrize(
    ('path', 'value', 'where'),
    [
        ('model_type', ['BSRModle'], 'model_type'),
        ('scale', ['four'], 'scale'),
        ('scale', [0], 'scale'),
        ('num_gpu', ['all'], 'num_gpu'),
        ('name', [], ''),
        ('trian', [{}], 'trian'),
        ('datasets.train.gt_size', [], 'datasets.train'),
        ('datasets.train.gtsize', [192], 'datasets.train.gtsize'),
        ('datasets.train.sampling', ['rsf'], 'datasets.train.sampling'),
        ('datasets.train.use_rot', ['yes'], 'datasets.train.use_rot'),
        ('datasets.train.pic_importance', [{'uniform_shares': 0.1}], 'datasets.train.pic_importance.uniform_shares'),
        ('datasets.train.pic_balance', [{'from': 0, 'to': 1}], 'datasets.train.pic_balance'),
        (
            'datasets.train.pic_balance',
            [{'from': 0, 'to': 1, 'between': [0, 0.5]}],
            'datasets.train.pic_balance.between.1',
        ),
        ('datasets.train.io_backend.type', ['lmbd'], 'datasets.train.io_backend.type'),
        ('datasets.val.type', [], 'datasets.val'),
        ('datasets.test_1', [{}], 'datasets.test_1'),
        ('network_g.num_feats', [64], 'network_g.num_feats'),
        ('network_g.attention', ['spacial'], 'network_g.attention'),
        ('network_d', [{'type': 'VGGStyleDiscriminator'}], 'network_d'),
        ('train.optim_g.type', ['Adan'], 'train.optim_g.type'),
        ('train.optim_g.lr', [-1], 'train.optim_g.lr'),
        ('train.scheduler.milestones', ['100'], 'train.scheduler.milestones'),
        ('train.amp', ['bf32'], 'train.amp'),
        ('train.pixel_opt.l2_wieght', [1], 'train.pixel_opt.l2_wieght'),
        ('val.metrics', [{}], 'val.metrics'),
        ('val.metrics.psnr_y.crop', [4], 'val.metrics.psnr_y.crop'),
        ('val.multiple_of', [0], 'val.multiple_of'),
        ('logger.print_freq', [], 'logger'),
    ],
)
def test_a_wrong_file_fails_where_it_is_wrong(training, change, wrong, path, value, where):
    assert wrong(training) == {}
    change(training, path, *value)
    found = wrong(training)
    parents = {where, where.rpartition('.')[0]}  # an unexpected key is a fault of its section for some kinds
    assert found, path
    assert set(found) <= parents, found


def test_what_a_run_takes_it_takes(training, testing, wrong, change):
    for path, value in (
        ('network_g', {'type': 'HAT', 'upscale': 4, 'window_size': 16}),
        ('network_g', {'type': 'SwinIR', 'upscale': 4, 'window_size': 8, 'norm_layer': None}),
        ('datasets.train.use_shuffle', True),
        ('datasets.val_2', {'name': 'x', 'type': 'FFHQDataset', 'my_own': 1}),
        ('path.results_root', None),
        ('train.tile', None),
        ('train.total_iter', 5e3),
        ('train.pixel_opt', {'type': 'MyLoss', 'weight': 3}),
        ('save_img', False),
    ):
        options = json.loads(json.dumps(training))
        change(options, path, value)
        assert wrong(options) == {}, path
    assert wrong(testing) == {}
    foreign = {**training, 'model_type': 'ESRGANModel', 'network_d': {'type': 'VGGStyleDiscriminator'}, 'my_own': 1}
    assert wrong(foreign) == {}


def test_an_editor_finds_the_meaning_of_a_key(schema, shipped):
    reference = (shipped.parent / 'docs/options.md').read_text(encoding='utf-8')
    for section, key in (
        ('Train', 'amp'),
        ('RFSTrainingPairs', 'pic_bins'),
        ('BSRNet', 'num_group'),
        ('Logger', 'wandb'),
    ):
        description = schema['$defs'][section]['properties'][key]['description']
        assert f'| {description.replace("|", chr(92) + "|")} |' in reference

import re

from bsr_plugin.cli import main
from bsr_plugin.models.engine_options import EngineLogging
from bsr_plugin.options.classes import section_of
from bsr_plugin.options.reference import reference
from bsr_plugin.options.run import Distribution


def test_the_reference_in_the_docs_is_current(shipped):
    text = (shipped.parent / 'docs/options.md').read_text(encoding='utf-8')
    assert text == reference(), 'write it anew: bsr options > docs/options.md'


def test_the_command_prints_it(capsys):
    assert main(['options']) == 0
    assert capsys.readouterr().out == reference()


def row(section, key):
    text = reference().partition(f'## {section}')[2].partition('\n## ')[0]
    (line,) = re.findall(rf'^\| `{key}` \|.*$', text, re.MULTILINE)
    return [cell.strip() for cell in line.strip('|').split(' | ')]


def test_rows_say_what_the_schema_says():
    assert row('`network_g`', 'attention') == [
        '`attention`',
        '`spatial`, `scalar`, `none`',
        '`spatial`',
        "Weight of an FMG's output: `'spatial'`, a map; `'scalar'`, one number; `'none'`, 1.",
    ]
    assert row('`network_g`', 'num_feat')[1:3] == ['integer', '`64`']
    assert row('`network_g`', 'img_range')[1:3] == ['number', '`1.0`']
    assert row('`network_g`', 'rgb_mean')[1:3] == ['number or list: number', '`[0.4488, 0.4371, 0.404]`']
    assert row('`network_g`', 'skip_connections')[1:3] == ['`true`, `false`', '`true`']
    assert row('`datasets.train`, type `RFS', 'gt_size')[1:3] == ['integer, at least 1', '']
    assert row('`datasets.train`, type `RFS', 'pic_quantile')[1:3] == ['number', '`0.999`']
    assert row('`datasets.train`, type `RFS', 'pic_edges')[1:3] == ['list: number or `~`', '`~`']
    assert row('`train`, for BSRModel', 'amp')[1:3] == ['`bf16`, `fp16`, or `~`', '`~`']
    assert row('`train`', 'ema_decay')[1:3] == ['number, at least 0, less than 1', '`0.0`']
    assert row('`train`', 'optim_g')[1:3] == ['section', '']
    assert row('The file', 'num_gpu')[1:3] == ['`auto` or integer, at least 0', '']


def test_every_key_of_a_section_has_a_row():
    for section, schema in (
        ('`network_g`', section_of('network', 'BSRNet')),
        ('`logger`, for BSRModel', EngineLogging),
        ('`dist_params`', Distribution),
    ):
        for key, field in schema.model_fields.items():
            assert row(section, key)[3] == ' '.join(field.description.split()).replace('|', r'\|')


def test_rules_are_listed():
    rules = reference().partition('## What must fit together\n\n')[2].splitlines()
    assert '- `gt_size` is a multiple of `scale`: patches are whole LR pixels.' in rules
    assert all((line.startswith('- ') and line.endswith('.)')) or line.endswith('.') for line in rules)

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import bsr_plugin
from bsr_plugin.errors import InputError
from bsr_plugin.options.loader import parse, read_options

TAG = '!!python/name:bsr_plugin.__version__'
REFUSED = f'is refused; {TAG} is the only one an option file may carry'
WORDS = st.from_regex(r'[a-df-zA-DF-Z ]*', fullmatch=True)
NAMES = st.from_regex(r'k\w*', fullmatch=True)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('1e-4', 1e-4),
        ('1E5', 1e5),
        ('5e-5', 5e-5),
        ('-2e+3', -2000.0),
        ('1.5e3', 1500.0),
        ('.5e1', 5.0),
        ('1.0e-3', 1e-3),
        ('!!float 1e-4', 1e-4),
        ('0.1', 0.1),
    ],
)
def test_floats_are_read_as_people_write_them(text, value):
    read = parse(f'key: {text}')['key']
    assert read == value
    assert isinstance(read, float)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('16', 16),
        ('~', None),
        ('', None),
        ('true', True),
        ('no', False),
        ('1e-4x', '1e-4x'),
        ('e5', 'e5'),
        ("'1e5'", '1e5'),
    ],
)
def test_other_scalars_keep_their_kind(text, value):
    read = parse(f'key: {text}')['key']
    assert read == value
    assert type(read) is type(value)


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.sampled_from(['{:e}', '{:E}', '{:.0e}', '{:.17e}', '{!r}']),
)
def test_every_spelling_of_a_float_is_that_float(value, spelling):
    text = spelling.format(value)
    read = parse(f'[{text}]')[0]
    assert read == float(text)
    assert isinstance(read, float)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=20,
    )
)
def test_plain_values_survive_writing_and_reading(value):
    assert parse(yaml.safe_dump(value)) == value


def test_mappings_keep_their_order():
    assert list(parse('{z: 1, a: 2, m: 3}')) == ['z', 'a', 'm']


def test_the_plugins_tag_is_its_version():
    assert parse(f'bsr_plugin: {TAG}') == {'bsr_plugin': bsr_plugin.__version__}


def test_merged_keys_give_way_to_own_ones():
    assert parse('a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}')['b'] == {'x': 1, 'y': 3}


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        (
            'a: 1\nb: !!python/object/apply:os.system [ls]',
            f'line 2, column 4: the tag !!python/object/apply:os.system {REFUSED}',
        ),
        (
            'a: !!python/name:os.system',
            f'line 1, column 4: the tag !!python/name:os.system {REFUSED}',
        ),
        ('a: !own 1', f'line 1, column 4: the tag !own {REFUSED}'),
        (
            'a: !!python/tuple [1]',
            f'line 1, column 4: the tag !!python/tuple {REFUSED}',
        ),
        ('a: 1\nb:\n  c: 1\n  c: 2', 'line 4, column 3: the key `c` appears twice'),
        ('on: 1', 'line 1, column 1: the key on is not text; put it in quotes'),
        ('[a]: 1', 'line 1, column 1: the key [a] is not text; put it in quotes'),
        ('a: !!float fast', "line 1, column 4: 'fast' is not a number"),
        ('a: !!int 5e3', "line 1, column 4: '5e3' is not an integer"),
        ('a: !!bool maybe', "line 1, column 4: 'maybe' is not true or false"),
        ('&a {x: *a}', 'line 1, column 1: found unconstructable recursive node'),
        ('a: [1', "line 1, column 6: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ('a: 1\n---\nb: 1', 'line 2, column 1: expected a single document in the stream, but found another document'),
        ('a: "\x07"', 'character 5 cannot be read: special characters are not allowed'),
        ('[' * 2000, 'the file is nested too deeply'),
    ],
)
def test_what_is_no_plain_yaml_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == sentence


def test_no_tag_runs_anything(tmp_path):
    made = tmp_path / 'made'
    with pytest.raises(InputError):
        parse(f'a: !!python/object/apply:os.mkdir ["{made}"]')
    assert not made.exists()


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (b'- 1', 'an option file is a mapping of keys to values, which this file is not'),
        (b'', 'an option file is a mapping of keys to values, which this file is not'),
        (b'a: 1\na: 2', 'line 2, column 1: the key `a` appears twice'),
    ],
)
def test_a_wrong_file_is_named(tmp_path, content, sentence):
    path = tmp_path / 'x.yml'
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_options(path)
    assert str(caught.value) == f'{path}: {sentence}'


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r'x\.yml: no such option file$'):
        read_options(tmp_path / 'x.yml')
    with pytest.raises(InputError, match='cannot be read as text'):
        read_options(tmp_path)
    (tmp_path / 'latin.yml').write_bytes('name: caf\xe9'.encode('latin-1'))
    with pytest.raises(InputError, match=r'latin\.yml: cannot be read as text'):
        read_options(tmp_path / 'latin.yml')


def test_infinity_is_read_and_left_to_the_schema():
    assert math.isinf(parse('a: .inf')['a'])

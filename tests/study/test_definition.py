"""The study file: what it may say, and how its variants change the base."""

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.study.definition import changed, read_study


def test_a_variant_changes_key_by_key_and_another_type_replaces_its_section():
    base = {'a': {'type': 'One', 'x': 1, 'y': 2}, 'b': {'x': 1, 'y': {'z': 3, 'w': 4}}, 'c': [1, 2]}
    got = changed(base, {'a': {'type': 'Two', 'v': 9}, 'b': {'y': {'z': 5}}, 'c': [3], 'd': {'new': None}})
    expected = {'a': {'type': 'Two', 'v': 9}, 'b': {'x': 1, 'y': {'z': 5, 'w': 4}}, 'c': [3], 'd': {'new': None}}
    assert got == expected
    assert changed(base, {'a': {'type': 'One', 'x': 7}})['a'] == {'type': 'One', 'x': 7, 'y': 2}
    assert base == {'a': {'type': 'One', 'x': 1, 'y': 2}, 'b': {'x': 1, 'y': {'z': 3, 'w': 4}}, 'c': [1, 2]}


def test_the_base_lies_beside_the_study_file_or_in_the_current_folder(study_file, tmp_path, monkeypatch):
    study, options = read_study(study_file())
    assert (study.name, study.seeds, study.reference, list(study.variants)) == (
        'Tiny study', [1, 2], 'uniform', ['rfs', 'uniform'],
    )  # fmt: skip
    assert options['train']['total_iter'] == 30
    file = study_file()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'base.yml').rename(tmp_path / 'elsewhere/base.yml')
    with pytest.raises(InputError, match=r'`base`: there is no file base\.yml, here or beside the study file'):
        read_study(file)
    monkeypatch.chdir(tmp_path / 'elsewhere')
    assert read_study(file)[1] == options


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'seed': [1]}, '`seed`: did you mean `seeds`?'),
        ({'seeds': ...}, '`seeds`: missing'),
        ({'seeds': []}, '`seeds`: '),
        ({'seeds': [1, 2, 1]}, '`seeds`: 1 appears twice'),
        ({'seeds': [-1]}, '`seeds[0]`: -1 should be greater than or equal to 0'),
        ({'seeds': [2**32]}, '`seeds[0]`: 4294967296 should be less than 2147483648'),
        ({'seeds': ['one']}, "`seeds[0]`: 'one' is not a number"),
        ({'reference': 'unifrom'}, "`reference`: 'unifrom' is not a variant; did you mean `uniform`?"),
        ({'reference': 'x'}, "`reference`: 'x' is not a variant; there are rfs, uniform"),
        ({'variants': {}}, '`variants`: '),
        ({'variants': {'a/b': None, 'uniform': None}}, "'a/b' cannot name a folder"),
        ({'variants': {'..': None, 'uniform': None}}, "'..' cannot name a folder"),
        ({'variants': {'debug': None, 'uniform': None}}, 'BasicSR trains otherwise where a name has debug in it'),
        ({'variants': {'rfs': 3, 'uniform': None}}, '`variants.rfs`: 3 is not a mapping of keys to values'),
        ({'name': 'a\nb'}, '`name`: '),
        (
            {'comparisons': [{'says': 'x', 'better': 'rsf', 'than': 'uniform'}]},
            "`comparisons`: 'rsf' is not a variant; did you mean `rfs`?",
        ),
        ({'comparisons': [{'says': 'x', 'better': 'rfs', 'than': 'rfs'}]}, "`comparisons`: 'rfs' is compared with it"),
        ({'comparisons': [{'says': 'x', 'better': 'rfs'}]}, '`comparisons[0].than`: missing'),
        ({'comparisons': [{'says': '', 'better': 'rfs', 'than': 'uniform'}]}, '`comparisons[0].says`: '),
    ],
)
def test_what_is_wrong_is_one_line_with_the_path_to_the_key(study_file, change, sentence):
    file = study_file(**change)
    with pytest.raises(InputError) as caught:
        read_study(file)
    assert str(caught.value).startswith(f'{file}: ')
    assert sentence in str(caught.value)
    assert '\n' not in str(caught.value)

"""Sets that only final networks are tested on."""

import pytest
import yaml

from bsr_plugin.cli import main
from bsr_plugin.errors import InputError
from bsr_plugin.study.collection import Collection
from bsr_plugin.study.folder import CellFolder
from bsr_plugin.study.planning import plan_study
from bsr_plugin.study.record import digest_of
from bsr_plugin.study.running import course_of


@pytest.fixture
def test_set(pictures):
    """A section of a test set."""
    return {
        'name': 'Third',
        'type': 'SRBenchmarkDataset',
        'dataroot_gt': str(pictures / 'HR'),
        'degradation': 'bicubic',
    }


@pytest.fixture
def trained(study_file, tmp_path, results, checkpoint_at):
    """A run without test sets, done, with its final network."""
    folder = CellFolder(tmp_path / 'out', plan_study(study_file()).cells[0])
    folder.write_options()
    results(folder, psnr=31.0)
    folder.mark_done()
    checkpoint_at(folder, 'latest')
    return folder


@pytest.fixture
def again(study_file, tmp_path):
    """The folder of the first run, of a study with these test sets."""

    def make(*sets):
        return CellFolder(tmp_path / 'out', plan_study(study_file(test_sets=list(sets))).cells[0])

    return make


def measure(folder, results, psnr):
    """Goes through the processes that a run needs, and measures what they are to measure; tells their option files."""
    course, files = course_of(folder), []
    try:
        job = next(course)
        while True:
            assert job.phase == 'test'
            files.append(folder.path / job.words[1])
            options = yaml.unsafe_load(files[-1].read_text())
            results(folder, names=[each['name'] for each in options['datasets'].values()], psnr=psnr)
            job = course.send((0, ''))
    except StopIteration:
        return files


def test_a_run_that_is_done_is_tested_and_not_trained(trained, again, test_set, results):
    folder = again(test_set)
    assert digest_of(folder.cell) == digest_of(trained.cell)
    assert not folder.is_changed()
    assert folder.record().means == trained.record().means
    assert (folder.untested(), folder.is_done()) == (['Third'], False)
    (file,) = measure(folder, results, psnr=33.0)
    options = yaml.unsafe_load(file.read_text())
    assert options['datasets'] == {'test_1': test_set}
    assert options['path']['pretrain_network_g'] == str(folder.models / 'net_g_latest.pth')
    assert options['path']['param_key_g'] == 'params_ema'
    assert folder.is_done()
    record = folder.record()
    assert record.tests['Third'].means == {'psnr_y': 33.0, 'ssim_y': 0.9}
    assert record.tests['Third'].images == {'a': {'psnr_y': 33.0, 'ssim_y': 0.9}}
    assert record.means == trained.record().means
    assert measure(folder, results, psnr=0.0) == []


def test_only_what_is_new_or_changed_is_tested(trained, again, test_set, results, pictures):
    measure(again(test_set), results, psnr=33.0)
    another = {**test_set, 'name': 'Fourth'}
    folder = again(test_set, another)
    assert folder.untested() == ['Fourth']
    measure(folder, results, psnr=34.0)
    assert {name: each.means['psnr_y'] for name, each in folder.record().tests.items()} == {'Third': 33, 'Fourth': 34}
    changed = again({**test_set, 'dataroot_gt': str(pictures / 'LR')}, another)
    assert changed.untested() == ['Third']
    assert list(changed.record().tests) == ['Fourth']
    # What the study no longer asks for is kept, and not told.
    assert again(another).record().tests.keys() == {'Fourth'}
    measure(again({**test_set, 'name': 'Fifth'}), results, psnr=35.0)
    assert again(test_set, another).record().tests.keys() == {'Third', 'Fourth'}


def test_a_run_whose_network_is_gone_is_done_without(trained, again, test_set):
    folder = again(test_set)
    (folder.models / 'net_g_latest.pth').unlink()
    assert folder.is_done()
    assert folder.record().tests == {}


def test_a_test_that_leaves_images_out_does_not_count(trained, again, test_set, results):
    folder = again(test_set)
    course = course_of(folder)
    next(course)
    results(folder, names=['Second'])
    with pytest.raises(Exception, match='Third was not measured'):
        course.send((0, ''))
    assert folder.untested() == ['Third']


def test_a_set_that_is_not_there_waits_until_it_is(trained, again, test_set, results, pictures, tmp_path, capsys):
    out = ['--out', str(trained.path.parents[2])]
    folder = again({**test_set, 'dataroot_gt': str(tmp_path / 'later')})
    assert folder.is_done()
    main(['study', str(tmp_path / 'study.yml'), '--list', *out])
    assert f'Skipping Third: folder {tmp_path}/later does not exist.' in capsys.readouterr().out
    (tmp_path / 'later').symlink_to(pictures / 'HR')
    assert folder.untested() == ['Third']
    main(['study', str(tmp_path / 'study.yml'), '--list', *out])
    listed = capsys.readouterr().out
    assert 'left out' not in listed
    assert listed.splitlines()[1].split() == ['rfs', '1', 'to', 'be', 'tested', 'on', 'Third']


def test_figures_are_gathered_when_a_run_that_was_done_is_tested(trained, again, test_set, results, study_file):
    plan = plan_study(study_file(test_sets=[test_set]))
    folder = CellFolder(trained.path.parents[2], plan.cells[0])
    collection = Collection(plan, [folder])
    before = collection.result()
    assert (before.done, before.tests) == (1, None)
    measure(folder, results, psnr=33.0)
    result = collection.result()
    assert result.variants == before.variants
    assert result.tests.variants['rfs']['Third']['psnr_y'].mean == 33.0
    assert (result.tests.done, result.tests.curves, result.tests.reach) == (1, {'rfs': {}, 'uniform': {}}, [])


def test_what_is_wrong_with_a_test_set_is_told_before_anything_begins(study_file, test_set):
    wrong = {
        'Third is the name of datasets.test_3': [test_set, test_set],
        'First is the name of datasets.test_1': [{**test_set, 'name': 'First'}],
        'test_3.name`: missing': [{key: value for key, value in test_set.items() if key != 'name'}],
    }
    for what, sets in wrong.items():
        with pytest.raises(InputError, match='all variants: test_sets: ') as caught:
            plan_study(study_file(test_sets=sets))
        assert what in str(caught.value)

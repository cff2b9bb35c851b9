from pathlib import Path

import pytest

from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.plan import Job, plan, shard_of


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('photos/b.jpg', 'photos/a.PNG', 'photos/deep/er/c.bmp', 'photos/.hidden.png', 'photos/notes.txt'):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b'')
    return Path('photos')


def pairs(jobs):
    return [(str(job.source), str(job.target)) for job in jobs]


def test_folders_keep_their_structure(photos):
    assert pairs(plan(['photos'], Path('out'))) == [
        ('photos/a.PNG', 'out/a.PNG'),
        ('photos/b.jpg', 'out/b.jpg'),
        ('photos/deep/er/c.bmp', 'out/deep/er/c.png'),
    ]


def test_what_lies_in_the_output_folder_is_no_input(photos):
    Path('photos/x2/deep').mkdir(parents=True)
    Path('photos/x2/b.jpg').write_bytes(b'')
    assert len(plan(['photos'], Path('photos/x2'))) == 3


def test_patterns_keep_the_structure_below_their_first_special_character(photos):
    assert pairs(plan(['photos/**/*.bmp'], Path('out'), '.webp')) == [('photos/deep/er/c.bmp', 'out/deep/er/c.webp')]
    assert pairs(plan(['phot?s/*.jpg', 'photos/b.jpg'], Path('out'))) == [('photos/b.jpg', 'out/b.jpg')]


def test_what_lies_in_the_output_folder_is_not_matched(photos):
    for name in ('photos/large/b.jpg', 'photos/large/deep/d.jpg', 'photos/larger/e.jpg'):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b'')
    Path('link').symlink_to('photos')
    expected = ['photos/b.jpg', 'photos/larger/e.jpg']
    for pattern, out in (('photos/**/*.jpg', 'photos/large'), ('photos/**/*.jpg', 'link/large')):
        assert [source for source, _ in pairs(plan([pattern], Path(out)))] == expected
    assert pairs(plan(['photos/*/*.jpg'], Path('photos/large'))) == [
        ('photos/larger/e.jpg', 'photos/large/larger/e.jpg')
    ]
    assert pairs(plan(['photos/large/*.jpg'], Path('out'))) == [('photos/large/b.jpg', 'out/b.jpg')]
    with pytest.raises(InputError, match=r'photos/l\*e/\*\.jpg matches only what is in photos/large: give another'):
        plan(['photos/l*e/*.jpg'], Path('photos/large'))
    for pattern, out in (('*.jpg', '.'), ('large/*.jpg', 'large')):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir('photos')
            with pytest.raises(InputError, match=r'b\.jpg is an input, and would be written over'):
                plan([pattern], Path(out))


def test_an_image_that_links_lead_to_counts_once(photos):
    Path('photos/loop').symlink_to('.')
    Path('photos/alias.jpg').symlink_to('b.jpg')
    assert pairs(plan(['photos/**/*.jpg'], Path('out'))) == [
        ('photos/alias.jpg', 'out/alias.jpg'),
        ('photos/b.jpg', 'out/b.jpg'),
    ]
    assert len(plan(['photos'], Path('out'))) == 4


def test_links_that_lead_to_themselves_end_nothing(photos):
    for link in ('photos/me', 'photos/q.png', 'oo'):
        Path(link).symlink_to(Path(link).name)
    found = pairs(plan(['photos'], Path('out')))
    assert found == [
        ('photos/a.PNG', 'out/a.PNG'), ('photos/b.jpg', 'out/b.jpg'), ('photos/deep/er/c.bmp', 'out/deep/er/c.png'),
        ('photos/q.png', 'out/q.png'),
    ]  # fmt: skip
    assert ('photos/b.jpg', 'oo/b.jpg') in pairs(plan(['photos/*.jpg'], Path('oo')))


def test_names_that_look_like_patterns(photos):
    Path('photos/[1].png').write_bytes(b'')
    assert pairs(plan(['photos/[1].png'], Path('out'))) == [('photos/[1].png', 'out/[1].png')]


def test_a_single_file_goes_to_a_file_or_into_a_folder(photos):
    assert plan(['photos/b.jpg'], Path('big.png')) == [Job(Path('photos/b.jpg'), Path('big.png'))]
    assert plan(['photos/b.jpg'], Path('big.jpeg'), '.jpg') == [Job(Path('photos/b.jpg'), Path('big.jpeg'))]
    assert pairs(plan(['photos/b.jpg'], Path('out.v2'))) == [('photos/b.jpg', 'out.v2/b.jpg')]
    assert pairs(plan(['photos/b.jpg'], Path('out'))) == [('photos/b.jpg', 'out/b.jpg')]
    Path('folder.png').mkdir()
    assert pairs(plan(['photos/b.jpg'], Path('folder.png'))) == [('photos/b.jpg', 'folder.png/b.jpg')]


@pytest.mark.parametrize(
    ('inputs', 'out', 'suffix', 'sentence'),
    [
        (['nowhere'], 'out', None, 'nowhere does not exist'),
        (['photos/*.tif'], 'out', None, r'photos/\*.tif matches no file'),
        (['empty'], 'out', None, 'empty holds no image'),
        (['photos'], 'photos', '.webp', 'photos is an input, and would be full of outputs: give another folder'),
        (['photos'], 'all.jpg', None, 'all.jpg is named like an image, and is for one input file alone: give a folder'),
        (['photos/a.PNG', 'photos/b.jpg'], 'all.jpg', None, 'all.jpg is named like an image'),
        (['photos/b.jpg'], 'b_x2.bmp', None, r'b_x2.bmp ends with \.bmp, which is not written: use \.png, \.jpg'),
        (['photos/b.jpg'], 'b.png', '.webp', r'b.png ends with \.png, and --format is webp: leave one of the two out'),
        (['photos/b.jpg'], 'photos/b.jpg', None, 'photos/b.jpg is an input, and would be written over'),
        (['photos/b.jpg', 'more/b.png'], 'out', '.png', 'would both be written to out/b.png'),
    ],
)
def test_what_cannot_be_meant(photos, inputs, out, suffix, sentence):
    Path('empty').mkdir()
    Path('more').mkdir()
    Path('more/b.png').write_bytes(b'')
    with pytest.raises(InputError, match=sentence):
        plan(inputs, Path(out), suffix)


def test_shards_are_the_whole_and_share_nothing(photos):
    jobs = [Job(Path(str(number)), Path('out', str(number))) for number in range(10)]
    parts = [shard_of(jobs, number, 3) for number in (1, 2, 3)]
    assert sorted((job for part in parts for job in part), key=jobs.index) == jobs
    assert [len(part) for part in parts] == [4, 3, 3]
    with pytest.raises(InputError, match='The shard is 4/3: use i/n'):
        shard_of(jobs, 4, 3)


def test_comparisons_are_written_over_nothing(photos):
    Path('photos/b.jpg_bicubic_BSR.png').write_bytes(b'')
    assert len(plan(['photos'], Path('out'))) == 4
    both = 'photos/b.jpg and photos/b.jpg_bicubic_BSR.png would both be written to out/b.jpg_bicubic_BSR.png'
    with pytest.raises(InputError, match=both):
        plan(['photos'], Path('out'), compare=True)
    Path('a.webp_bicubic_BSR.png').write_bytes(b'')
    words = ['photos/a.PNG', 'a.webp_bicubic_BSR.png']
    assert len(plan(words, Path(), '.webp')) == 2
    with pytest.raises(InputError, match=r'a\.webp_bicubic_BSR\.png is an input, and would be written over'):
        plan(words, Path(), '.webp', compare=True)

import json

import lmdb
import numpy as np
import pytest
from folders import contents

from bsr_plugin import atomic
from bsr_plugin.data.image_file import decode
from bsr_plugin.data.meta_info import digest_of, parse_meta
from bsr_plugin.data.store import LMDBStore
from bsr_plugin.data.store_write import StoreWriter, make_record
from bsr_plugin.errors import InputError

ENCODINGS = ['raw', 'png', 'files']


@pytest.fixture
def images(picture):
    return {f'i{number}': picture(20 + number, 31, number) for number in range(6)}


def writer_for(path, encoding, about='these', pixels=50_000, images=6):
    writer = StoreWriter(path / ('s' if encoding == 'files' else 's.lmdb'), encoding, {'of': about}, pixels, images)
    writer.begin()
    return writer


def write(writer, images, start, end):
    names = sorted(images)
    for at in range(start, end, 2):
        writer.add([make_record(name, images[name], writer._encoding) for name in names[at : min(at + 2, end)]])


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_a_store_appears_only_when_it_is_published(tmp_path, images, encoding):
    writer = writer_for(tmp_path, encoding)
    write(writer, images, 0, 6)
    assert (writer.count, writer.complete, writer.path.exists()) == (6, False, False)
    writer.seal()
    assert not writer.path.exists()
    writer.publish()
    assert writer.complete
    assert [path.name for path in tmp_path.iterdir()] == [writer.path.name]
    again = writer_for(tmp_path, encoding)
    assert (again.count, again.complete) == (6, True)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_what_is_written_in_each_encoding(tmp_path, images, encoding):
    writer = writer_for(tmp_path, encoding)
    write(writer, images, 0, 6)
    writer.seal()
    writer.publish()
    hidden = '.' if encoding == 'files' else ''
    meta = writer.path / f'{hidden}meta_info.txt'
    entries = parse_meta(meta.read_text(), meta)
    assert [entry.key for entry in entries] == sorted(images)
    about = json.loads((writer.path / f'{hidden}store.json').read_text())
    assert about.pop('digest')
    assert about == {
        'made_from': {'version': 2, 'encoding': encoding, 'of': 'these'},
        'left_out': {},
        'listing': digest_of(meta.read_bytes()),
    }
    if encoding == 'files':
        values = {entry.key: (writer.path / f'{entry.key}.png').read_bytes() for entry in entries}
    else:
        with lmdb.open(str(writer.path), readonly=True, lock=False) as environment, environment.begin() as reader:
            values = {entry.key: reader.get(entry.key.encode()) for entry in entries}
    for entry in entries:
        pixels, stored = images[entry.key], values[entry.key]
        assert entry.shape == pixels.shape
        assert entry.digest == digest_of(stored)
        assert entry.level == ('raw' if encoding == 'raw' else '1')
        found = np.frombuffer(stored, np.uint8).reshape(pixels.shape) if encoding == 'raw' else decode(stored, '')
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('stop', [0, 2, 4, 6])
def test_a_store_goes_on_where_it_was(tmp_path, images, encoding, stop):
    whole = writer_for(tmp_path / 'whole', encoding)
    write(whole, images, 0, 6)
    whole.seal()
    whole.publish()
    first = writer_for(tmp_path / 'again', encoding)
    write(first, images, 0, stop)
    second = writer_for(tmp_path / 'again', encoding)
    assert second.count == stop
    write(second, images, stop, 6)
    second.seal()
    second.publish()
    assert contents(second.path) == contents(whole.path)


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('tail', ['i2.png (22,31,3) raw 00\n', 'i2.png (22,', 'i1', 'i2.png (22,31,3) raw 00\ni1'])
def test_what_a_crash_leaves_in_the_journal_does_no_harm(tmp_path, images, encoding, tail):
    whole = writer_for(tmp_path / 'whole', encoding)
    write(whole, images, 0, 6)
    whole.seal()
    whole.publish()
    writer = writer_for(tmp_path / 'again', encoding)
    write(writer, images, 0, 2)
    # Listed but not stored, or cut short, perhaps where it reads like the name of a stored image.
    with (writer.partial / 'journal.txt').open('a') as journal:
        journal.write(tail)
    (writer.partial / f'.i3.png.{atomic.host()}.abc.tmp').write_bytes(b'half an image')
    (writer.partial / f'.pic_w48.idx.{atomic.host()}.abc.tmp').write_bytes(b'half an index')
    second = writer_for(tmp_path / 'again', encoding)
    assert second.count == 2
    write(second, images, 2, 6)
    second.seal()
    second.publish()
    assert contents(second.path) == contents(whole.path)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_a_sealed_store_needs_nothing_but_publishing(tmp_path, images, encoding):
    writer = writer_for(tmp_path, encoding)
    write(writer, images, 0, 6)
    writer.seal()
    expected = contents(writer.partial)
    again = writer_for(tmp_path, encoding)
    assert again.count == 6
    again.seal()
    again.publish()
    assert contents(again.path) == expected


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_a_part_of_another_store_is_begun_anew_and_a_finished_one_is_left_alone(tmp_path, images, encoding):
    writer = writer_for(tmp_path, encoding, 'others')
    write(writer, images, 0, 4)
    anew = writer_for(tmp_path, encoding, 'these')
    assert anew.count == 0
    write(anew, images, 0, 6)
    anew.seal()
    anew.publish()
    before = contents(anew.path)
    with pytest.raises(InputError, match='exists and was made from other images or settings: remove it'):
        writer_for(tmp_path, encoding, 'others')
    assert contents(anew.path) == before


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_discarding_leaves_nothing(tmp_path, images, encoding):
    writer = writer_for(tmp_path, encoding)
    write(writer, images, 0, 4)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('stop', [0, 2, 6, 10])
def test_the_map_grows_as_needed(tmp_path, picture, stop):
    images = {f'i{number}': picture(300, 400, number) for number in range(12)}
    results = []
    for name, interruptions in (('whole', []), ('again', [stop])):
        start = 0
        for end in [*interruptions, 12]:
            # Room for 4 MiB is asked for, 4.3 MB are needed.
            writer = writer_for(tmp_path / name, 'raw', pixels=0, images=0)
            write(writer, images, start, end)
            start = end
        writer.seal()
        writer.publish()
        store = LMDBStore(writer.path)
        for position, image in enumerate(store.names):
            np.testing.assert_array_equal(store.image(position), images[image])
        results.append(contents(writer.path))
    assert results[0] == results[1]
    assert len(results[0]['data.mdb']) > 1 << 22

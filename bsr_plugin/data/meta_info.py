"""``meta_info.txt``: the listing of an image LMDB, as BasicSR has it and with digests."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bsr_plugin.errors import InputError

META_FILE = 'meta_info.txt'
#: What stands in place of the PNG compression level in a raw store's ``meta_info.txt``.
RAW = 'raw'

_META_LINE = re.compile(
    r'(?P<name>.+?) \((?P<height>\d+), ?(?P<width>\d+)(?:, ?(?P<channels>\d+))?\)'
    r' (?P<level>\S+)(?: (?P<digest>[0-9a-f]+))?'
)


@dataclass(frozen=True)
class MetaEntry:
    """One line of an LMDB's ``meta_info.txt``: BasicSR's three fields and, in our stores, a digest.

    Attributes:
        key: Key in the LMDB; ASCII without dots or blanks, see :func:`key_for`.
        shape: Height, width, channels.
        level: PNG compression level, or ``raw``.
        digest: Digest of the stored value, or ``None`` in a store BasicSR made.
    """

    key: str
    shape: tuple[int, int, int]
    level: str
    digest: str | None = None

    def line(self) -> str:
        """The line, without its end."""
        height, width, channels = self.shape
        line = f'{self.key}.png ({height},{width},{channels}) {self.level}'
        return line if self.digest is None else f'{line} {self.digest}'


def read_meta(path: Path) -> list[MetaEntry]:
    """Reads ``meta_info.txt``.

    Raises:
        InputError: It is not UTF-8 text, or a line is not of the form ``name.png (h,w,c) level [digest]``.
    """
    try:
        return parse_meta(path.read_text(encoding='utf-8'), path)
    except UnicodeDecodeError as error:
        raise InputError(f'{path} is not UTF-8 text (byte {error.start}): make the store again.') from error


def parse_meta(text: str, path: Path) -> list[MetaEntry]:
    """Reads the text of a ``meta_info.txt`` that lies at ``path``; see :func:`read_meta`."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _META_LINE.fullmatch(line.strip())
        if not match:
            raise InputError(f'{path}, line {number}, is "{line[:60]}": expected "name.png (h,w,c) level".')
        shape = int(match['height']), int(match['width']), int(match['channels'] or 1)
        entries.append(MetaEntry(match['name'].removesuffix('.png'), shape, match['level'], match['digest']))
    return entries


def key_for(name: str) -> str:
    """The LMDB key of a name: ASCII without dots, blanks or slashes, because the toolbox reads no others.

    ``unquote`` undoes it; ordinary names are their own keys.
    """
    return quote(name, safe='()+,;=@!~').replace('.', '%2E')


def digest_of(*parts: bytes | memoryview) -> str:
    """128-bit digest of the parts, one after the other."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part)
    return state.hexdigest()

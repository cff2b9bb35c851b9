"""``store.json``: what a store was made from, and digests by which damage to its listing and to itself is found."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bsr_plugin.atomic import write_text
from bsr_plugin.data.meta_info import digest_of
from bsr_plugin.errors import InputError

STORE_FILE = 'store.json'


@dataclass(frozen=True)
class Description:
    """What a store was made from.

    Attributes:
        made_from: JSON values; ``sources`` are lists that begin with a file name.
        left_out: File name -> why that image is not in the store.
        listing: Digest of ``meta_info.txt``; empty while the store is being written.
    """

    made_from: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    listing: str = ''

    def fits(self, made_from: dict[str, Any]) -> bool:
        """Whether the store is what these sources and settings give; images left out may be among them or not."""
        kept = [source for source in self.made_from.get('sources', []) if source[0] not in self.left_out]
        return made_from in (self.made_from, {**self.made_from, 'sources': kept})

    def write(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        write_text(path, self._text())

    def _text(self) -> str:
        content = asdict(self)
        digest = digest_of(json.dumps(content, sort_keys=True).encode())
        return json.dumps({**content, 'digest': digest}, indent=1, ensure_ascii=False, sort_keys=True) + '\n'


def read_description(path: Path) -> Description:
    """Reads ``store.json``.

    Raises:
        InputError: It is missing, damaged in any byte, or written by another version.
    """
    try:
        text = path.read_text(encoding='utf-8')
        content = json.loads(text)
        content.pop('digest')
        description = Description(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f'{path} is damaged or of an earlier version: remove the store and run bsr prepare again.'
        ) from error
    if description._text() != text:
        raise InputError(f'{path} is damaged: remove the store and run bsr prepare again.')
    return description

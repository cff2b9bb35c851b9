"""An HR store and the LR store that belongs to it, checked against each other once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bsr_plugin.data.pic_index_of import Store
from bsr_plugin.data.store import open_store
from bsr_plugin.errors import InputError


@dataclass(frozen=True)
class PairedStores:
    """LR/HR pairs in the order of the LR store.

    Attributes:
        hr: The HR images.
        lr: The LR images.
        scale: HR size divided by LR size.
        partners: Position in ``hr`` of the partner of every LR image.
    """

    hr: Store
    lr: Store
    scale: int
    partners: tuple[int, ...]

    @classmethod
    def open(cls, opt: Mapping[str, Any]) -> 'PairedStores':
        """Opens the stores a data set's options name.

        Raises:
            InputError: An option is missing, a store is none, an image has no partner or one of the wrong size.
        """
        for key in ('dataroot_gt', 'dataroot_lq', 'io_backend', 'scale'):
            if opt.get(key) is None:
                raise InputError(f'The data set {opt.get("name", "")} lacks the option {key}.')
        backend, scale = opt['io_backend'].get('type'), int(opt['scale'])
        hr, lr = open_store(opt['dataroot_gt'], backend), open_store(opt['dataroot_lq'], backend)
        template = str(opt.get('filename_tmpl') or '{}')
        partners = _match(hr, lr, template)
        sizes = np.asarray(hr.sizes)[list(partners)]
        wrong = np.flatnonzero((sizes != np.asarray(lr.sizes) * scale).any(axis=1))
        if wrong.size:
            first = int(wrong[0])
            raise InputError(
                f'{hr.names[partners[first]]} is {_size(sizes[first])} in {hr.path} and {_size(lr.sizes[first])} in '
                f'{lr.path}, which is not 1/{scale} of it ({wrong.size} such pairs): make both with bsr prepare.'
            )
        return cls(hr, lr, scale, partners)

    def __len__(self) -> int:
        return len(self.partners)

    def lr_image(self, position: int) -> NDArray[np.uint8]:
        """(H, W, 3) BGR; may be read-only."""
        return self.lr.image(position)

    def hr_image(self, position: int) -> NDArray[np.uint8]:
        """(scale * H, scale * W, 3) BGR; may be read-only."""
        return self.hr.image(self.partners[position])

    def paths(self, position: int) -> tuple[str, str]:
        """LR and HR path, from which BasicSR takes names for logs and pictures."""
        lr_name, hr_name = self.lr.names[position], self.hr.names[self.partners[position]]
        return f'{self.lr.path}/{lr_name}.png', f'{self.hr.path}/{hr_name}.png'


def _match(hr: Store, lr: Store, template: str) -> tuple[int, ...]:
    if '{}' not in template:
        raise InputError(f"filename_tmpl is '{template}': it must contain {{}}, which stands for the HR name.")
    at = {template.replace('{}', name): position for position, name in enumerate(hr.names)}
    for store, names in ((hr, at), (lr, set(lr.names))):
        if len(names) < len(store.names):
            twice = next(name for name, times in Counter(store.names).items() if times > 1)
            raise InputError(f'{store.path} has several images of the name {twice}: keep one of them.')
    for store, other, lonely in ((lr, hr, set(lr.names) - set(at)), (hr, lr, set(at) - set(lr.names))):
        if lonely:
            first, number = min(lonely), len(lonely)
            raise InputError(f'{store.path} has {first} and {other.path} no image for it ({number} without a partner).')
    return tuple(at[name] for name in lr.names)


def _size(size: NDArray[np.int64]) -> str:
    return f'{int(size[0])}x{int(size[1])}'

"""Batches that are made as a whole and are not copied again when the loader collates their samples."""

from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate

# Where the documentation of ``default_collate`` says to register a type of one's own.
from torch.utils.data._utils.collate import default_collate_fn_map

from bsr_plugin.data.uint8_images import UInt8Images

Images = Tensor | UInt8Images
#: Key -> the whole batch, and its rows.
Wholes = Mapping[str, tuple[Images, Sequence[Any]]]


class Patch(dict[str, Any]):
    """A training sample: a dictionary like any other, whose type has the loader collate it with ``collate_patches``.

    ``wholes`` are the batches that entries of it are rows of.
    """

    def __init__(self, sample: Mapping[str, Any], wholes: Wholes):
        super().__init__(sample)
        self.wholes = wholes

    def __reduce__(self) -> tuple[Any, ...]:
        # On its way to another process a patch leaves the others of its batch behind.
        return dict, (dict(self),)


def patches_of(
    tensors: Mapping[str, Images],
    values: Mapping[str, Sequence[Any]],
    numbers: Mapping[str, NDArray[Any]] | None = None,
) -> list[Patch]:
    """The samples of a batch, by key: views of the rows of ``tensors``, N ``values``, and ``numbers`` one by one.

    The numbers, arrays of length N, are Python's in a sample, and one tensor in a batch.
    """
    wholes: dict[str, tuple[Images, Sequence[Any]]] = {key: (whole, whole.unbind()) for key, whole in tensors.items()}
    wholes |= {key: (torch.from_numpy(array), array.tolist()) for key, array in (numbers or {}).items()}
    keys = (*wholes, *values)
    rows = zip(*(rows for _, rows in wholes.values()), *values.values(), strict=True)
    return [Patch(dict(zip(keys, row, strict=True)), wholes) for row in rows]


def collate_patches(patches: Sequence[Patch], *, collate_fn_map: Mapping[Any, Any] | None = None) -> dict[str, Any]:
    """What ``default_collate`` gives for dictionaries; what is a batch already is not made again."""
    batch = {}
    for key in patches[0]:
        values = [patch[key] for patch in patches]
        whole, rows = patches[0].wholes.get(key, (None, ()))
        is_whole = len(values) == len(rows) and all(map(is_, values, rows))
        batch[key] = whole if is_whole else default_collate(values)
    return batch


default_collate_fn_map[Patch] = collate_patches

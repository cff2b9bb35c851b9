"""Where the data sets of the paper come from, and where their images go (section IV-A)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bsr_plugin.errors import InputError

_DIV2K = 'http://data.vision.ee.ethz.ch/cvl/DIV2K'
_EDSR = 'https://cv.snu.ac.kr/research/EDSR'


@dataclass(frozen=True)
class Folder:
    """A folder of images in an archive.

    Attributes:
        inside: Its path in the archive.
        target: Where its images go, below the folder of all data sets.
        scale: Factor of LR images; ``None`` for HR images.
        suffix: What is taken off the end of every image's name, so that LR and HR images have the same.
    """

    inside: str
    target: str
    scale: int | None = None
    suffix: str = ''


@dataclass(frozen=True)
class Archive:
    """A file to download, its MD5 sum in hexadecimal, and the folders to unpack from it."""

    url: str
    md5: str
    folders: tuple[Folder, ...]

    @property
    def name(self) -> str:
        """Its file name."""
        return self.url.rpartition('/')[2]


def _div2k(inside: str, md5: str, scale: int | None = None, target: str | None = None) -> Archive:
    """An archive of DIV2K, which is named as its only folder."""
    url = f'{_DIV2K}/{inside.replace("/", "_")}.zip'
    return Archive(url, md5, (Folder(inside, f'DIV2K/{target or inside}', scale),))


def _benchmark(name: str, inside: str) -> tuple[Archive, ...]:
    hr = Folder(f'benchmark/{inside}/HR', f'{name}/GTmod12')
    lr = (
        Folder(f'benchmark/{inside}/LR_bicubic/X{scale}', f'{name}/LRbicx{scale}', scale, f'x{scale}')
        for scale in (2, 3, 4)
    )
    return (Archive(f'{_EDSR}/benchmark.tar', '4ace41d33c2384b97e6b320cd0afd6ba', (hr, *lr)),)


def _flickr2k(folder: str, scale: int | None = None) -> Folder:
    return Folder(f'Flickr2K/Flickr2K_{folder}', f'Flickr2K/Flickr2K_{folder}', scale)


_DIV2K_HR = (
    _div2k('DIV2K_train_HR', 'bdc2d9338d4e574fe81bf7d158758658'),
    _div2k('DIV2K_valid_HR', '9fcdda83005c5e5997799b69f955ff88'),
)

#: Data set -> the archives it is made of. Addresses and sums are those that the torchsr package lists.
SOURCES: dict[str, tuple[Archive, ...]] = {
    'DIV2K': (
        *_DIV2K_HR,
        _div2k('DIV2K_train_LR_bicubic/X2', '9a637d2ef4db0d0a81182be37fb00692', 2),
        _div2k('DIV2K_train_LR_bicubic/X3', 'ad80b9fe40c049a07a8a6c51bfab3b6d', 3),
        _div2k('DIV2K_train_LR_bicubic/X4', '76c43ec4155851901ebbe8339846d93d', 4),
        _div2k('DIV2K_train_LR_x8', '613db1b855721b3d2b26f4194a1d22a6', 8, 'DIV2K_train_LR_bicubic/X8'),
        _div2k('DIV2K_valid_LR_bicubic/X2', '1512c9a3f7bde2a1a21a73044e46b9cb', 2),
        _div2k('DIV2K_valid_LR_bicubic/X3', '18b1d310f9f88c13618c287927b29898', 3),
        _div2k('DIV2K_valid_LR_bicubic/X4', '21962de700c8d368c6ff83314480eff0', 4),
        _div2k('DIV2K_valid_LR_x8', 'c5aeea2004e297e9ff3abfbe143576a5', 8, 'DIV2K_valid_LR_bicubic/X8'),
    ),
    'DIV2K-unknown': (
        *_DIV2K_HR,
        _div2k('DIV2K_train_LR_unknown/X2', '1396d023072c9aaeb999c28b81315233', 2),
        _div2k('DIV2K_train_LR_unknown/X3', '4e651308aaa54d917fb1264395b7f6fa', 3),
        _div2k('DIV2K_train_LR_unknown/X4', 'e3c7febb1b3f78bd30f9ba15fe8e3956', 4),
        _div2k('DIV2K_valid_LR_unknown/X2', 'd319bd9033573d21de5395e6454f34f8', 2),
        _div2k('DIV2K_valid_LR_unknown/X3', '05184168e3608b5c539fbfb46bcade4f', 3),
        _div2k('DIV2K_valid_LR_unknown/X4', '8ac3413102bb3d0adc67012efb8a6c94', 4),
    ),
    'Flickr2K': (
        Archive(
            f'{_EDSR}/Flickr2K.tar',
            '5d3f39443d5e9489bff8963f8f26cb03',
            (
                _flickr2k('HR'),
                *(_flickr2k(f'LR_{track}/X{scale}', scale) for track in ('bicubic', 'unknown') for scale in (2, 3, 4)),
            ),
        ),
    ),
    'Set5': _benchmark('Set5', 'Set5'),
    'Set14': _benchmark('Set14', 'Set14'),
    'BSD100': _benchmark('BSD100', 'B100'),
    'Urban100': _benchmark('Urban100', 'Urban100'),
}

_MANGA109 = (
    'Manga109 is given out by its owners alone: ask for it at http://www.manga109.org and put the 109 PNG images '
    'of the paper into datasets/Manga109/GTmod12 (datasets/README.md says more).'
)


def set_with(folder: Path) -> str | None:
    """The data set whose images ``bsr download`` puts into a folder, by the end of its path; ``None`` if none does."""
    for name, archives in SOURCES.items():
        targets = {PurePosixPath(place.target).parts for archive in archives for place in archive.folders}
        if any(folder.parts[-len(target) :] == target for target in targets):
            return name
    return None


def archives_of(name: str, scales: Sequence[int] | None = None) -> list[Archive]:
    """The archives of a data set, with the folders that are wanted.

    Args:
        name: Name of the data set; upper and lower case do not matter.
        scales: Scales of the LR images; none of them if empty, all if ``None``. HR images are always wanted.

    Raises:
        InputError: There is no such data set to download, or it has no LR images of a scale.
    """
    if name.lower() == 'manga109':
        raise InputError(_MANGA109)
    known = next((source for source in SOURCES if source.lower() == name.lower()), None)
    if known is None:
        raise InputError(f"There is no data set '{name}': use {', '.join(SOURCES)}.")
    offered = {folder.scale for archive in SOURCES[known] for folder in archive.folders if folder.scale}
    for scale in scales or ():
        if scale not in offered:
            raise InputError(
                f'{known} has no LR images of scale {scale}: it has {", ".join(map(str, sorted(offered)))}.'
            )
    wanted = {None, *(offered if scales is None else scales)}
    chosen = (
        replace(archive, folders=tuple(folder for folder in archive.folders if folder.scale in wanted))
        for archive in SOURCES[known]
    )
    return [archive for archive in chosen if archive.folders]

"""Which file becomes which: files, folders and patterns to pairs of an input and an output."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bsr_plugin.data.image_file import is_image
from bsr_plugin.errors import InputError
from bsr_plugin.upscaling.settings import SUFFIXES

#: Endings that are taken for images in folders, beside those of training images.
_FURTHER = ('.avif', '.heic', '.heif')
#: Two endings of one format.
_SAME = {'.jpeg': '.jpg', '.tiff': '.tif'}


@dataclass(frozen=True)
class Job:
    """An image file and the file that its upscaled image goes to."""

    source: Path
    target: Path


def plan(inputs: Sequence[str], out: Path, suffix: str | None = None, compare: bool = False) -> list[Job]:
    """Pairs all inputs with outputs, sorted by their names.

    A folder stands for the images in it and below, whose places are kept under ``out``; a pattern such as
    ``photos/**/*.jpg`` for what it matches, with the places from its first special character on. Hidden files and what
    lies in ``out`` are left out. Links to folders are followed in patterns, where each image counts once, and not in
    folders. A single file goes to ``out`` itself where that is named like an image.

    Args:
        inputs: Files, folders and patterns.
        out: Folder of the outputs, or the output file of a single input file.
        suffix: Ending of the outputs; by default that of the input, or ``.png`` where that format is not written.
        compare: Whether each output gets a comparison beside it.

    Raises:
        InputError: An input is not there or holds no image, or an output would be written twice, or over an input, or
            ``out`` is named like an image and cannot be one.
    """
    files, is_file = list(inputs), _is_named_like_image(out) and not out.is_dir()
    if is_file and len(files) == 1 and Path(files[0]).is_file():
        _check_ending(out, suffix)
        jobs = [Job(Path(files[0]), out)]
    else:
        found = {path: place for word in files for path, place in _images(word, out)}
        if is_file:
            raise InputError(f'{out} is named like an image, and is for one input file alone: give a folder with -o.')
        jobs = [Job(path, out / _renamed(found[path], suffix)) for path in sorted(found)]
    _check_apart(jobs, compare)
    return jobs


def _is_named_like_image(path: Path) -> bool:
    return is_image(path) or path.suffix.lower() in (*SUFFIXES, *_FURTHER)


def _check_ending(out: Path, suffix: str | None) -> None:
    ending = out.suffix.lower()
    if ending not in SUFFIXES:
        raise InputError(f'{out} ends with {ending}, which is not written: use {", ".join(SUFFIXES)}.')
    if suffix is not None and _SAME.get(suffix, suffix) != _SAME.get(ending, ending):
        raise InputError(f'{out} ends with {ending}, and --format is {suffix[1:]}: leave one of the two out.')


def _images(word: str, out: Path) -> Iterator[tuple[Path, Path]]:
    """Images that a word stands for, with their places under the output folder."""
    path = Path(word)
    if path.is_dir():
        if _real(path) == _real(out):
            raise InputError(f'{path} is an input, and would be full of outputs: give another folder with -o.')
        found = [(file, file.relative_to(path)) for file in _below(path, out)]
        if not found:
            raise InputError(f'{path} holds no image: give a folder with PNG, JPEG, TIFF or WebP files.')
        yield from found
    elif path.exists() or not glob.has_magic(word):
        if not path.exists():
            raise InputError(f'{path} does not exist: give image files, folders or patterns.')
        yield path, Path(path.name)
    else:
        root = _fixed_part(word)
        yield from ((match, match.relative_to(root)) for match in _matches(word, root, out))


def _matches(pattern: str, root: Path, out: Path) -> list[Path]:
    """Files that a pattern matches, but for those in the output folder where that is below the pattern's ``root``."""
    found = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns too
    # By links to folders an image may be found any number of times: the shortest way to it counts.
    ways = {_real(match.parent) / match.name: match for match in sorted(found, key=_length, reverse=True)}
    matches = [match for match in ways.values() if match.is_file()]
    if not matches:
        raise InputError(f'{pattern} matches no file: correct the pattern.')
    inside = _real(out)
    if _real(root) in inside.parents:
        matches = [match for match in matches if inside not in _real(match.parent / 'file').parents]
    if not matches:
        raise InputError(f'{pattern} matches only what is in {out}: give another folder with -o, or another pattern.')
    return matches


def _real(path: Path) -> Path:
    """Without links, as far as there are none that lead to themselves."""
    return Path(os.path.realpath(path))  # before Python 3.13, Path.resolve raises at those


def _length(path: Path) -> tuple[int, Path]:
    return len(path.parts), path


def _below(folder: Path, out: Path) -> Iterator[Path]:
    inside = _real(out)
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith('.') or _real(entry) == inside:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _below(entry, out)
        elif is_image(entry) or entry.suffix.lower() in _FURTHER:
            yield entry


def _fixed_part(pattern: str) -> Path:
    """The folder above the first part of a pattern that has a special character."""
    parts = Path(pattern).parts
    magic = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:magic])


def _renamed(place: Path, suffix: str | None) -> Path:
    if suffix is None:
        suffix = place.suffix if place.suffix.lower() in SUFFIXES else '.png'
    return place.with_suffix(suffix)


def comparison_path(target: Path) -> Path:
    """Where the comparison for an output is: ``x.jpg_bicubic_BSR.png`` for ``x.jpg``, beside which ``x.png`` may be."""
    return target.with_name(f'{target.name}_bicubic_BSR.png')


def _check_apart(jobs: Iterable[Job], compare: bool) -> None:
    sources = {_real(job.source): job.source for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        for path in (job.target, comparison_path(job.target)) if compare else (job.target,):
            target = _real(path)
            if target in sources:
                raise InputError(f'{path} is an input, and would be written over: give another folder with -o.')
            if target in taken:
                raise InputError(
                    f'{taken[target]} and {job.source} would both be written to {path}: upscale them into folders of '
                    'their own.'
                )
            taken[target] = job.source


def shard_of(jobs: Sequence[Job], number: int, total: int) -> list[Job]:
    """Every ``total``-th job, from the ``number``-th on, counted from 1.

    Raises:
        InputError: ``number`` is not between 1 and ``total``.
    """
    if not 1 <= number <= total:
        raise InputError(f'The shard is {number}/{total}: use i/n with i from 1 to n.')
    return list(jobs[number - 1 :: total])

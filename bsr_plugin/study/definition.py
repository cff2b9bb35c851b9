"""The study file: which variants of an option file are trained with which seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from bsr_plugin.errors import InputError
from bsr_plugin.options.loader import read_options
from bsr_plugin.options.section import Section, problem_at
from bsr_plugin.options.values import PathComponent, Whole
from bsr_plugin.options.wording import line, perhaps, shown

#: NumPy's global generator, which the toolbox seeds, takes 32 bits.
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]


class Study(Section):
    """A study file."""

    name: PathComponent
    """Name of the study, the heading of its page."""
    base: str
    """Option file of a training, relative to the study file or to the current folder."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """One training of every variant for each: its `manual_seed`."""
    reference: str
    """The variant that the others are compared with."""
    variants: Annotated[dict[PathComponent, dict[str, Any] | None], Field(min_length=1)]
    """Name of a variant -> options that take the place of those in `base`; ~ changes nothing."""

    def refusal(self) -> str:
        """What the values say about each other."""
        if self.reference not in self.variants:
            known = f'; there are {", ".join(self.variants)}'
            raise problem_at(
                'reference',
                f'{shown(self.reference)} is not a variant{perhaps(self.reference, self.variants) or known}',
            )
        repeated = [seed for seed in self.seeds if self.seeds.count(seed) > 1]
        if repeated:
            raise problem_at('seeds', f'{repeated[0]} appears twice')
        for name in self.variants:
            if 'debug' in name:
                raise problem_at('variants', f'{shown(name)}: BasicSR trains otherwise where a name has debug in it')
        return ''


def read_study(path: Path) -> tuple[Study, dict[str, Any]]:
    """Reads a study file and its base.

    Returns:
        The study, and the options of its base.

    Raises:
        InputError: One line for each problem, beginning with the file and the dotted path to the key.
    """
    content = read_options(path)
    try:
        study = Study.model_validate(content)
    except ValidationError as error:
        problems = [line(each['loc'], each['msg']) for each in error.errors(include_url=False)]
        raise InputError('\n'.join(f'{path}: {problem}' for problem in problems)) from None
    places = [path.parent / study.base, Path(study.base)]
    base = next((place for place in places if place.is_file()), None)
    if base is None:
        raise InputError(f'{path}: {line(["base"], f"there is no file {study.base}, here or beside the study file")}')
    return study, read_options(base)


def changed(options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Options with changes, key by key; a section that names another ``type`` takes the place of the whole section.

    Args:
        options: They are left as they are.
        changes: Nested options.
    """
    if changes.get('type', options.get('type')) != options.get('type'):
        return dict(changes)
    result = dict(options)
    for key, value in changes.items():
        before = options.get(key)
        nested = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[key] = changed(before, value) if nested else value  # type: ignore[arg-type]
    return result

"""The study file: which variants of an option file are trained with which seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from bsr_plugin.errors import InputError
from bsr_plugin.options.loader import read_options
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import PathComponent, Positive, Seed
from bsr_plugin.schema.wording import line, lines, perhaps, shown


class Comparison(Section):
    """A claim, and the two variants that tell whether it holds."""

    says: Annotated[str, Field(min_length=1)]
    """The claim in one sentence, with the figure that was published for it."""
    better: str
    """The variant that the claim says is better."""
    than: str
    """The variant that it is compared with."""


class Study(Section):
    """A study file."""

    name: PathComponent
    """Name of the study, the heading of its page."""
    base: str
    """Option file of a training, relative to the study file or to the current folder."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """One training of every variant for each: its `manual_seed`."""
    variants: Annotated[dict[PathComponent, dict[str, Any] | None], Field(min_length=1)]
    """Name of a variant -> options that take the place of those in `base`; ~ changes nothing."""
    reference: str
    """The variant that the others are compared with."""
    seconds: Positive | None = None
    """Seconds of training for every run, in place of `train.total_iter`: each variant is timed first, and gets the
    iterations that fit. What the base counts in iterations keeps its share; validations are at the quarters."""
    test_sets: Annotated[list[dict[str, Any]], Field(default_factory=list)]
    """Data sets, each with its `name`, that nothing is chosen by: final networks are tested on them, also those of runs
    that are done, and their figures stand apart from those of the validation sets."""
    comparisons: Annotated[list[Comparison], Field(default_factory=list)]
    """Claims that the study tells of, each with a sentence; what a run does is not changed by them."""

    @field_validator('seeds')
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        repeated = [seed for seed in seeds if seeds.count(seed) > 1]
        if repeated:
            raise InputError(f'{repeated[0]} appears twice')
        return seeds

    @field_validator('variants')
    @classmethod
    def _not_for_debugging(cls, variants: dict[str, Any]) -> dict[str, Any]:
        for name in variants:
            if 'debug' in name:
                raise InputError(f'{shown(name)}: BasicSR trains otherwise where a name has debug in it')
        return variants

    @field_validator('reference')
    @classmethod
    def _is_a_variant(cls, reference: str, info: ValidationInfo) -> str:
        _check_variant(reference, info.data.get('variants', {reference: None}))
        return reference

    @field_validator('comparisons')
    @classmethod
    def _are_of_two_variants(cls, comparisons: list[Comparison], info: ValidationInfo) -> list[Comparison]:
        for each in comparisons if 'variants' in info.data else ():
            for name in (each.better, each.than):
                _check_variant(name, info.data['variants'])
            if each.better == each.than:
                raise InputError(f'{shown(each.better)} is compared with itself')
        return comparisons


def _check_variant(name: str, variants: Mapping[str, Any]) -> None:
    if name not in variants:
        known = perhaps(name, variants) or f'; there are {", ".join(variants)}'
        raise InputError(f'{shown(name)} is not a variant{known}')


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
        raise InputError('\n'.join(f'{path}: {problem}' for problem in lines(error))) from None
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

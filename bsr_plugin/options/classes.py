"""Sections whose ``type`` names a class that takes its options as arguments: its signature is the schema.

Names and defaults come from the signature; types and descriptions from the annotations and the docstring of the
plugin's own classes, and from the table below for BasicSR's and torch's. What values may be is for the class to say:
the plugin's own, optimizers, schedulers and some of BasicSR's are made with them, on torch's meta device, which has no
memory to fill.
"""

import inspect
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import torch
from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from bsr_plugin.errors import InputError
from bsr_plugin.options import registered
from bsr_plugin.options.registered import Kind
from bsr_plugin.schema.section import Section
from bsr_plugin.schema.values import Count, CountOrZero, Fraction, NotNegative, Positive, Real, Whole

#: Annotations of the plugin's own classes, and what an option file may give for them.
_IN_A_FILE: Mapping[Any, Any] = {
    int: Whole,
    float: Real,
    float | Sequence[float]: Annotated[Any, WithJsonSchema(TypeAdapter(float | list[float]).json_schema())],
}

_WEIGHTS = list[Positive], 'Factor of the initial learning rate after each restart: one number for each.'
#: Type and description of arguments that are not annotated.
_ARGUMENTS: Mapping[Kind, Mapping[str, tuple[Any, str]]] = {
    'optimizer': {
        'lr': (Positive, 'Initial learning rate.'),
        'betas': (
            Annotated[list[Fraction], Field(min_length=2, max_length=2)],
            'Decay rates of the running averages of the gradient and of its square.',
        ),
        'eps': (Positive, 'Term added to the denominator for numerical stability.'),
        'weight_decay': (NotNegative, 'Weight decay (L2 penalty).'),
        'amsgrad': (bool, 'Whether to use the AMSGrad variant.'),
    },
    'scheduler': {
        'milestones': (list[CountOrZero], 'Iterations at which the learning rate is multiplied by `gamma`.'),
        'gamma': (Positive, 'Multiplicative factor of learning rate decay.'),
        'restarts': (list[CountOrZero], 'Iterations at which the schedule restarts.'),
        'restart_weights': _WEIGHTS,
        'periods': (
            Annotated[list[Count], Field(min_length=1)],
            'Iterations of each cosine annealing cycle; together at least `total_iter`.',
        ),
        'eta_min': (NotNegative, 'Minimum learning rate.'),
    },
    'loss': {'loss_weight': (Real, 'Factor of the loss in the objective.')},
    'metric': {
        'crop_border': (CountOrZero, 'Pixels cropped from each edge; the published protocol crops `scale`.'),
        'input_order': (Literal['HWC', 'CHW'], "Order of the axes; BasicSR's models pass HWC."),
        'test_y_channel': (bool, 'Whether to compare the Y channel of YCbCr, as published tables do, or RGB.'),
    },
}
#: Losses of BasicSR that load no network, and networks of its that can be made on the meta device.
_TRIED = ('L1Loss', 'MSELoss', 'CharbonnierLoss', 'WeightedTVLoss', 'EDSR', 'MSRResNet', 'RCAN', 'RRDBNet')


class Arguments(Section):
    """The options of a class; the fields are those arguments whose type is known."""

    kind: ClassVar[Kind]
    target: ClassVar[Callable[..., Any]]
    type: str

    @classmethod
    def known(cls, given: Mapping[str, Any]) -> Collection[str]:
        """The fields and all other arguments."""
        return {**cls.model_fields, **registered.arguments(cls.target, cls.kind)}

    @model_validator(mode='after')
    def _are_taken(self) -> 'Arguments':
        if self.kind in ('optimizer', 'scheduler') or _is_own(self.target) or self.type in _TRIED:
            _try(self.kind, self.type, json.dumps(self.model_dump(exclude_unset=True, exclude={'type'})))
        return self


@cache
def section_of(kind: Kind, name: str) -> type[Arguments]:
    """The section class of a registered class.

    Args:
        kind: ``network``, ``loss``, ``metric``, ``optimizer``, ``scheduler`` or ``backend``.
        name: Its name, which is registered.
    """
    target = registered.find(kind, name)
    own = _is_own(target)
    types, descriptions = (get_type_hints(target.__init__), _descriptions(target)) if own else ({}, {})  # type: ignore[misc]
    fields: dict[str, Any] = {'type': (Literal[name], Field(description=f'The {kind}.'))}
    for key, argument in registered.arguments(target, kind).items():
        if own:
            kind_of_value, text = _IN_A_FILE.get(types[key], types[key]), descriptions.get(key, '')
        elif key in _ARGUMENTS.get(kind, {}):
            kind_of_value, text = _ARGUMENTS[kind][key]
        elif argument.default is argument.empty:
            kind_of_value, text = Any, ''
        else:
            continue
        # The toolbox takes the learning rate from the options whatever the optimizer's default.
        default = ... if argument.default is argument.empty or key == 'lr' else argument.default
        fields[key] = kind_of_value, Field(default, description=text)
    if kind == 'metric':
        fields['better'] = Literal['higher', 'lower'], Field('higher', description='Which values are the better ones.')
    section = create_model(name, __base__=Arguments, __doc__=str(inspect.getdoc(target)).partition('\n\n')[0], **fields)
    section.kind, section.target, section.open = kind, target, registered.takes_any(target)
    return section


@dataclass(frozen=True, eq=False)
class ByType:
    """Validates a mapping by the section class of its ``type``, and describes it so in a JSON schema.

    Args:
        kind: What ``type`` is the registered name of.
        other: Section class of types that are not declared; without it they are what their signature says.
        declared: Section classes of types that are declared key by key.
    """

    kind: Kind
    other: type[Section] | None
    declared: Mapping[str, type[Section]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        typed = create_model(self.kind, type=(Annotated[str, registered.check_name(self.kind)], ...))

        def validate(value: Any) -> Section:
            name = typed.model_validate(value).type  # type: ignore[attr-defined]
            return self._section(name).model_validate(value)

        return no_info_before_validator_function(validate, handler(source))

    def _section(self, name: str) -> type[Section]:
        return self.declared.get(name) or self.other or section_of(self.kind, name)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """One branch for each registered type; other packages may register more, but for the kinds of torch's."""
        # The toolbox also finds NAME_basicsr under NAME.
        names = sorted({*(name.removesuffix('_basicsr') for name in registered.names(self.kind)), *self.declared})
        types: dict[str, Any] = {'enum': names}
        if self.kind in ('network', 'loss', 'metric', 'data set'):
            types = {'anyOf': [types, {'type': 'string'}]}
        described = {'description': f'Registered name of the {self.kind}.', **types}
        branches = [
            {
                'if': {'properties': {'type': {'const': name}}, 'required': ['type']},
                'then': handler(self._section(name).__pydantic_core_schema__),
            }
            for name in names
        ]
        return {'type': 'object', 'properties': {'type': described}, 'required': ['type'], 'allOf': branches}


def by_type(kind: Kind, other: type[Section] | None = None, **declared: type[Section]) -> ByType:
    """Annotates a section whose class goes by its ``type``; the arguments are those of ``ByType``."""
    return ByType(kind, other, declared)


@cache
def _try(kind: Kind, name: str, given: str) -> None:
    """Makes the object, to hear what the class says to these values."""
    target, values = registered.find(kind, name), json.loads(given)
    weights = [torch.nn.Parameter(torch.zeros(1))]
    first: Mapping[str, list[Any]] = {'optimizer': [weights], 'scheduler': [torch.optim.SGD(weights, 1.0)]}
    try:
        with torch.device('meta'):
            target(*first.get(kind, ()), **values)
    except InputError:
        raise
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f'{target.__name__} does not take these values: {error}') from error


def _is_own(target: Callable[..., Any]) -> bool:
    return target.__module__.startswith('bsr_plugin.')


def _descriptions(target: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each argument, in the order of the docstring."""
    section = (inspect.getdoc(target) or '').partition('\nArgs:\n')[2].partition('\n\n')[0]
    entries = re.findall(r'^    (\w+)[^:\n]*: (.*(?:\n {8}.*)*)', section, re.MULTILINE)
    return {key: ' '.join(text.split()).replace('``', '`') for key, text in entries}


Network = Annotated[Section, by_type('network')]
Loss = Annotated[Section, by_type('loss')]
Metric = Annotated[Section, by_type('metric')]
Optimizer = Annotated[Section, by_type('optimizer')]
Scheduler = Annotated[Section, by_type('scheduler')]
Backend = Annotated[Section, by_type('backend')]

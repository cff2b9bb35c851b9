"""Sections whose ``type`` names a class that takes its options as arguments: its signature is the schema.

Names and defaults come from the signature; types and descriptions from the annotations and the docstring of the
plugin's own classes, and from the table below for BasicSR's and torch's. What values may be is for the class to say:
the plugin's own, optimizers and schedulers are made with them, on torch's meta device, which has no memory to fill.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args, get_type_hints

import torch
from pydantic import BeforeValidator, Field, SkipValidation, ValidationInfo, create_model

from bsr_plugin.errors import InputError
from bsr_plugin.options import registered
from bsr_plugin.options.registered import Kind
from bsr_plugin.options.section import Section, problem, problem_at
from bsr_plugin.options.values import Count, CountOrZero, Fraction, NotNegative, Positive, Real, Whole
from bsr_plugin.options.wording import perhaps, shown

#: Annotations of the plugin's own classes, and what an option file may give for them.
_IN_A_FILE: Mapping[Any, Any] = {
    int: Whole,
    float: Real,
    float | Sequence[float]: Annotated[float | list[float], SkipValidation],
}

_WEIGHTS = list[Positive], 'Factor of the first learning rate in each period, or at each restart: one number for each.'
#: Type and description of arguments that are not annotated.
_ARGUMENTS: Mapping[Kind, Mapping[str, tuple[Any, str]]] = {
    'optimizer': {
        'lr': (Positive, 'Learning rate at the start.'),
        'betas': (
            Annotated[list[Fraction], Field(min_length=2, max_length=2)],
            'Decay rates of the running means of the gradient and of its square.',
        ),
        'eps': (Positive, 'Added to the denominator.'),
        'weight_decay': (NotNegative, 'L2 penalty on the weights.'),
        'amsgrad': (bool, 'Whether the largest mean of squares so far is used.'),
    },
    'scheduler': {
        'milestones': (list[CountOrZero], 'Iterations at which the learning rate is multiplied by `gamma`.'),
        'gamma': (Positive, 'Factor at every milestone.'),
        'restarts': (list[CountOrZero], 'Iterations at which the learning rate starts again.'),
        'restart_weights': _WEIGHTS,
        'periods': (
            Annotated[list[Count], Field(min_length=1)],
            'Iterations of each half period of the cosine; together at least `total_iter`.',
        ),
        'eta_min': (NotNegative, 'Learning rate at the end of each period.'),
    },
    'metric': {
        'crop_border': (CountOrZero, 'Pixels left out along every edge; the published protocol leaves out `scale`.'),
        'input_order': (Literal['HWC', 'CHW'], "Order of the axes; BasicSR's models hand over HWC."),
        'test_y_channel': (bool, 'Whether to compare the Y channel of YCbCr, as published tables do, or RGB.'),
    },
}
_BETTER = Literal['higher', 'lower'], Field('higher', description='Which values are the better ones.')


class Arguments(Section):
    """The options of a class; the fields are those arguments whose type is known."""

    kind: ClassVar[Kind]
    target: ClassVar[Callable[..., Any]]

    @classmethod
    def known(cls, value: Mapping[str, Any]) -> list[str]:
        """The fields and all other arguments."""
        return list(dict.fromkeys([*cls.model_fields, *registered.arguments(cls.target, cls.kind)]))

    def refusal(self) -> str:
        """What the class says to these values."""
        if self.kind not in ('optimizer', 'scheduler') and not _is_own(type(self).target):
            return ''
        given = self.model_dump(exclude_unset=True, exclude={'type'})
        return _refusal(type(self).target, self.kind, json.dumps(given))


@cache
def section_of(kind: Kind, name: str) -> type[Arguments]:
    """The section class of a registered class.

    Args:
        kind: ``network``, ``loss``, ``metric``, ``optimizer`` or ``scheduler``.
        name: Its name, which is registered.
    """
    target = registered.find(kind, name)
    assert target is not None, name
    types = get_type_hints(target.__init__) if _is_own(target) else {}  # type: ignore[misc]
    descriptions = _descriptions(target)
    fields: dict[str, Any] = {'type': (Literal[name], Field(description=f'The {kind}.'))}
    for key, argument in registered.arguments(target, kind).items():
        if key in types:
            kind_of_value, text = _IN_A_FILE.get(types[key], types[key]), descriptions.get(key, '')
        elif key in _ARGUMENTS.get(kind, {}):
            kind_of_value, text = _ARGUMENTS[kind][key]
        elif argument.default is argument.empty:
            kind_of_value, text = Any, descriptions.get(key, '')
        else:
            continue
        # The toolbox takes the learning rate from the options whatever the optimizer's default.
        default = ... if argument.default is argument.empty or key == 'lr' else argument.default
        fields[key] = kind_of_value, Field(default, description=text)
    if kind == 'metric':
        fields['better'] = _BETTER
    section = create_model(name, __base__=Arguments, __doc__=str(inspect.getdoc(target)).partition('\n\n')[0], **fields)
    section.kind, section.target, section.open = kind, target, registered.takes_any(target)
    return section


def by_type(kind: Kind, *sections: type[Section], other: type[Section] | None = None) -> BeforeValidator:
    """Validates a mapping by the section class of its ``type``.

    Args:
        kind: What ``type`` is the registered name of.
        sections: Section classes that are declared key by key, each for one type.
        other: Section class of all other types; without it they are what their signature says.
    """
    declared = {get_args(section.model_fields['type'].annotation)[0]: section for section in sections}

    def validate(value: Any, info: ValidationInfo) -> Section:
        name = _type_in(value, kind)
        section = declared.get(name) or other or section_of(kind, name)
        return section.model_validate(value, context=info.context)

    return BeforeValidator(validate)


def _type_in(value: Any, kind: Kind) -> str:
    if not isinstance(value, dict):
        raise problem(f'{shown(value)} is not a mapping of keys to values')
    if 'type' not in value:
        raise problem_at('type', 'missing')
    name = value['type']
    if not isinstance(name, str):
        raise problem_at('type', f'{shown(name)} is not text')
    if registered.find(kind, name) is None:
        known = registered.names(kind)
        if kind == 'optimizer':
            raise problem_at('type', f'the installed BasicSR does not build {shown(name)}, only {", ".join(known)}')
        raise problem_at('type', f'{shown(name)} is not a registered {kind}{perhaps(name, known)}')
    return name


@cache
def _refusal(target: Callable[..., Any], kind: Kind, given: str) -> str:
    values = json.loads(given)
    try:
        with torch.device('meta'):
            weights = [torch.nn.Parameter(torch.zeros(1))]
            if kind == 'optimizer':
                target(weights, **values)
            elif kind == 'scheduler':
                target(torch.optim.SGD(weights, 1.0), **values)
            else:
                target(**values)
    except InputError as error:
        return str(error)
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        return f'{getattr(target, "__name__", kind)} does not take these values: {error}'
    return ''


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

"""The JSON Schema of option files, for editors: the keys, values and meanings that a run checks, from the same schema.

It is a little milder than a run: what must fit together (``contradictions``) and what a class says to its values is
not in it, networks, losses, metrics and data sets of other packages are let through, and so are the files of models
that are neither SRModel nor BSRModel.
"""

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import DEFAULT_REF_TEMPLATE, GenerateJsonSchema
from pydantic_core.core_schema import ModelSchema

from bsr_plugin.options import registered
from bsr_plugin.options.classes import Arguments
from bsr_plugin.options.contradictions import SR_MODELS
from bsr_plugin.options.datasets import EvaluationSet, TestDatasets
from bsr_plugin.options.run import Run, TestRun, TrainingRun
from bsr_plugin.schema.section import Section

#: Marks the schema of a section until it has its place among the definitions.
_SECTION = 'x-section'
DIALECT = 'https://json-schema.org/draft/2020-12/schema'
_HAS_TRAINING_SET = {'properties': {'datasets': {'required': ['train']}}, 'required': ['datasets']}
_TRAINS = {'anyOf': [{'required': ['train']}, _HAS_TRAINING_SET]}
#: What any key may have that belongs to the other phase, left in with nothing said.
_NOTHING = {'type': 'null'}


def json_schema() -> str:
    """The schema as text, in draft 2020-12."""
    runs, definitions = _Generator().generate_definitions(
        [(run, 'validation', run.__pydantic_core_schema__) for run in (TrainingRun, TestRun)]  # type: ignore[list-item]
    )
    training, test = (runs[run, 'validation'] for run in (TrainingRun, TestRun))  # type: ignore[index]
    model_type = {
        'description': _one_line(Run.model_fields['model_type'].description),
        'enum': registered.names('model'),
    }
    sections: dict[str, Any] = {}
    schema = {
        '$schema': DIALECT,
        'title': 'Option file for BasicSR with bsr_plugin',
        'type': 'object',
        'properties': {'model_type': model_type},
        'required': ['model_type'],
        'if': {'properties': {'model_type': {'enum': list(SR_MODELS)}}},
        'then': _hoisted({'if': _TRAINS, 'then': training, 'else': test}, sections),
    }
    for definition in definitions.values():
        _hoisted(definition, sections)
    del sections[Section.__name__]  # what pydantic takes a section of any type for
    return json.dumps({**schema, '$defs': dict(sorted(sections.items()))}, indent=1, ensure_ascii=False) + '\n'


class _Generator(GenerateJsonSchema):
    """Says of every section which other keys it may have, as ``Section`` decides when it reads a file."""

    def __init__(self) -> None:
        super().__init__(by_alias=True, ref_template=DEFAULT_REF_TEMPLATE)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: a title that repeats the key says nothing."""
        return False

    def model_schema(self, schema: ModelSchema) -> dict[str, Any]:
        """The schema of a section."""
        described: dict[str, Any] = super().model_schema(schema)
        section = schema['cls']
        if not issubclass(section, Section):
            return described
        described[_SECTION] = described.pop('title')
        fields = described.get('properties', {})
        if issubclass(section, Arguments):
            fields |= {key: {} for key in registered.arguments(section.target, section.kind) if key not in fields}
        for key in section.adversarial:
            fields.pop(key, None)
        ignored = {'description': 'Ignored; nothing reads it here.', 'deprecated': True}
        described['properties'] = {**fields, **dict.fromkeys(section.unread, ignored)}
        described['additionalProperties'] = True if section.open else _NOTHING
        if issubclass(section, TestDatasets):
            described['patternProperties'] = {f'^({"|".join(section.phases)})(_|$)': self._evaluation_set()}
            described['minProperties'] = 1
        return described

    def _evaluation_set(self) -> dict[str, Any]:
        return self.generate_inner(TypeAdapter(EvaluationSet).core_schema)


def _hoisted(value: Any, sections: dict[str, Any]) -> Any:
    """With a reference in place of every section, which goes to ``sections``, and with descriptions on one line."""
    if isinstance(value, list):
        return [_hoisted(each, sections) for each in value]
    if not isinstance(value, dict):
        return value
    name = value.get(_SECTION)
    result = {
        key: _one_line(each) if key == 'description' and isinstance(each, str) else _hoisted(each, sections)
        for key, each in value.items()
        if key != _SECTION
    }
    if name is None:
        return result
    sections[name] = result
    return {'$ref': f'#/$defs/{name}'}


def _one_line(text: str | None) -> str:
    return ' '.join((text or '').split())

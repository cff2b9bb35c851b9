"""Pages from the templates in this folder, each one file that needs no network."""

import math
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup


def rendered(template: str, **content: Any) -> str:
    """A page as HTML.

    Args:
        template: A template that extends ``frame.html``.
        **content: What it shows: ``title``, ``subtitle``, ``sections`` (anchor -> name), ``warnings``, and its own.
    """
    environment = Environment(loader=FunctionLoader(source), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    css, js = (Markup(source(name)) for name in ('page.css', 'page.js'))
    return environment.get_template(template).render(css=css, js=js, **content)


def source(name: str) -> str:
    """Text of a file in this folder."""
    return files('bsr_plugin.report').joinpath(name).read_text(encoding='utf-8')


def sortable_word(text: str) -> dict[str, str | None]:
    """A cell of a sortable table that is text: it has no value to sort by."""
    return {'text': text, 'value': None}


def sortable_number(value: float | None, text: str) -> dict[str, str | None]:
    """A cell with its text for the eye and the full figure for sorting, which NaN has none of."""
    known = value is not None and not math.isnan(value)
    return {'text': text, 'value': str(value).replace('inf', 'Infinity') if known else ''}

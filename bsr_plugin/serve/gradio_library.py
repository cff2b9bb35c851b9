"""Gradio, imported so that it sends nothing anywhere and keeps its files where they are removed."""

import os
from importlib.util import find_spec
from pathlib import Path

from bsr_plugin.errors import InputError


def check_installed() -> None:
    """Raises ``InputError`` if Gradio is not installed; does not import it, which takes seconds."""
    if find_spec('gradio') is None:
        raise InputError("Gradio is not installed: pip install -e '.[serve]' in the clone.")


def prepare_gradio(folder: Path) -> None:
    """Sets what Gradio reads from the environment; called before it is imported.

    Args:
        folder: Where it is to keep what is uploaded.
    """
    os.environ |= {
        'GRADIO_ANALYTICS_ENABLED': 'False',
        'HF_HUB_DISABLE_TELEMETRY': '1',
        'GRADIO_TEMP_DIR': str(folder),
    }

"""Option files: read safely, checked as a whole before anything is created, and documented from the same schema."""

from bsr_plugin.options.check import check_options, load_options

__all__ = ['check_options', 'load_options']

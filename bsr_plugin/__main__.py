"""``python -m bsr_plugin`` is ``bsr``."""

import sys

from bsr_plugin.cli import main

sys.exit(main())

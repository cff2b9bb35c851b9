"""Tests as an option file says: ``python basicsr/test.py -opt options/test_BSR_x4.yml``."""

import sys
from pathlib import Path

from bsr_plugin.launch import test

if __name__ == '__main__':
    sys.exit(test(Path(__file__).resolve().parents[1]))

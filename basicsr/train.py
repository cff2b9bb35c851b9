"""Trains as an option file says: ``python basicsr/train.py -opt options/train_BSR_x4.yml``."""

import sys
from pathlib import Path

from bsr_plugin.launch import train

if __name__ == '__main__':
    sys.exit(train(Path(__file__).resolve().parents[1]))

"""The data sets of a run, guarded; nothing that the toolbox's import leads to imports this module."""

from collections.abc import Callable
from typing import Any

from basicsr.utils import get_root_logger

from bsr_plugin.data.guarded_paired_image_dataset import GuardedPairedImageDataset


def guarded(build_dataset: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``build_dataset`` with the guards of this package's data sets for BasicSR's ``PairedImageDataset``."""

    def build(dataset_opt: dict[str, Any]) -> Any:
        """Builds a data set, guarded where it is BasicSR's."""
        # A memcached server has no names to compare.
        backend = (dataset_opt.get('io_backend') or {}).get('type')
        if dataset_opt['type'] != 'PairedImageDataset' or backend == 'memcached':
            return build_dataset(dataset_opt)
        dataset = GuardedPairedImageDataset(dataset_opt)
        get_root_logger().info(f'Dataset [PairedImageDataset] - {dataset_opt["name"]} is built, its pairs checked.')
        return dataset

    return build

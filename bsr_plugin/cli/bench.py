"""``bsr bench``: how fast data, training and up-scaling are on this machine."""

import argparse
from importlib import import_module

EXAMPLE = 'bsr bench data --images datasets/BSDS300/train'

#: Benchmark -> (module, what it measures in one line). A module offers ``add_arguments`` and ``run`` as commands do.
BENCHMARKS = {
    'data': ('bsr_plugin.cli.bench_data', 'patches per second of the toolbox and of each kind of sampling'),
    'train': ('bsr_plugin.cli.bench_train', 'iterations per second of SRModel and of BSRModel with each switch'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-parser per benchmark."""
    benchmarks = parser.add_subparsers(dest='benchmark', required=True, metavar='BENCHMARK')
    for name, (module, summary) in BENCHMARKS.items():
        import_module(module).add_arguments(benchmarks.add_parser(name, help=summary, description=summary))


def run(arguments: argparse.Namespace) -> int:
    """Runs the benchmark that was named."""
    module, _ = BENCHMARKS[arguments.benchmark]
    return int(import_module(module).run(arguments))

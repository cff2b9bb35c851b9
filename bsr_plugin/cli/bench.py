"""``bsr bench``: how fast data, training and upscaling are on this machine."""

import argparse
import sys
import tempfile
from datetime import date
from importlib import import_module
from math import isnan
from pathlib import Path

from bsr_plugin.bench.machine import Load, describe
from bsr_plugin.cli.arguments import add_json
from bsr_plugin.cli.output import EXIT_DONE, write_json
from bsr_plugin.parallel import available_cores

EXAMPLE = 'bsr bench data --images datasets/BSDS300/train'

#: Benchmark -> (module, what it measures in one line). A module offers ``add_arguments(parser)`` and
#: ``measure(given, images, folder)``, which takes the arguments that were given and returns a report and its figures.
BENCHMARKS = {
    'data': ('bsr_plugin.cli.bench_data', 'patches per second of the toolbox and of each kind of sampling'),
    'train': ('bsr_plugin.cli.bench_train', 'iterations per second of SRModel and of BSRModel with each switch'),
    'upscale': ('bsr_plugin.cli.bench_upscale', 'megapixels per second of BSRNet, other networks and interpolation'),
}
#: Cores held by others that are worth a warning.
_TOLERATED = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one sub-parser per benchmark."""
    benchmarks = parser.add_subparsers(dest='benchmark', required=True, metavar='BENCHMARK')
    for name, (module, summary) in BENCHMARKS.items():
        # What is not given is left to the settings of the benchmark, which have the defaults.
        benchmark = benchmarks.add_parser(name, help=summary, description=summary, argument_default=argparse.SUPPRESS)
        photographs = 'HR images (default: the photographs that scikit-image ships)'
        benchmark.add_argument('--images', type=Path, default=None, metavar='DIR', help=photographs)
        import_module(module).add_arguments(benchmark)
        add_json(benchmark)


def run(arguments: argparse.Namespace) -> int:
    """Runs the benchmark that was named in a temporary folder; warns if other programs disturbed it."""
    from bsr_plugin.data.sample import write_sample

    module = import_module(BENCHMARKS[arguments.benchmark][0])
    before = Load.now()
    with tempfile.TemporaryDirectory(prefix='bsr-bench-') as folder:
        images = arguments.images or write_sample(Path(folder))[0]
        given = {name: value for name, value in vars(arguments).items() if name not in ('benchmark', 'images', 'json')}
        report, figures = module.measure(given, images, Path(folder))
    others = before.others_until(Load.now())
    print(report)
    if others > _TOLERATED:
        print(
            f'bsr bench: other processes held {others:.1f} of {available_cores()} cores meanwhile, from which the '
            'figures suffer: repeat them on a quiet machine.',
            file=sys.stderr,
        )
    held = None if isnan(others) else round(others, 2)
    where = {'machine': describe(), 'date': date.today().isoformat(), 'cores_held_by_others': held}
    write_json(arguments.json, figures | where)
    return EXIT_DONE

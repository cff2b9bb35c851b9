"""All that needs a GPU, for a machine without network: the tests marked gpu, two benchmarks, and one table to paste.

``make gpu`` runs it with an interpreter that has torch already; nothing is installed there but, into a folder of
this repository, the wheels that were carried along.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / 'build' / 'gpu'
#: Module -> distribution, of everything that the steps import.
PACKAGES = {
    'torch': 'torch',
    'torchvision': 'torchvision',
    'basicsr': 'basicsr',
    'cv2': 'opencv-python',
    'filelock': 'filelock',
    'hypothesis': 'hypothesis',
    'lmdb': 'lmdb',
    'numpy': 'numpy',
    'pydantic': 'pydantic',
    'pytest': 'pytest',
    'skimage': 'scikit-image',
    'tqdm': 'tqdm',
    'yaml': 'pyyaml',
}
#: Step -> (words after the interpreter, of which the last is the file that it leaves; seconds it may take).
STEPS = {
    'tests': (
        [
            '-m',
            'pytest',
            '-p',
            'bsr_plugin',
            '-m',
            'gpu',
            'tests/models',
            'tests/study',
            'tests/toolbox',
            'tests/upscaling',
            '--junitxml',
            str(OUT / 'tests.xml'),
        ],
        480,
    ),
    'train': (
        ['-m', 'bsr_plugin', 'bench', 'train', '--device', 'cuda', '--steps', '100', '--json', str(OUT / 'train.json')],
        450,
    ),
    'data': (['-m', 'bsr_plugin', 'bench', 'data', '--json', str(OUT / 'data.json')], 240),
}


def main(argv=None):
    """Runs the steps and prints the table; gives 0, 1 if a step failed, or 2 if this machine cannot run them."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--wheels', type=Path, metavar='FOLDER', help='wheels of the packages that are missing')
    parser.add_argument('--only', nargs='+', choices=STEPS, default=list(STEPS), metavar='STEP', help=' '.join(STEPS))
    arguments = parser.parse_args(argv)
    OUT.mkdir(parents=True, exist_ok=True)
    if problem := unfit(arguments.wheels):
        print(f'make gpu: {problem}', file=sys.stderr)
        return 2
    failed = [step for step in arguments.only if not run(*STEPS[step])]
    print('\n' + table(OUT))
    if failed:
        print(f'make gpu: failed or out of time: {", ".join(failed)}.', file=sys.stderr)
    return int(bool(failed))


def unfit(wheels):
    """Why this machine cannot run the steps, in one sentence; nothing if it can."""
    site = OUT / 'site'
    if wheels is not None and (problem := install(wheels, site)):
        return problem
    sys.path[:0] = [str(ROOT), str(site)]
    invalidate_caches()
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        return (
            f'{sys.executable} has no {", ".join(missing)}: put the wheels into a folder (`make wheels` does it on a '
            'machine with network), then make gpu WHEELS=FOLDER.'
        )
    import torch

    if not torch.cuda.is_available():
        return f'torch {torch.__version__} finds no GPU here: run it on a machine that has one.'
    return ''


def install(wheels, site):
    """Unpacks the wheels of a folder beside each other; gives what went wrong in one sentence."""
    files = sorted(map(str, wheels.glob('*.whl')))
    if not files:
        return f'{wheels} holds no wheel: name a folder with files *.whl.'
    pip = [sys.executable, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-index', '--no-deps']
    done = subprocess.run([*pip, '--upgrade', '--target', str(site), *files], capture_output=True, text=True)
    return f'pip cannot install the wheels: {done.stderr.strip().splitlines()[-1]}' if done.returncode else ''


def run(words, limit):
    """Whether a step ends in time with status 0."""
    print(f'\n$ python {" ".join(words)}', flush=True)
    Path(words[-1]).unlink(missing_ok=True)
    path = os.pathsep.join([str(ROOT), str(OUT / 'site'), os.environ.get('PYTHONPATH', '')])
    environment = {**os.environ, 'PYTHONPATH': path, 'CUBLAS_WORKSPACE_CONFIG': ':4096:8'}
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, start_new_session=True)
    try:
        return process.wait(limit) == 0
    except subprocess.TimeoutExpired:
        print(f'stopped after {limit} s', flush=True)
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def table(folder):
    """What the steps left in a folder, as one table in Markdown."""
    from bsr_plugin.bench.machine import describe

    rows = [('what', 'figure', 'x stock', 'loss to float32', 'MB'), ('---',) * 5]
    rows += [(name, value, '', '', '') for name, value in describe().items()]
    if (path := folder / 'tests.xml').is_file():
        suite = ElementTree.parse(path).getroot().find('testsuite').attrib
        wrong = int(suite['failures']) + int(suite['errors'])
        rows.append(
            ('tests marked gpu', f'{suite["tests"]}, of which {wrong} failed, in {suite["time"]} s', '', '', '')
        )
    if (path := folder / 'train.json').is_file():
        train = json.loads(path.read_text())
        for name, rate in train['iterations_per_s'].items():
            times, loss = train['times_stock'][name], train['loss_difference'][name]
            memory = f'{train["peak_memory_mb"][name]:,.0f}'
            title = f'BSRNet, it/s: {train["titles"][name].strip()}'
            rows.append((title, f'{rate:.2f}', f'{times:.2f}', f'{loss:+.2%}', memory))
        for name, row in train['networks'].items():
            rows.append((f'{name}, it/s: BSRModel', f'{row["bsr"]:.2f}', f'{row["bsr"] / row["stock"]:.2f}', '', ''))
        for name, rate in train['matrix_gmacs_per_s'].items():
            rows.append((f'matrix product, GMAC/s: {name}', f'{rate:,.0f}', '', '', ''))
    if (path := folder / 'data.json').is_file():
        rates = json.loads(path.read_text())['patches_per_s']
        for name, rate in rates.items():
            rows.append((f'patches per second: {name}', f'{rate:,.0f}', f'{rate / rates["stock"]:.1f}', '', ''))
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


if __name__ == '__main__':
    sys.exit(main())

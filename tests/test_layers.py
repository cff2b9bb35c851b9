"""The structure of the package: imports go one way, and one place changes the toolbox."""

import ast
from pathlib import Path

import pytest

import bsr_plugin

PACKAGE = Path(bsr_plugin.__file__).parent

#: Rooms and modules from the bottom to the top; each imports only from those above its line, and from itself.
LAYERS = (
    ('__version__', 'errors', 'progress', 'parallel', 'atomic', 'allocator', 'markdown', 'compat', 'interruption'),
    ('pic', 'schema'),
    ('data',),
    ('archs', 'losses'),
    ('models',),
    ('options', 'evaluation'),
    ('weights',),
    ('upscaling',),
    ('export', 'spandrel', 'serve'),
    ('toolbox',),
    ('launch', 'bench'),
    ('study',),
    ('report',),
    ('cli',),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def modules():
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(PACKAGE).parts
        if parts[0] not in ('__init__.py', '__main__.py'):
            yield path, parts[0].removesuffix('.py')


def imported(tree):
    """Full names of what a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_room_has_a_place():
    assert {room for _, room in modules()} <= set(LEVEL)


@pytest.mark.parametrize(('path', 'room'), [pytest.param(*each, id=each[0].name) for each in modules()])
def test_imports_go_one_way(path, room):
    for name in imported(ast.parse(path.read_text(encoding='utf-8'))):
        package, _, rest = name.partition('.')
        target = rest.partition('.')[0]
        if package == 'bsr_plugin' and target and target != room:
            assert LEVEL[target] < LEVEL[room], f'{room} imports {name}'


def changed_in_toolbox(tree):
    """Attributes of the toolbox's modules and classes that a module sets."""
    names = {
        (alias.asname or alias.name).partition('.')[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (getattr(node, 'module', None) or alias.name).partition('.')[0] == 'basicsr'
    }
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        targets = [*targets, *([node.target] if isinstance(node, ast.AugAssign) else [])]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ('setattr', 'delattr'):
            targets.append(ast.Attribute(node.args[0], 'set by name', ast.Store()))
        for target in targets:
            root = target
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(target, ast.Attribute) and isinstance(root, ast.Name) and root.id in names:
                yield ast.unparse(target)


@pytest.mark.parametrize(('path', 'room'), [pytest.param(*each, id=each[0].name) for each in modules()])
def test_only_the_seam_changes_the_toolbox(path, room):
    changes = list(changed_in_toolbox(ast.parse(path.read_text(encoding='utf-8'))))
    assert room in ('toolbox', 'launch') or not changes


def test_changes_are_noticed():
    tree = ast.parse('import basicsr.data\nfrom basicsr.x import Y as Z\nbasicsr.data.f = 1\nsetattr(Z, n, 2)\na.b = 3')
    assert list(changed_in_toolbox(tree)) == ['basicsr.data.f', 'Z.set by name']


def defined(tree):
    """Names that a module defines at its top level, not those that it imports."""
    for node in tree.body:
        if isinstance(node, ast.If | ast.Try):
            yield from defined(node)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            yield from ast.literal_eval(node.value)  # what a module offers, wherever it is from
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def test_names_are_imported_from_the_module_that_defines_them():
    trees = {path: ast.parse(path.read_text(encoding='utf-8')) for path, _ in modules()}
    there = {path: {*defined(tree)} for path, tree in trees.items()}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('bsr_plugin.'):
                source = PACKAGE.joinpath(*node.module.split('.')[1:]).with_suffix('.py')
                names = {alias.name for alias in node.names}
                assert source not in there or names <= there[source], f'{path}: {node.module}'

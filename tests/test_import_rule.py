"""A folder imports from those to its left in the way of the data.

Imports inside functions count as well; those for types alone do not.
"""
import ast
import collections

# From left to right: each imports those before it, never those after it.
# ``compat.hooks`` and ``compat.packages`` are modules that stand apart from
# their folder.
ORDER = (
    # what needs nothing of the package
    'version', 'versions', 'places', 'lazy', 'files', 'remote', 'npy_files',
    'storages', 'pickle_scan', 'unpickling', 'checkpoint_files', 'weights',
    'benchmark_files', 'own_files', 'compat.hooks', 'compat.packages',
    'config_text', 'onnx_check', 'onnx_session', 'onnx_export',
    # pure functions of arrays
    'pooling', 'graph', 'streams', 'persons', 'resampling',
    'views',
    # videos -> features -> dataset folder
    'store', 'mirrors', 'estimation', 'facts', 'datasets', 'extraction',
    'stock',
    # config -> model -> scores
    'recipes', 'models', 'evaluation',
    # a trained model and what is shown of it
    'apis', 'conversion', 'refusal', 'launching', 'run_summary', 'runner',
    'reproduction', 'studies', 'visualization', 'demo', 'app',
    # what a user types, and what measures it
    'cli', 'commands', 'benchmarks',
    # the start: fills gaps, registers names
    'compat', 'registration', '__init__')
# What goes against the order, and why it may.
AGAINST = {
    ('facts', 'datasets'): 'folders of versions that wrote no dataset.json',
    ('commands', 'benchmarks'): 'hpnet benchmark starts them',
}


def unit(module):
    """The folder or the file beside it that a module is of."""
    parts = module.split('.')[1:]
    if parts[:1] == ['compat'] and '.'.join(parts[:2]) in ORDER:
        return '.'.join(parts[:2])
    return parts[0] if parts else '__init__'


def imports(path, package):
    """Modules of this package that a file imports, but for types alone."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    types = {inner for node in ast.walk(tree) if isinstance(node, ast.If)
             and ast.unparse(node.test) == 'TYPE_CHECKING'
             for child in node.body for inner in ast.walk(child)}
    for node in ast.walk(tree):
        if node in types or not isinstance(node, ast.ImportFrom):
            continue
        base = package[:len(package) + 1 - node.level] if node.level else []
        module = '.'.join([*base, *filter(None, [node.module])])
        for name in node.names:
            yield f'{module}.{name.name}', node.lineno


def found_imports(root):
    """From unit to unit, the places of the imports."""
    found = collections.defaultdict(list)
    modules = {}
    for path in sorted((root / 'hpnet_plugin').rglob('*.py')):
        parts = list(path.relative_to(root).with_suffix('').parts)
        if '.mim' not in parts:
            modules[path] = parts[:-1] if parts[-1] == '__init__' else parts
    known = {'.'.join(parts) for parts in modules.values()}
    for path, parts in modules.items():
        package = parts if path.stem == '__init__' else parts[:-1]
        for name, line in imports(path, package):
            target = name if name in known else name.rpartition('.')[0]
            if target in known and unit(target) != unit('.'.join(parts)):
                place = f'{path.relative_to(root)}:{line}'
                found[unit('.'.join(parts)), unit(target)].append(place)
    return found


def test_folders_import_from_the_left_only(root):
    found = found_imports(root)
    place = {name: i for i, name in enumerate(ORDER)}
    units = {name for pair in found for name in pair}
    assert not units - set(place), 'a new folder has no place in ORDER'
    wrong = {pair: places for pair, places in found.items()
             if place[pair[0]] < place[pair[1]] and pair not in AGAINST}
    assert not wrong
    assert set(AGAINST) <= set(found), 'an exception that nobody needs'


def test_pure_functions_know_no_registry(root):
    """Nor mmengine, mmcv, mmaction, mmpose and mmdet at import."""
    for name in ('pooling', 'streams', 'persons', 'resampling'):
        tree = ast.parse((root / f'hpnet_plugin/{name}.py').read_text())
        names = {node.module or '' for node in ast.walk(tree)
                 if isinstance(node, ast.ImportFrom)} | {
            alias.name for node in ast.walk(tree)
            if isinstance(node, ast.Import) for alias in node.names}
        assert not [n for n in names if n.startswith('mm')], name


def test_the_rule_sees_imports(tmp_path):
    """Also in functions and by a package's name; not for types alone."""
    package = tmp_path / 'hpnet_plugin'
    (package / 'store').mkdir(parents=True)
    (package / 'apis').mkdir()
    for name in ('__init__', 'store/__init__', 'apis/__init__', 'apis/x'):
        (package / f'{name}.py').touch()
    (package / 'store/index.py').write_text(
        'from typing import TYPE_CHECKING\n'
        'if TYPE_CHECKING:\n    from ..apis import x\n'
        'def f():\n    from ..apis.x import y\n    from .. import apis\n')
    assert dict(found_imports(tmp_path)) == {('store', 'apis'): [
        'hpnet_plugin/store/index.py:5', 'hpnet_plugin/store/index.py:6']}

"""What a user may call is typed and explained: Args, Returns, Raises.

The packages that only the command ``hpnet`` and the maintainers call are
private (docs/reference/index.md says so) and need a line of purpose alone.
"""
import ast
import re

import pytest

PRIVATE = ('app', 'benchmarks', 'commands', 'compat', 'demo')
# Methods that the toolbox calls: its pages have the arguments, the class says
# what its own does.
OF_THE_TOOLBOX = (
    'after_train_iter', 'after_val', 'before_train', 'before_val',
    'build_logger', 'call_hook', 'compute_metrics', 'format', 'from_cfg',
    'init_weights', 'load_checkpoint', 'process', 'save_checkpoint',
    'transform')


def places(root):
    """The library's files."""
    package = root / 'hpnet_plugin'
    for path in sorted(package.rglob('*.py')):
        parts = path.relative_to(package).parts
        if parts[0] not in (*PRIVATE, '.mim'):
            yield path


def public(tree, owner=None):
    """Public functions and methods, each with the class it is of."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith('_') or node.name == '__init__':
                yield node, owner
        elif isinstance(node, ast.ClassDef):
            if not node.name.startswith('_'):
                yield from public(node, node)
        elif isinstance(node, ast.If | ast.Try):
            yield from public(node, owner)


def own(node):
    """Nodes of a function without those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef
                          | ast.Lambda | ast.ClassDef):
            yield child
            yield from own(child)


def parameters(function):
    a = function.args
    names = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return [name for name in names if name not in ('self', 'cls')]


def sections(text):
    """Text from the head of a section on, by the section's name."""
    return {match[1]: text[match.end():] for match in
            re.finditer(r'^ *(Args|Returns|Yields|Raises):$', text, re.M)}


def faults(function, owner):
    """What a docstring lacks, of ``__init__`` together with its class's."""
    doc = ast.get_docstring(function) or ''
    if function.name == '__init__' and owner:
        doc = f'{ast.get_docstring(owner) or ""}\n{doc}'
    if not doc.strip():
        yield 'no docstring'
    decorators = ' '.join(map(ast.unparse, function.decorator_list))
    if function.name in OF_THE_TOOLBOX or 'overload' in decorators:
        return
    found, nodes = sections(doc), list(own(function))
    missing = [name for name in parameters(function) if not re.search(
        rf'^ *{name}\b.*:', found.get('Args', ''), re.M)]
    if missing:
        yield f'Args lacks {", ".join(missing)}'
    if re.search(r'^ {4,8}\w+ \([^)]+\):', found.get('Args', ''), re.M):
        yield 'types in Args, where the signature has them'
    yields = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in nodes)
    returns = any(isinstance(n, ast.Return) and n.value is not None
                  and ast.unparse(n.value) != 'None' for n in nodes)
    if yields:
        if not {'Yields', 'Returns'} & set(found) \
                and 'contextmanager' not in decorators:
            yield 'no Yields'
    elif returns and 'Returns' not in found and 'property' not in decorators:
        yield 'no Returns'
    if 'Raises' not in found and any(
            isinstance(n, ast.Raise) and n.exc is not None for n in nodes):
        yield 'no Raises'


def test_every_public_function_is_explained(root):
    found = [f'{path.relative_to(root)}:{function.lineno} {function.name}: '
             f'{fault}'
             for path in places(root)
             for function, owner in public(ast.parse(path.read_text()))
             for fault in faults(function, owner)]
    assert not found, '\n'.join(found)


@pytest.mark.parametrize('code, fault', [
    ('def f(a): "Do."', 'Args lacks a'),
    ('def f(): return 1', 'no docstring'),
    ('def f():\n "Do."\n return 1', 'no Returns'),
    ('def f():\n "Do."\n yield 1', 'no Yields'),
    ('def f():\n "Do."\n raise ValueError', 'no Raises'),
    ('class C:\n "A thing."\n def __init__(self, a): self.a = a',
     'Args lacks a'),
])
def test_faults_are_seen(code, fault):
    (function, owner), = public(ast.parse(code))
    assert fault in list(faults(function, owner))

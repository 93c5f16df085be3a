"""What the pages say of the code is so: links, Python, options, messages."""
import ast
import functools
import posixpath
import re
import runpy
from importlib import import_module
from importlib.util import find_spec

import pytest
import yaml
from doc_pages import (
    ROOT,
    SPAN,
    anchors,
    blocks,
    links,
    pages,
    parsed,
    text_of,
)

from hpnet_plugin.cli import main
from hpnet_plugin.datasets.released import RELEASED
from hpnet_plugin.recipes import compose
from hpnet_plugin.registration import LOCATIONS


@pytest.mark.parametrize('page', pages())
def test_links(page):
    """Each leads to a file that is there, and to a heading of it."""
    here = (ROOT / page).parent
    for target in links(page):
        path, _, anchor = target.partition('#')
        if '://' in path or anchor in ('only-light', 'only-dark'):
            continue
        file = here / path if path else ROOT / page
        assert file.exists(), f'{page}: {target}'
        if anchor:
            there = file.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(there), f'{page}: {target}'


@pytest.mark.parametrize(
    'page', [page for page in pages() if '/' in page])
def test_links_on_the_site(page):
    """A page of configs/ is read as docs/configs/ there, nothing above it."""
    read_as = page if page.startswith('docs/') else f'docs/{page}'
    for target in links(page):
        path, _, _ = target.partition('#')
        if not path or '://' in path:
            continue
        there = posixpath.normpath(
            posixpath.join(posixpath.dirname(read_as), path))
        assert there.startswith('docs/'), f'{page}: {target}'
        assert (ROOT / there).exists(), f'{page}: {target}'


@pytest.mark.parametrize('block', blocks('python'), ids=str)
def test_python(block):
    """It compiles, and what it takes from this package is there."""
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and \
                node.module.startswith('hpnet_plugin'):
            module = import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name), f'{node.module}.{name.name}'
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith('hpnet_plugin'):
                    import_module(name.name)


def rows(page):
    """Rows of a page's tables, without their heads."""
    found, head = [], True
    for line in text_of(page).splitlines():
        if not line.startswith('|'):
            head = True
        elif set(line) <= set('|-: '):
            head = False
        elif not head:
            found.append([cell.strip() for cell in line.strip('|').split('|')])
    return found


@functools.cache
def trees():
    """The code of the package."""
    return [ast.parse(path.read_text(encoding='utf-8')) for path in
            sorted((ROOT / 'hpnet_plugin').rglob('*.py'))]


@functools.cache
def classes():
    """Registered classes, (name, registry) to the options that they take."""
    known = {node.name: node for tree in trees() for node in tree.body
             if isinstance(node, ast.ClassDef)}

    def options(name):
        if name not in known:  # a class of others
            return set()
        found = {arg.arg for node in known[name].body
                 if getattr(node, 'name', '') == '__init__'
                 for arg in node.args.args + node.args.kwonlyargs}
        return found.union(*(options(ast.unparse(base))
                             for base in known[name].bases))

    return {(name, where[1]): options(name) for name, node in known.items()
            for mark in node.decorator_list
            if (where := re.fullmatch(r'(\w+)\.register_module\(\)',
                                      ast.unparse(mark)))}


def test_registered_names():
    """The table has every one, in its registry, and no other."""
    said = {(name.strip('`'), where.strip('`'))
            for name, where, _ in rows('docs/api/registered.md')}
    assert said == set(classes())
    assert {where for _, where in said} == set(LOCATIONS)


def test_public_packages():
    """Each that is called public has a page, which the menu leads to."""
    said = re.findall(r'\[`(hpnet_plugin[.\w]*)`\]\((\w+\.md)\)',
                      text_of('docs/api/index.md'))
    menu = (ROOT / 'mkdocs.yml').read_text()
    for name, page in said:
        assert find_spec(name)
        assert f'::: {name}\n' in (ROOT / 'docs/api' / page).read_text()
        assert f'api/{page}' in menu
    pages_there = {path.name for path in (ROOT / 'docs/api').glob('*.md')}
    assert pages_there == {page for _, page in said} | {
        'index.md', 'registered.md'}


def test_the_menu_has_every_page():
    """But those of docs/configs, which is the folder configs."""
    class Loader(yaml.SafeLoader):
        """Leaves Python's names of extensions alone."""

    Loader.add_multi_constructor('', lambda *_: None)
    menu = str(yaml.load((ROOT / 'mkdocs.yml').read_text(), Loader)['nav'])
    for page in pages():
        if page.startswith('docs/'):
            assert f"'{page.removeprefix('docs/')}'" in menu, page
        elif page.startswith('configs/'):
            assert f"'{page}'" in menu, page


def walk(value):
    """Every dict in a config."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from walk(item)


def released_configs():
    """The authors' code as configs."""
    return [compose('released_hpnet'),
            compose('released_stream', stream='hp_j')]


OPTIONS = [span for row in rows('docs/deviations.md')
           for span in SPAN.findall(row[-1])]


def test_deviations_of_the_extraction():
    """The options of the table are the preset, all of them and no other."""
    found = {}
    for option in OPTIONS:
        words = option.split()
        if words[:2] == ['hpnet', 'extract'] and '--detector' not in words:
            given = vars(parsed(main, [*words[1:], '--out', 'x']))
            for word in words[2:]:
                if word.startswith('--'):
                    name = word[2:].replace('-', '_')
                    found[name] = given[name]
    assert found == {name: value for name, value in RELEASED.items()
                     if name != 'people'}


@pytest.mark.parametrize('option', [
    option for option in OPTIONS if re.match(r'[A-Z]\w+: ', option)])
def test_deviations_of_the_models(option):
    """The option exists, and the released configs set it to that value."""
    name, _, rest = option.partition(': ')
    option, _, value = rest.partition('=')
    taken, = (options for (one, _), options in classes().items()
              if one == name)
    assert option in taken, (name, option)
    if value:
        value = ast.literal_eval(value)
        set_to = [step[option] for config in released_configs()
                  for step in walk(config)
                  if step.get('type') == name and option in step]
        assert set_to and set(map(repr, set_to)) == {repr(value)}


def literals():
    """Every text of the code, with … for what is put into it."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield ''.join(part.value if isinstance(part, ast.Constant)
                              else '…' for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(
                    node.value, str):
                yield node.value


def test_messages():
    """Those that the page on troubles explains are messages of the code."""
    text = '\n'.join(literals())
    said = [SPAN.fullmatch(row[0])[1] for row in
            rows('docs/troubleshooting.md')
            if len(row) == 3 and SPAN.fullmatch(row[0])]
    assert len(said) > 30
    for message in said:
        for part in message.split('…'):
            assert part.strip() in text, message


def test_the_picture_is_what_the_program_draws():
    drawn = runpy.run_path(str(ROOT / 'docs/_programs/draw_method.py'))
    for name, colours in (('method', 'LIGHT'), ('method_dark', 'DARK')):
        there = ROOT / f'docs/images/{name}.svg'
        assert drawn['picture'](drawn[colours]) == there.read_text(
            encoding='utf-8')


def test_the_readme_is_one_screen():
    assert len((ROOT / 'README.md').read_text().splitlines()) < 150

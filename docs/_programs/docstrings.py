"""Makes the API pages see what is in the package, as mkdocs.yml asks.

The reST in docstrings, ``:func:`name``` and ``::`` as those of mmaction2 have
it, becomes the Markdown that the pages are made of. The names that a package
imports when they are asked for (``hpnet_plugin.lazy``) are its members.
"""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import griffe

ROLE = re.compile(r':(?:py:)?(attr|class|data|exc|func|meth|mod):`([^`]+)`')
CODE = re.compile(r'``([^`\n]+(?:\n[^`\n]+)*)``')
RULE = r'^ *=+(?: +=+)+$'
TABLE = re.compile(rf'{RULE}\n(?:.*\n)+?{RULE}(?:\n(?:.*\n)+?{RULE})?',
                   re.MULTILINE)
COLONS = re.compile(r'::[ ]*$', re.MULTILINE)


def target_of(obj: griffe.Object, name: str) -> str | None:
    """The full path of what a name means where ``obj`` is documented."""
    head, *rest = name.removesuffix('()').split('.')
    if head == 'hpnet_plugin':
        return '.'.join([head, *rest])
    for scope in (obj, obj.parent):
        try:
            if scope is not None:
                return '.'.join([scope.resolve(head), *rest])
        except griffe.NameResolutionError:
            continue
    return None


def link(obj: griffe.Object, role: re.Match[str]) -> str:
    """A role as a link, or as code where nothing on the pages has the name.

    Args:
        obj: What the docstring belongs to.
        role: A match of ``ROLE``.
    """
    text = role[2].removeprefix('!')
    shown = text.lstrip('~')
    if text.startswith('~'):
        shown = shown.rpartition('.')[2]
    path = target_of(obj, text.lstrip('~'))
    code = f'<code>{shown}</code>'
    return code if path is None else (
        f'<autoref optional identifier="{path}">{code}</autoref>')


def as_markdown(table: re.Match[str]) -> str:
    """A simple table of reST as one of Markdown.

    Args:
        table: A match of ``TABLE``.
    """
    rule, *lines = table[0].splitlines()
    starts = [mark.start() for mark in re.finditer('=+', rule)]
    rows: list[list[str]] = []
    for line in lines[:-1]:
        if line == rule:
            rows.append(['---'] * len(starts))
            continue
        cells = [line[start:end].strip() for start, end in
                 zip(starts, [*starts[1:], None])]
        if cells[0]:
            rows.append(cells)
        else:  # the line above goes on
            rows[-1] = [f'{old} {new}'.strip() for old, new in
                        zip(rows[-1], cells)]
    line = ['---'] * len(starts)
    if line not in rows:  # a table without a head
        rows[:0] = [[''] * len(starts), line]
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def lazy_members(node: ast.Module, path: str) -> Iterator[tuple[str, str]]:
    """The names that a package has by ``lazy_names``, and where they are.

    Args:
        node: The syntax tree of the package's ``__init__.py``.
        path: The package's name.
    """
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(
                call.func) == 'lazy_names' and isinstance(
                    call.args[1], ast.Dict):
            for module, names in ast.literal_eval(call.args[1]).items():
                parent = path
                while module.startswith('.'):
                    parent, module = parent.rpartition('.')[0], module[1:]
                for name in names:
                    yield name, f'{parent}.{module}.{name}'


class Docstrings(griffe.Extension):
    """Applied to each object that has been read."""

    def on_module_members(self, *, node: ast.AST | griffe.ObjectNode,
                          mod: griffe.Module, **kwargs: object) -> None:
        if isinstance(node, ast.Module):
            for name, target in lazy_members(node, mod.path):
                mod.set_member(name, griffe.Alias(name, target))
                mod.imports[name] = target

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        if obj.docstring is not None and not obj.is_alias:
            text = ROLE.sub(lambda role: link(obj, role),
                            obj.docstring.value)
            text = TABLE.sub(as_markdown, text)
            text = CODE.sub(lambda code: f'`{" ".join(code[1].split())}`',
                            text)
            obj.docstring.value = COLONS.sub(':', text)

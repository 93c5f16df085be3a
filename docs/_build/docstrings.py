"""Turns the reST in docstrings into the Markdown that the pages are made of.

Docstrings say ``:func:`name``` and ``::``, as those of mmaction2 do. mkdocs
reads this file (mkdocs.yml); the package does not.
"""
import re

import griffe

ROLE = re.compile(r':(?:py:)?(attr|class|data|exc|func|meth|mod):`([^`]+)`')
CODE = re.compile(r'``([^`\n]+(?:\n[^`\n]+)*)``')
COLONS = re.compile(r'::[ ]*$', re.MULTILINE)


def target_of(obj, name):
    """The full path of what a name means where ``obj`` is documented."""
    head, *rest = name.removesuffix('()').split('.')
    if head == 'hpnet_plugin':
        return '.'.join([head, *rest])
    for scope in (obj, obj.parent):
        try:
            return '.'.join([scope.resolve(head), *rest])
        except (AttributeError, griffe.NameResolutionError):
            continue
    return None


def link(obj, role):
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


class Docstrings(griffe.Extension):
    """Applied to each object that has been read."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring is not None and not obj.is_alias:
            text = ROLE.sub(lambda role: link(obj, role),
                            obj.docstring.value)
            text = CODE.sub(lambda code: f'`{" ".join(code[1].split())}`',
                            text)
            obj.docstring.value = COLONS.sub(':', text)

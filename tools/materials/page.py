"""The page of licences, made of a bill of materials."""
from __future__ import annotations

import platform
import sys
from collections import defaultdict
from typing import Any

from materials.licences import KINDS, kind, shown

Row = tuple[str, str, str, str]  # name, version, licence, where
HEAD = """\
# Licences

<!-- Made by "make bom"; do not edit. -->

Each package of the locks, and each native library inside its wheel, with its
licence. The table is of {platform} with Python {python}: wheels for other
systems hold other libraries. [Supply chain](supply_chain.md) says what the
licences that are not permissive mean for you.

A licence in *italics* is not stated by the package or the library. It is that
of the text of the package's licence file, or that which the library's project
publishes. A version is what the library itself answers; "?" means that it
does not say, and the file's hash in the bill of materials identifies it.
"""
SCOPES = dict(required='lock', optional='app, cluster',
              excluded='checks, docs')
MEANING = {
    'strong copyleft': 'Whoever passes these files on has to pass on, or '
    'offer, the source code of the whole program that they are linked into, '
    'under the same licence.',
    'proprietary': 'No source code. Use and passing on are bound to terms '
    'of the maker.',
    'weak copyleft': 'Whoever passes these files on has to pass on, or '
    'offer, their source code, and must let the receiver exchange them. The '
    'programs that use them may have any licence.',
    'unknown': 'Neither the package nor its licence file says it in a way '
    'that a program understands. Read the licence before you pass it on.',
}


def page(bom: dict[str, Any]) -> str:
    """The page.

    Args:
        bom: The bill.

    Returns:
        Markdown.
    """
    kinds: dict[str, list[Row]] = defaultdict(list)
    for name, component, package in _all(bom):
        licence = _licence(component)
        kinds[kind(shown(licence))].append((
            name, component.get('version', '?'), _text(licence), package))
    lines = [HEAD.format(
        platform=f'{platform.system()} on {platform.machine()}',
        python='.'.join(map(str, sys.version_info[:2])))]
    for one in reversed(KINDS[1:]):
        lines += _section(one, kinds[one])
    lines += _packages(bom)
    return '\n'.join(lines)


def _all(bom: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """(name, component, package that it is in), modules of Python left out."""
    found = []
    for component in bom['components']:
        found.append((component['name'], component,
                      SCOPES[component['scope']]))
        found += [(inside['name'], inside, component['name'])
                  for inside in component.get('components', ())
                  if inside.get('licenses')]
    return found


def _licence(component: dict[str, Any]) -> dict[str, Any] | None:
    return (component.get('licenses') or [None])[0]


def _text(licence: dict[str, Any] | None) -> str:
    name = shown(licence)
    one = (licence or {}).get('license', licence or {})
    return (f'*{name}*' if one.get('acknowledgement') == 'concluded'
            else name)


def _section(kind_: str, rows: list[Row]) -> list[str]:
    lines = [f'## {kind_[0].upper()}{kind_[1:]}', '', MEANING[kind_], '']
    if not rows:
        return [*lines, 'None.', '']
    lines += ['| | version | licence | in |', '|---|---|---|---|']
    lines += ['| {} | {} | {} | {} |'.format(*row)
              for row in sorted(set(rows), key=lambda row: (
                  row[3].lower(), row[0].lower()))]
    return [*lines, '']


def _packages(bom: dict[str, Any]) -> list[str]:
    lines = ['## All packages', '',
             'With the libraries inside each, as far as their names are '
             'known.', '',
             '| package | version | licence | lock | inside |',
             '|---|---|---|---|---|']
    for component in sorted(bom['components'],
                            key=lambda one: one['name'].lower()):
        inside = sorted({
            f'{one["name"]} {one.get("version", "?")}'
            for one in component.get('components', ())
            if one['type'] == 'library' and not any(
                prop['value'].endswith('.json')
                for prop in one.get('properties', ()))})
        stated = sum(prop['value'].endswith('.json')
                     for one in component.get('components', ())
                     for prop in one.get('properties', ()))
        if stated:
            inside.append(f'{stated} libraries by its own bill of materials')
        lines.append(f'| {component["name"]} | {component["version"]} '
                     f'| {_text(_licence(component))} '
                     f'| {SCOPES[component["scope"]]} '
                     f'| {", ".join(inside)} |')
    return [*lines, '']

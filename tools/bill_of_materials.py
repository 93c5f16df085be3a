#!/usr/bin/env python3
"""Write which packages and native libraries an installation consists of.

    python tools/bill_of_materials.py --out bom.json --page docs/licences.md

The bill is CycloneDX 1.6, by cyclonedx-py of this Python's environment. Into
each package go, as components of their own, the native files of its wheel
with their hashes (FFmpeg and its codecs in PyAV, OpenCV's own FFmpeg,
OpenBLAS, ...), and what the package says is built into it. Versions are those
that the libraries answer with. The same installation gives the same bytes.
Exit status: 0; 1 if an installed package is in no lock, is of another version
than its lock says, or has files that are not those of its wheel; 2 if the
usage is wrong.
"""
from __future__ import annotations

import argparse
import importlib
import json
import re
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from materials.licences import of_package
from materials.natives import components, name_of, properties
from materials.page import page

ROOT = Path(__file__).resolve().parents[1]
# What a user runs, what some users add, and what only the checks need.
SCOPES = dict(lock='required', app='optional', cluster='optional',
              browser='excluded', checks='excluded', docs='excluded')
OWN = ('hpnet-plugin', )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', default='bom.json',
                        help='the bill (default: bom.json)')
    parser.add_argument('--page', help='a table of the licences, in Markdown')
    parser.add_argument('--only', nargs='+', metavar='PACKAGE',
                        help='leave all other packages out')
    return parser.parse_args(argv)


def locked() -> dict[str, dict[str, set[str]]]:
    """Each lock's packages, with their versions (one a Python)."""
    pins: dict[str, dict[str, set[str]]] = {}
    for lock in SCOPES:
        text = (ROOT / f'requirements/{lock}.txt').read_text()
        pins[lock] = {}
        for name, version in re.findall(r'(?m)^([\w.-]+)==(\S+)', text):
            pins[lock].setdefault(name, set()).add(version)
    return pins


def environment() -> dict[str, Any]:
    """The bill of the environment's packages, as cyclonedx-py writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'bom.json')
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'cyclonedx_py',
             'environment', sys.executable, '--output-reproducible',
             '--spec-version', '1.6', '--no-validate', '--pyproject',
             str(ROOT / 'pyproject.toml'), '-o', str(path)], check=True)
        return json.loads(path.read_text())


def fill(bom: dict[str, Any], only: Collection[str] = ()) -> list[str]:
    """Put what is inside the packages into a bill of the environment.

    Args:
        bom: The bill; it is changed.
        only: Names of packages; empty: all.

    Returns:
        What is wrong, a line each.
    """
    pins, wrong, kept = locked(), [], []
    dists = {name_of(dist): dist for dist in distributions()}
    for component in bom['components']:
        name = re.sub(r'[-_.]+', '-', component['name']).lower()
        if name in OWN or only and name not in only:
            continue
        kept.append(component)
        locks = [lock for lock in SCOPES if name in pins[lock]]
        versions = {one for lock in locks for one in pins[lock][name]}
        if component['version'] not in versions:
            wrong.append(f'{name} {component["version"]} is in no lock' + (
                f': {", ".join(sorted(versions))}' if versions else ''))
        component['scope'] = SCOPES[locks[0]] if locks else 'excluded'
        licence = of_package(dists[name])
        component.pop('licenses', None)
        if licence:
            component['licenses'] = [licence]
        component['properties'] = properties(
            {'lock': f'requirements/{locks[0]}.txt' if locks else 'none'})
        inside, bad = components(dists[name])
        wrong += bad
        if inside:
            component['components'] = inside
    bom['components'] = kept
    version = runpy.run_path(str(ROOT / 'hpnet_plugin/version.py'))
    bom['metadata']['component']['version'] = version['__version__']
    refs = {component['bom-ref'] for component in kept}
    bom['dependencies'] = [
        {**one, 'dependsOn': [ref for ref in one.get('dependsOn', ())
                              if ref in refs]}
        for one in bom['dependencies']
        if one['ref'] in {*refs, 'root-component'}]
    return wrong


def validate(text: str) -> str:
    """What is wrong with a bill by the schema of CycloneDX; '' nothing."""
    schema = importlib.import_module('cyclonedx.schema')
    validation = importlib.import_module('cyclonedx.validation.json')
    error = validation.JsonStrictValidator(
        schema.SchemaVersion.V1_6).validate_str(text)
    return str(error or '')


def main(argv: Sequence[str] | None = None) -> int:
    """Write the bill, and the page if one is asked for.

    Args:
        argv: Options of the command line; those of the process if None.

    Returns:
        The exit status.
    """
    args = parse_args(argv)
    bom = environment()
    wrong = fill(bom, args.only or ())
    text = json.dumps(bom, indent=1, sort_keys=True) + '\n'
    error = validate(text)
    if error:
        raise SystemExit(f'The bill is not CycloneDX 1.6: {error}')
    Path(args.out).write_text(text)
    if args.page:
        Path(args.page).write_text(page(bom))
    inside = [one for component in bom['components']
              for one in component.get('components', ())]
    print(f'{args.out}: {len(bom["components"])} packages, {len(inside)} '
          'native files and libraries in them, '
          f'{sum("version" in one for one in inside)} with a version.')
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())

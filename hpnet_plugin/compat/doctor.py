"""What the doctor looks for: can this installation do the main job?

The main job is extraction, training, testing and fusion. This file is run by
its path, too (tools/doctor.py), where importing the package may be the very
thing that fails; so it needs nothing but the standard library at its top,
and every check catches what it runs into.
"""
from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import runpy
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .packages import Package

HERE = Path(__file__).parent
PACKAGES = runpy.run_path(str(HERE / 'packages.py'))
FIX = 'hpnet doctor --fix'


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        what (str): What was looked for.
        found (str): What there is.
        good (bool): Whether that will do.
        fix (str): What to do where it will not.
        needed (bool): Whether the main job needs it.
    """
    what: str
    found: str
    good: bool
    fix: str = ''
    needed: bool = True

    @property
    def mark(self) -> str:
        """'ok', 'FAIL' (the main job cannot run) or 'warn'."""
        return 'ok' if self.good else 'FAIL' if self.needed else 'warn'


def _number(version: str) -> tuple[int, ...]:
    """'2.11.0+cu130' -> (2, 11, 0), for comparisons."""
    return tuple(int(part) for part in re.findall(r'\d+', version)[:3])


def installed(package: Package) -> dict[str, str]:
    """The distributions that have a package's module, with their versions.

    Args:
        package: See packages.py.
    """
    versions = {}
    for name in package.names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def in_range(package: Package, version: str) -> bool:
    """Whether a version will do."""
    number = _number(version)
    return not (package.least and number < _number(package.least)
                or package.below and number >= _number(package.below))


def check_python() -> Row:
    """The interpreter."""
    return Row('Python', platform.python_version(),
               sys.version_info >= (3, 11), 'install Python 3.11 or later')


def check_package(package: Package) -> Row:
    """One package: its version, and that it can be imported."""
    name, use = package.names[0], package.use
    what = f'{name} (for {use})' if use else name
    fix = FIX
    if package.extra:
        fix = f'pip install "hpnet-plugin[{package.extra}]"'
    found = installed(package)
    if not found:
        return Row(what, 'absent', False, fix, not use)
    text = ', '.join(f'{name} {version}' for name, version in found.items())
    if not all(in_range(package, version) for version in found.values()):
        return Row(what, f'{text}, wanted {package.wanted}', False, fix,
                   not use)
    # mmpose and mmdet import long: check_imports.
    if package.module not in ('mmpose', 'mmdet'):
        error = _import_error(package.module)
        if error:
            return Row(what, f'{text}: {error}', False, fix, not use)
    return Row(what, text, True)


def check_builds() -> Iterator[Row]:
    """Packages that own the same files and must not differ."""
    for package in (*PACKAGES['OWN'], *PACKAGES['OPENMMLAB']):
        found = installed(package)
        if len(set(found.values())) > 1:
            yield Row(' beside '.join(found), 'of different versions, in the '
                      'same files', False, FIX)


def _import_error(module: str) -> str:
    """What importing it runs into; '' where nothing."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken package may raise anything
        return _line(error)
    return ''


def _line(error: Exception) -> str:
    """An error in one line, without the colours that mim gives it."""
    text = re.sub(r'\x1b\[\d*m', '', ' '.join(str(error).split()))
    return f'{type(error).__name__}: {text}'


def check_plugin() -> Row:
    """This package. Its import lets it fill the gaps of the others."""
    error = _import_error('hpnet_plugin')
    if error:
        return Row('hpnet_plugin', error, False, 'pip install hpnet-plugin')
    return Row('hpnet_plugin',
               importlib.import_module('hpnet_plugin').__version__, True)


def check_gaps() -> Iterator[Row]:
    """Each gap of the stock packages, after :func:`check_imports`."""
    try:
        gaps = importlib.import_module('hpnet_plugin.compat').GAPS
    except ImportError:
        return
    for gap in gaps:
        try:
            needed = gap.needed()
            filled = needed and gap.filled()
        except Exception as error:  # of a broken package
            yield Row(gap.NAME, _line(error), False, FIX)
            continue
        found = 'no gap' if not needed else (
            'a gap, filled' if filled else 'a gap')
        yield Row(gap.NAME, found, filled or not needed, gap.FIX)


def check_imports() -> Iterator[Row]:
    """The imports that the gaps break."""
    for module, needed in (('mmaction.models', True), ('mmpose.apis', False),
                           ('mmdet.apis', False),
                           ('mmengine.runner', True)):
        error = _import_error(module)
        yield Row(f'import {module}', error or 'works', not error, FIX,
                  needed)


def check_startup() -> Row:
    """Whether stock configs have the gaps filled by themselves."""
    there = 'hpnet_plugin_startup' in sys.modules
    return Row('gaps filled for stock configs, too',
               'yes' if there else 'only for configs of this package', there,
               'pip install . or make install: both place '
               'hpnet_plugin_startup.pth', False)


def check_mim() -> Row:
    """Whether mim finds the configs and tools of this package."""
    what = 'mim ... hpnet_plugin'
    try:
        from mim.utils import get_installed_path
        folder = os.path.join(get_installed_path('hpnet_plugin'), '.mim')
    except Exception as error:
        return Row(what, _line(error), False, 'make install', False)
    missing = [name for name in ('configs', 'tools', 'model-index.yml')
               if not os.path.exists(os.path.join(folder, name))]
    return Row(
        what, f'{folder} lacks {", ".join(missing)}' if missing else 'found',
        not missing, 'make install, or pip install . (mim cannot look into '
        'the editable installs of newer pip)', False)


def check_device() -> Row:
    """The accelerator, for information."""
    what = 'CUDA device'
    try:
        import torch
        names = [torch.cuda.get_device_name(i)
                 for i in range(torch.cuda.device_count())]
    except Exception as error:
        return Row(what, _line(error), False, FIX, False)
    return Row(what, ', '.join(names) or 'none, the CPU is used', True)


def check_disk(folder: str = '.', wanted: int = 2 << 30) -> Row:
    """Room for features and checkpoints in the current folder."""
    free = shutil.disk_usage(folder).free
    return Row('free disk space here', f'{free / (1 << 30):.1f} GB',
               free >= wanted, 'free some space, or work in another folder',
               False)


def examine() -> list[Row]:
    """Run every check, in the order in which one would mend them."""
    packages = (*PACKAGES['OWN'], *PACKAGES['OPENMMLAB'],
                *PACKAGES['OPTIONAL'])
    return [
        check_python(),
        check_plugin(), *map(check_package, packages), *check_builds(),
        *check_imports(), *check_gaps(),
        check_startup(),
        check_mim(),
        check_device(),
        check_disk()
    ]


def table(rows: Sequence[Row]) -> str:
    """The rows as text, with the fix below what needs one."""
    wide = max(len(row.what) for row in rows)
    lines = []
    for row in rows:
        lines.append(f'{row.mark:4}  {row.what:{wide}}  {row.found}')
        if not row.good:
            lines.append(f'{"":4}  {"":{wide}}  -> {row.fix}')
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table.

    Args:
        argv: Options of the command line; those of the process if None.

    Returns:
        1 if the main job cannot run.
    """
    parser = argparse.ArgumentParser(
        description='Check whether this installation can extract, train, test '
        'and fuse, and say what to repair. Exit status: 0 it can, 1 it '
        'cannot, 2 the usage is wrong.')
    parser.add_argument(
        '--fix', action='store_true',
        help='install missing packages, also those that pip alone cannot '
        'resolve (mmaction2, mmcv-lite, mmpose, mmdet, openmim); the commands '
        'are printed first')
    if parser.parse_args(argv).fix:
        fix = runpy.run_path(str(HERE / 'repair.py'))['fix']
        return fix(str(HERE / 'doctor.py'))
    rows = examine()
    print(table(rows))
    failed = [row.what for row in rows if row.mark == 'FAIL']
    if failed:
        print(f'The main job cannot run: {", ".join(failed)}.',
              file=sys.stderr)
        return 1
    print('The main job can run.')
    return 0


if __name__ == '__main__':
    sys.exit(main())

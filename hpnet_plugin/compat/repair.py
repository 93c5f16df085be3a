"""``hpnet doctor --fix``: install what pip cannot resolve by itself.

The standard library alone, run by its path like the doctor.
"""
from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .packages import Package

DOCTOR = runpy.run_path(str(Path(__file__).with_name('doctor.py')))
PACKAGES = DOCTOR['PACKAGES']
HEADLESS = 'opencv-python-headless'


def repairs() -> list[list[str]]:
    """What is to be done, as arguments of pip; none where all is well."""
    remove, alone, plain = [], [], []
    for package in PACKAGES['OPENMMLAB']:
        found = DOCTOR['installed'](package)
        if _good(package, found):
            continue
        if set(found) - {package.names[0]}:
            remove += found  # builds that own the same files
        alone.append(package.requirement)
    for package in PACKAGES['OWN']:
        found = DOCTOR['installed'](package)
        if package.module == 'cv2' and found:
            if not _good(package, found) or DOCTOR['_import_error']('cv2'):
                remove += found
                alone.append(HEADLESS + package.wanted)
        elif not _good(package, found):
            plain.append(package.requirement)
    plain += [name for name in PACKAGES['OF_OPENMMLAB'] if not _there(name)]
    return [*([['uninstall', '--yes', *remove]] if remove else []),
            *([['install', *plain]] if plain else []),
            *([['install', '--no-deps', *alone]] if alone else [])]


def _good(package: Package, found: dict[str, str]) -> bool:
    """Whether one version is there, and it is in the range."""
    return len(set(found.values())) == 1 and all(
        DOCTOR['in_range'](package, version) for version in found.values())


def _there(requirement: str) -> bool:
    name = re.split(r'[^\w.-]', requirement)[0]
    return bool(DOCTOR['installed'](PACKAGES['Package']('', (name, ))))


def installer() -> list[str] | None:
    """pip of this Python, else uv for it; None where there is neither."""
    if find_spec('pip'):
        return [sys.executable, '-m', 'pip']
    return ['uv', 'pip'] if shutil.which('uv') else None


def command(program: list[str], words: list[str]) -> list[str]:
    """The whole command line."""
    if program[0] != 'uv':
        return [*program, *words]
    words = [word for word in words if word != '--yes']  # uv never asks
    return [*program, words[0], '--python', sys.executable, *words[1:]]


def fix(doctor: str) -> int:
    """Print what is to be done, do it, and examine the installation anew.

    Args:
        doctor: The doctor's file.

    Returns:
        1 if the main job cannot run, then or because a command failed.
    """
    program = installer()
    if program is None:
        print('hpnet doctor: there is neither pip nor uv to install with: '
              f'{sys.executable} -m ensurepip', file=sys.stderr)
        return 1
    commands = [command(program, words) for words in repairs()]
    print('To be done:' if commands else 'There is nothing to be fixed.')
    for words in commands:
        print(' ', shlex.join(words), flush=True)
    for words in commands:
        if subprocess.run(words).returncode:
            print(f'hpnet doctor: this failed: {shlex.join(words)}',
                  file=sys.stderr)
            return 1
    # a new process: this one has seen what was there before
    return subprocess.run([sys.executable, doctor]).returncode

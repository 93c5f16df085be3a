#!/usr/bin/env python3
"""Ask whether weaknesses of the locked packages are known.

    python tools/audit.py

Runs pip-audit on each of requirements/*.txt: the locks themselves, with their
hashes, nothing is installed. pip-audit says "no known vulnerabilities" of
packages that the advisory service did not answer for, too; here these are
counted as not asked. The libraries inside wheels (docs/supply_chain.md) are
not known to the service by the names of packages: this is an audit of Python
packages alone. Exit status: 0 all were asked, and nothing is known; 1 a
weakness is known; 2 the usage is wrong; 3 some or all could not be asked.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / 'requirements'
UNASKED = 3
Dependencies = list[dict[str, Any]]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    locks = ['app', 'browser', 'checks', 'cluster', 'docs', 'lock']
    parser.add_argument('locks', nargs='*', metavar='LOCK',
                        help=f'{", ".join(locks)} (default: all)')
    parser.add_argument('--service', default='pypi', choices=('pypi', 'osv'),
                        help="whose advisories (default: pypi, the package "
                        "index's)")
    parser.add_argument('--timeout', type=int, default=600, metavar='S',
                        help='seconds for each lock (default 600)')
    args = parser.parse_args(argv)
    args.locks = args.locks or locks
    unknown = set(args.locks) - set(locks)
    if unknown:
        parser.error(f'no lock: {", ".join(sorted(unknown))}; there are '
                     f'{", ".join(locks)}')
    return args


def ask(lock: str, service: str, timeout: int) -> tuple[Dependencies, str]:
    """What pip-audit finds of one lock, or why it finds nothing.

    Args:
        lock: Name of the file, without ``.txt``.
        service: Of pip-audit.
        timeout: In seconds.

    Returns:
        The packages as pip-audit's JSON has them; the last line of its error
        where it has written none.
    """
    command = [sys.executable, '-m', 'pip_audit', '-r',
               str(FOLDER / f'{lock}.txt'), '--require-hashes',
               '--disable-pip', '--progress-spinner', 'off', '--timeout', '5',
               '-s', service, '-f', 'json']
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        return [], f'no answer within {timeout} s'
    try:
        return json.loads(done.stdout)['dependencies'], ''
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or ['no message']
        if done.returncode == 2:  # it was called in a way that it refuses
            print(lines[-1], file=sys.stderr)
            raise SystemExit(2) from None
        return [], lines[-1]


def verdict(found: Iterable[tuple[str, Dependencies, str]]
            ) -> tuple[list[str], int]:
    """What is to be said, and the exit status.

    Args:
        found: (lock, packages, error) of each lock.

    Returns:
        Lines, and one of 0, 1 and :data:`UNASKED`.
    """
    known: set[str] = set()
    asked: set[str] = set()
    silent: set[str] = set()
    failed = []
    for lock, packages, error in found:
        if error:
            failed.append(f'requirements/{lock}.txt: {error}')
        for package in packages:
            if 'skip_reason' in package:
                silent.add(package['name'])
                continue
            name = f'{package["name"]} {package["version"]}'
            asked.add(name)
            known |= {f'{name}: {weak["id"]}, corrected in '
                      f'{", ".join(weak["fix_versions"]) or "no version yet"}'
                      for weak in package['vulns']}
    lines = sorted(known)
    if not asked:
        return [*lines, 'The advisory service cannot be reached: nothing was '
                'asked, nothing is known ('
                f'{failed[0] if failed else "it knows none of the packages"}'
                ').'], UNASKED
    if silent or failed:
        lines.append('Not asked: ' + ', '.join([*failed, *sorted(silent)]))
    lines.append(f'{len(asked)} packages asked about, {len(known)} known '
                 'weaknesses.')
    return lines, 1 if known else UNASKED if silent or failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, and print what is known.

    Args:
        argv: Options of the command line; those of the process if None.

    Returns:
        The exit status.
    """
    args = parse_args(argv)
    found = []
    for lock in args.locks:
        packages, error = ask(lock, args.service, args.timeout)
        found.append((lock, packages, error))
        if error or all('skip_reason' in one for one in packages):
            break  # who does not answer once does not answer five times more
    lines, status = verdict(found)
    print('\n'.join(lines))
    return status


if __name__ == '__main__':
    sys.exit(main())

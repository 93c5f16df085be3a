"""Where ``hpnet extract`` works and shows it: workers, terminal."""
from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..extraction.progress import Display
    from ..extraction.tally import Tally


def display_of(args: argparse.Namespace, tally: Tally) -> Display | bool:
    """What shows a tally; True: what suits standard error."""
    if not args.dashboard:
        return True
    if not sys.stderr.isatty() or os.environ.get('TERM') == 'dumb':
        print('--dashboard is left out: standard error is no terminal that '
              'can draw it', file=sys.stderr, flush=True)
        return True
    from ..extraction.dashboard import Dashboard
    return Dashboard(tally)


def workers_of(args: argparse.Namespace) -> tuple[list[str], int]:
    """The devices, and the number of workers."""
    from ..extraction.launchers import RAY
    from ..extraction.workers import cores
    devices = args.device.split(',')
    if args.rank:
        devices = [args.rank.device(devices)]
    if args.workers is not None:
        return devices, args.workers
    if args.launcher == RAY:  # the cluster sets the bound
        return devices, sys.maxsize
    workers = cores()
    if devices != ['cpu']:  # each holds its nets in a GPU's memory
        workers = min(workers, 4 * len(devices))
    return devices, workers

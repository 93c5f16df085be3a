"""Ctrl-C, SIGTERM and SIGHUP end a command in the same way."""
from __future__ import annotations

import signal
import sys
from collections.abc import Callable


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: stop as Ctrl-C does."""


def _terminate(number, frame):
    # a second one while the first is obeyed must not cut that short
    signal.signal(number, signal.SIG_IGN)
    raise Terminated


def until_stopped(run: Callable[[], int], said: str) -> int:
    """Run a command until it ends or is stopped.

    Args:
        run: Gives the exit status.
        said: Printed if it is stopped.

    Returns:
        int: The exit status; 130 after Ctrl-C, 143 after the others.
    """
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminate)
    except ValueError:
        pass  # not the main thread: whoever calls decides
    try:
        return run()
    except Terminated:
        status = 143
    except KeyboardInterrupt:
        status = 130
    print(f'\n{said}', file=sys.stderr)
    return status

"""mim ends with a traceback of its own when the script that it runs fails.

The script has said what is wrong before; the traceback, which names lines of
mim and click alone, pushes it off the screen. In the command ``mim``, and
nowhere else, one line takes its place, or none where the script ended with
status 2: the script's own message then is the last.
"""
from __future__ import annotations

import sys
from subprocess import CalledProcessError
from types import TracebackType

from .hooks import after

MODULE = 'mim.cli'  # imported by the command alone
SCRIPTS = '/.mim/tools/'


def leave_the_last_word() -> None:
    """Have the command mim end without a traceback of a failed script."""
    after(MODULE, _set)


def _set() -> None:
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException,
             trace: TracebackType | None) -> None:
        if not isinstance(error, CalledProcessError):
            return before(kind, error, trace)
        script = _script_of(error)
        if script is None:
            return before(kind, error, trace)
        if error.returncode != 2:
            print(f'mim: {script} ended with status {error.returncode}; what '
                  'it said stands above', file=sys.stderr)
        return None

    sys.excepthook = hook


def _script_of(error: CalledProcessError) -> str | None:
    """The script of a package that mim ran; None of any other error."""
    if isinstance(error.cmd, str):
        return None
    return next((word for word in map(str, error.cmd) if SCRIPTS in word
                 and word.endswith('.py')), None)

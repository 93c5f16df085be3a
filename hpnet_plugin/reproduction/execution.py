"""Commands of the toolbox, run as processes with a log and progress."""
from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from .warm import WarmProcess, run_script

PROGRESS = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?'
                      r'eta: (.+?)  ')


class ReproductionError(RuntimeError):
    """A run that cannot be made or used; the message says why."""


def execute(command: Sequence[str], log: Path,
            environment: Mapping[str, str], report: Callable[[str], None],
            epochs: int | None = None, warm: bool = False) -> None:
    """Run a command to its end.

    It is stopped, with the processes that it has started, if this program is.

    Args:
        command: ``mim train …`` or the like; of this Python's tools, if it
            has one of that name.
        log: A file to which its output is added.
        environment: Variables besides those of this process.
        report: Takes a line of progress.
        epochs: Of the training, for the progress.
        warm: Whether its script runs in a copy of this process, see
            :mod:`.warm`.

    Raises:
        ReproductionError: If it fails; with the last error of the log.
    """
    with open(log, 'ab') as file:
        if warm:
            process = WarmProcess(partial(run_script, command), environment)
        else:
            process = _start(command, environment)
        try:
            for line in process.stdout or ():
                file.write(line)
                match = PROGRESS.search(line.decode(errors='replace'))
                if match:
                    epoch, step, steps, eta = match.groups()
                    report(f'epoch {epoch}/{epochs}, {step}/{steps}, '
                           f'{eta} left')
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if code:
        lines = log.read_text(errors='replace').splitlines()
        errors = [line for line in lines if re.match(r'\w[\w.]*Error', line)
                  and 'CalledProcessError' not in line]
        raise ReproductionError(
            f'{" ".join(command)} failed: {[*lines, *errors][-1]}; its log '
            f'is {log}')


def _start(command: Sequence[str], environment: Mapping[str, str]
           ) -> subprocess.Popen[bytes]:
    tool = Path(sys.executable).with_name(command[0])
    # mim starts a process of its own: a group, to stop both
    return subprocess.Popen(
        [str(tool) if tool.is_file() else command[0], *command[1:]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, env={**os.environ, **environment})


def processor_seconds() -> float:
    """What all processes that this one has started and seen end have used.

    Returns:
        Seconds of the processors, those of the system among them.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

"""Scripts of mmaction2, run in copies of a process that has imported it.

``mim train`` starts Python three times, and each time the toolbox is imported
anew: for a small net that is a good part of the training. A copy of this
process runs the same script with the same words, and ends with it, so that
nothing of one training reaches the next.
"""
from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO

IMPORTED = ('mmaction.datasets', 'mmaction.engine', 'mmaction.evaluation',
            'mmaction.models', 'mmaction.visualization',
            'hpnet_plugin.runner', 'hpnet_plugin.models',
            'hpnet_plugin.datasets.transforms',
            'hpnet_plugin.datasets.pooled', 'hpnet_plugin.datasets.sampling',
            'hpnet_plugin.evaluation.per_class')


class WarmProcess:
    """A copy of this process that runs a script.

    Args:
        work: What it does.
        environment: Variables besides those of this process.

    Attributes:
        pid: Of the copy, the head of a group of processes.
        stdout: What it and those that it starts print.
    """

    def __init__(self, work: Callable[[], None],
                 environment: Mapping[str, str]) -> None:
        warm_up()
        reader, writer = os.pipe()
        # no other start would copy what was imported
        self._process = multiprocessing.get_context('fork').Process(
            target=_run, args=(work, dict(environment), reader, writer))
        self._process.start()
        os.close(writer)
        self.pid = self._process.pid or 0
        self.stdout: IO[bytes] = os.fdopen(reader, 'rb')
        self.stdout.readline()  # now it can be stopped as a group

    def wait(self) -> int:
        """Wait for its end.

        Returns:
            Its exit status.
        """
        self._process.join()
        self.stdout.close()
        return self._process.exitcode or 0


def can_warm() -> bool:
    """Whether copies can compute here.

    Returns:
        Not where there is a GPU: what drives it survives no copy.
    """
    import torch
    return hasattr(os, 'fork') and not torch.cuda.is_available()


def warm_up() -> None:
    """Import what trainings need, once."""
    missing = [name for name in IMPORTED if name not in sys.modules]
    for name in missing:
        import_module(name)
    if missing:
        gc.collect()
        gc.freeze()  # a copy need not look through what was imported


def script_of(command: Sequence[str]) -> tuple[Path, list[str]]:
    """The script that mim runs for a command.

    Args:
        command: ``mim train mmaction2 …`` or ``mim test mmaction2 …``, of one
            process.

    Returns:
        Its path and its command line.

    Raises:
        ValueError: If it is another command.
    """
    _, name, package, config, *words = command
    if package != 'mmaction2' or name not in ('train', 'test'):
        raise ValueError(f'{command}: no script of mmaction2')
    place: list[str] = []
    if '--checkpoint' in words:
        at = words.index('--checkpoint')
        place = [words[at + 1]]
        words = words[:at] + words[at + 2:]
    found = find_spec('mmaction')
    root = Path(found.origin if found and found.origin else '').parent
    return root / f'.mim/tools/{name}.py', [
        config, *place, '--launcher', 'none', *words]


def run_script(command: Sequence[str]) -> None:
    """Run the script of a command in this process.

    Args:
        command: See :func:`script_of`.
    """
    script, words = script_of(command)
    sys.argv = [str(script), *words]
    sys.path.insert(0, str(script.parent))  # as Python does with a script
    runpy.run_path(str(script), run_name='__main__')


def _run(work: Callable[[], None], environment: Mapping[str, str],
         reader: int, writer: int) -> None:
    """What a copy does: as a process of its own, its output into a pipe."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.close(reader)
    for number in (1, 2):
        os.dup2(writer, number)
    os.close(writer)
    sys.stdout = os.fdopen(1, 'w', buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, 'w', buffering=1, closefd=False)
    print(flush=True)
    os.environ.update(environment)
    work()

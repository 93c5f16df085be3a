"""mmaction2's own scripts, run in this process or in several."""
from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

THREADS = 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'


def run_script(name: str, words: Sequence[str], launcher: str = 'none',
               processes: int = 1) -> int:
    """Run ``train`` or ``test`` of mmaction2.

    Args:
        name: The script, without ``.py``.
        words: Its command line, without a launcher.
        launcher: What has started this process.
        processes: More than 1 are started here, by torchrun.

    Returns:
        Exit status: 2 where the config cannot run as it is, which is
        then said in one line.

    Raises:
        KeyboardInterrupt: If it is stopped.
    """
    mmaction = find_spec('mmaction')
    if mmaction is None or mmaction.origin is None:
        print(f'{name}: mmaction2 is not installed; hpnet doctor says what '
              'is missing', file=sys.stderr)
        return 2
    script = Path(mmaction.origin).parent / f'.mim/tools/{name}.py'
    if processes > 1:
        return _start(script, [*map(str, words), '--launcher', 'pytorch'],
                      processes)
    sys.argv = [str(script), *map(str, words), '--launcher', launcher]
    try:
        runpy.run_path(str(script), run_name='__main__')
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else bool(stop.code)
    return 0


def _start(script: Path, words: Sequence[str], processes: int) -> int:
    """Run a script in several processes; if one ends, all do."""
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    environment = {**dict.fromkeys(THREADS, str(threads)), **os.environ}
    torchrun = subprocess.Popen(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone',
         '--nproc-per-node', str(processes), str(script), *words],
        env=environment)
    try:
        return torchrun.wait()
    except BaseException:  # it ends its processes before itself
        torchrun.terminate()
        torchrun.wait()
        raise

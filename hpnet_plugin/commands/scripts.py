"""mmaction2's own scripts, run in this process."""
from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def run_script(name: str, words: Sequence[str]) -> int:
    """Run ``train`` or ``test`` of mmaction2.

    Args:
        name: The script, without ``.py``.
        words: Its command line.

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
    sys.argv = [str(script), *map(str, words)]
    try:
        runpy.run_path(str(script), run_name='__main__')
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else bool(stop.code)
    return 0

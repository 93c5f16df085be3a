"""When somebody looked at what a study holds back."""
from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import locked, write_whole
from .study_file import StudyError

LOOKS = 'looks.json'


def look(out: Path, rows: Sequence[str]) -> str:
    """Record a look at what is held back.

    Args:
        out: Folder of what is made of it.
        rows: Names of the rows that are looked at.

    Returns:
        What is said of it: how often it was looked at before, and when.

    Raises:
        StudyError: If the record is damaged.
        OSError: If it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / '.looks.lock'):
        before = read_looks(out)
        now = dict(when=time.strftime('%Y-%m-%d %H:%M:%S'), rows=[*rows])
        write_whole(out / LOOKS, (
            json.dumps([*before, now], indent=1) + '\n').encode())
    times = ', '.join(entry['when'] for entry in before)
    return ('A look at what is held back uses it up: choose nothing by these '
            f'numbers. This look is recorded in {out / LOOKS}; '
            + (f'there were {len(before)} before, at {times}' if before
               else 'it is the first'))


def read_looks(out: Path) -> list[dict[str, Any]]:
    """Earlier looks.

    Args:
        out: Folder of what is made of it.

    Returns:
        ``when`` and ``rows`` of each.

    Raises:
        StudyError: If the record is damaged.
    """
    path = out / LOOKS
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        assert isinstance(found, list)
        return [dict(when=str(entry['when']), rows=[*map(str, entry['rows'])])
                for entry in found]
    except (ValueError, KeyError, TypeError, AssertionError,
            RecursionError) as error:
        raise StudyError(f'{path} is no record of looks ({error}); put back '
                         'the one that was written') from None

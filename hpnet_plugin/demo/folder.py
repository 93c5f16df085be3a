"""Folders that appear only when complete, and boxes as JSON has them."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def new_folder(root: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder; what is written goes to another one until the end.

    Args:
        root: the folder.

    Yields:
        where to write.

    Raises:
        FileExistsError: the folder is there already.
    """
    root = os.fspath(root)
    if os.path.exists(root):
        raise FileExistsError(
            f'{root} exists already: remove it or choose another folder')
    part = Path(f'{root}.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
    except ValueError:
        shutil.rmtree(part)
        raise
    os.replace(part, root)


def box_rows(frames: Iterable[np.ndarray]) -> list[list[list[float]]]:
    """Boxes for ``--detector boxes:FILE``.

    Args:
        frames: (P, 4) of each frame.

    Returns:
        a list a frame of [x1, y1, x2, y2, score] a person.
    """
    return [[[round(float(v), 2) for v in box] + [1.0] for box in frame]
            for frame in frames]

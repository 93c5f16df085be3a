"""Boxes that were found before, in JSON, in place of a detector."""
from __future__ import annotations

import json
import os
import os.path as osp
from typing import Any

import numpy as np

from .boxes import best_first
from .people import (
    LARGEST,
    People,
    PeopleError,
    PersonSource,
    entry_of_clip,
    short,
)


class GivenBoxes(PersonSource):
    """Boxes that were found before, in JSON.

    A frame's boxes are a list of ``[x1, y1, x2, y2, score]``, in pixels; a
    missing score is 1. A clip's are the list of its frames'. The file holds
    ``{clip: list}``, or one list alone, of the clip after which the file is
    named. A folder holds such files, ``CLIP_boxes.json`` or ``CLIP.json``. A
    clip's name may lack the ``_rgb`` of NTU's video files.

    Args:
        path: File or folder.
        score_thr: Boxes below are left out.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it does not hold boxes.
    """

    def __init__(self, path: str, score_thr: float = 0.) -> None:
        if not osp.exists(path):
            raise FileNotFoundError(f'{path}: no such file or folder of boxes')
        self.path, self.score_thr = path, score_thr
        self.name = 'boxes:' + osp.basename(osp.normpath(path))
        self._loaded: tuple[str, list[Any]] | None = None
        if osp.isdir(path):
            # a clip's rows are read when it is its turn
            self.clips = {_stem(file): osp.join(path, file)
                          for file in sorted(os.listdir(path))
                          if file.endswith('.json')}
            if not self.clips:
                raise ValueError(f'{path} has no CLIP_boxes.json or CLIP.json')
            return
        content = _read_json(path)
        if isinstance(content, list):
            content = {_stem(osp.basename(path)): content}
        if not isinstance(content, dict):
            raise ValueError(
                f'{path} holds a {type(content).__name__}; expected '
                '{clip: [[[x1, y1, x2, y2, score], ...] of each frame]}, or '
                'the list of one clip in CLIP_boxes.json or CLIP.json')
        self.clips = content

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Look up the boxes of some frames.

        See :meth:`PersonSource.people`.
        """
        rows = self._of_clip(clip)
        found = []
        for number in numbers:
            if number >= len(rows):
                raise PeopleError(
                    f'{self.path}, clip {clip!r}: boxes of {len(rows)} '
                    f'frames, but frame {number} is asked for (frames count '
                    'from 0): the boxes are of another or a shortened video')
            boxes = checked_boxes(
                rows[number], f'{self.path}, clip {clip!r}, frame {number}')
            found.append(People(boxes[boxes[:, 4] >= self.score_thr]))
        return found

    def _of_clip(self, clip: str) -> list[Any]:
        if self._loaded and self._loaded[0] == clip:
            return self._loaded[1]
        rows = entry_of_clip(self.clips, clip, self.path, 'boxes')
        if isinstance(rows, str) and osp.isdir(self.path):
            try:
                rows = _read_json(rows)
            except (OSError, ValueError) as error:
                raise PeopleError(str(error)) from None
        if not isinstance(rows, list):
            raise PeopleError(
                f'{self.path}, clip {clip!r}: expected the list of its '
                f"frames' boxes, found {short(rows)}")
        self._loaded = (clip, rows)
        return rows


def _stem(file: str) -> str:
    return file.removesuffix('.json').removesuffix('_boxes')


def _read_json(path: str) -> Any:
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:  # also of no text at all
        raise ValueError(f'{path} is no JSON file: {error}') from None


def checked_boxes(rows: object, where: str) -> np.ndarray:
    """Boxes (K, 5) float32 of one frame, best first.

    Args:
        rows: ``[x1, y1, x2, y2]`` or ``[x1, y1, x2, y2, score]`` of each box,
            in pixels; a missing score is 1.
        where: Begins the message of an error.

    Returns:
        (K, 5) float32.

    Raises:
        PeopleError: If they are anything else.
    """
    if not isinstance(rows, list):
        raise PeopleError(f'{where}: expected a list of boxes, found '
                          f'{short(rows)}')
    boxes = []
    for row in rows:
        if not (isinstance(row, list) and len(row) in (4, 5) and all(
                type(x) in (int, float) and abs(x) <= LARGEST for x in row)
                and np.float32(row[0]) < np.float32(row[2])
                and np.float32(row[1]) < np.float32(row[3])):
            raise PeopleError(
                f'{where}: expected [x1, y1, x2, y2] or [x1, y1, x2, y2, '
                'score] in pixels with x1 < x2 and y1 < y2, found '
                f'{short(row)}')
        boxes.append(row if len(row) == 5 else [*row, 1.])
    return best_first(boxes)

"""mmpose imports xtcocotools, which has no wheel for Python 3.12 and later.

pycocotools, which xtcocotools was made from, has. It reads the same files
and evaluates COCO keypoints in the same way; with the joints' sigmas of a
dataset, as mmpose gives them, too. The kinds of evaluation that only
xtcocotools has (whole-body parts, CrowdPose) say so when they are asked for.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from . import hooks

if TYPE_CHECKING:
    from pycocotools.coco import COCO

NAME = 'xtcocotools, for mmpose'
FIX = ('pip install xtcocotools (from source, it needs a compiler, where '
       'there is no wheel for this Python)')

_NAME = 'xtcocotools'


def needed() -> bool:
    """Whether mmpose is installed without it."""
    return find_spec('mmpose') is not None and hooks.lacks(_NAME)


def filled() -> bool:
    """Whether it is served by this package."""
    return getattr(sys.modules.get(_NAME), 'served_by', '') == __name__


def apply() -> None:
    """Serve it from pycocotools."""
    hooks.serve(_NAME, _package)
    for part in ('coco', 'mask'):
        hooks.serve(f'{_NAME}.{part}',
                    lambda part=part: import_module(f'pycocotools.{part}'))
    hooks.serve(f'{_NAME}.cocoeval', _cocoeval)


def _package() -> ModuleType:
    module = ModuleType(_NAME, doc=f'Served by {__name__}.')
    module.__path__ = []
    vars(module).update(served_by=__name__)
    return module


def _cocoeval() -> ModuleType:
    import numpy as np
    from pycocotools import cocoeval

    class COCOeval(cocoeval.COCOeval):
        """pycocotools' evaluation with the arguments of xtcocotools.

        Args:
            cocoGt: The truth.
            cocoDt: What was detected.
            iouType: 'keypoints', 'bbox' or 'segm'.
            sigmas: Of the joints; COCO's by
                default.
            use_area: Whether the truth has areas. It must.

        Raises:
            NotImplementedError: For what only xtcocotools evaluates.
        """

        def __init__(self,
                     cocoGt: COCO | None = None,
                     cocoDt: COCO | None = None,
                     iouType: str = 'keypoints',
                     sigmas: Sequence[float] | None = None,
                     use_area: bool = True) -> None:
            if iouType not in ('keypoints', 'bbox', 'segm') or not use_area:
                raise NotImplementedError(
                    f'xtcocotools is not installed; pycocotools stands in '
                    f'for it and cannot evaluate iouType={iouType!r} with '
                    f'use_area={use_area}. To use it: {FIX}.')
            super().__init__(cocoGt, cocoDt, iouType)
            if sigmas is not None:
                self.params.kpt_oks_sigmas = np.asarray(sigmas)

    module = ModuleType(f'{_NAME}.cocoeval', doc=f'Served by {__name__}.')
    vars(module).update(COCOeval=COCOeval, Params=cocoeval.Params)
    return module

"""Which joints are joined: graphs and bones."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mmaction.models.utils import Graph

# The toolbox's tree of COCO's 17 joints as (child, parent), rooted in the
# nose: here, so that bones can be made without the toolbox.
COCO_EDGES = ((15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6),
              (9, 7), (7, 5), (10, 8), (8, 6), (5, 0), (6, 0), (1, 0), (3, 1),
              (2, 0), (4, 2))
# Edges as (child, parent). The released code's graph of COCO's 17 joints:
# the ears stand alone, nose and shoulders form a cycle, and there is no root.
RELEASED_EDGES = ((0, 5), (1, 0), (2, 0), (5, 6), (6, 0), (7, 5), (8, 6),
                  (9, 7), (10, 8), (11, 5), (12, 6), (13, 11), (14, 12),
                  (15, 13), (16, 14), (12, 11))
# Its bones are not its edges: the ears have one, the hips are not joined.
RELEASED_BONES = (*RELEASED_EDGES[:-1], (3, 1), (4, 2))

LAYOUTS = ('coco', 'released', 'nturgb+d', 'openpose')
LAYOUT_KEYS = ('num_node', 'inward', 'center')


def _layout(layout: str | dict[str, Any]) -> str | dict[str, Any]:
    """A layout as a dict, where the toolbox is not needed to know it."""
    if isinstance(layout, dict):
        missing = [key for key in LAYOUT_KEYS if key not in layout]
        if missing:
            raise ValueError(f'the layout lacks {missing}; it needs '
                             f'{list(LAYOUT_KEYS)}, got {sorted(layout)}')
    elif layout not in LAYOUTS:
        raise ValueError(f'layout must be one of {LAYOUTS} or a dict with '
                         f'{list(LAYOUT_KEYS)}, got {layout!r}')
    edges = dict(coco=COCO_EDGES, released=RELEASED_EDGES)
    if isinstance(layout, str) and layout in edges:
        return dict(num_node=17, inward=list(edges[layout]), center=0)
    return layout


def _graph(layout: str | dict[str, Any]) -> Graph:
    from mmaction.models.utils import Graph
    return Graph(_layout(layout), mode='spatial')


def adjacency(layout: str | dict[str, Any] = 'coco') -> np.ndarray:
    """Adjacency of a skeleton: itself, inward and outward edges.

    Args:
        layout: ``'coco'``, a tree of 17 joints rooted in the nose, the ears
            joined to the eyes; ``'released'``, the graph of the released code;
            any other layout of mmaction's ``Graph``; or a dict with
            ``num_node``, ``inward`` (child, parent) and ``center``. Defaults
            to ``'coco'``.

    Returns:
        (3, V, V), float32; each column sums to 1 or 0.

    Raises:
        ValueError: If there is no such layout, or a dict lacks a key.
    """
    return _graph(layout).A.astype(np.float32)


def bone_pairs(layout: str | dict[str, Any] = 'coco') -> list[tuple[int, int]]:
    """Child and parent of each bone.

    Args:
        layout: See :func:`adjacency`.

    Returns:
        One pair for each joint, in order of the child. A joint without a
        parent is its own, so that its bone is zero.

    Raises:
        ValueError: See :func:`adjacency`.
    """
    if layout == 'released':
        return sorted(RELEASED_BONES)
    found = _layout(layout)
    if isinstance(found, str):
        found = vars(_graph(found))
    parents = dict(found['inward'])
    return [(v, parents.get(v, v)) for v in range(found['num_node'])]


def mirror_pairs(layout: str = 'coco') -> list[int]:
    """Left and right joints that a mirror exchanges.

    Args:
        layout: ``'coco'`` or ``'released'``, the same 17 joints.

    Returns:
        For each joint, the joint that takes its place.

    Raises:
        ValueError: If the layout's sides are not known.
    """
    if layout not in ('coco', 'released'):
        raise ValueError(f'left and right of layout {layout!r} are not known; '
                         "known are 'coco' and 'released'")
    return [0] + [v + 1 if v % 2 else v - 1 for v in range(1, 17)]

"""What transforms of clips share."""
from __future__ import annotations

import os.path as osp
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CLIP_KEYS = ('pooled_feat', 'keypoint', 'keypoint_score')


def clip_arrays(results: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Those arrays of a results dict that are there.

    Args:
        results: The results dict.

    Returns:
        Key to array, (M, T, V, ...).

    Raises:
        KeyError: If there is none.
        ValueError: If they disagree in (M, T, V).
    """
    arrays = {key: results[key] for key in CLIP_KEYS if key in results}
    if not arrays:
        raise KeyError(f'{clip_title(results)}: none of {CLIP_KEYS} is in the '
                       f'results, which have {sorted(results)}')
    shapes = {key: array.shape[:3] for key, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f'{clip_title(results)}: people, frames and joints disagree, '
            f'{shapes}; load the features before frames are cut or sampled')
    return arrays


def clip_title(results: Mapping[str, Any]) -> str:
    """What an error message calls the clip.

    Args:
        results: The results dict.

    Returns:
        ``clip NAME``, or ``clip`` if it has no name.
    """
    return f'clip {results["frame_dir"]}' if 'frame_dir' in results else 'clip'


def split_name(results: dict) -> tuple[str, str]:
    """Folder and name of a clip.

    ``PoseDataset`` puts the folder of ``data_prefix=dict(video=...)`` before
    the name. It is taken off once, so that dumps hold the bare name.

    Args:
        results: The results dict; ``frame_dir`` becomes the bare name and
            ``data_folder`` the folder.

    Returns:
        Folder, '' if there is none, and name.
    """
    if 'data_folder' not in results:
        results['data_folder'], results['frame_dir'] = osp.split(
            results['frame_dir'])
    return results['data_folder'], results['frame_dir']

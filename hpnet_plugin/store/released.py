"""Features in the files that the paper's authors released."""
import os

import numpy as np

from ..npy_files import read_npy
from ..resampling import resize
from .errors import StoreError

TAP = 'released'


def read_released(path: str, pose_path: str | None = None
                  ) -> dict[str, np.ndarray]:
    """Read one released file as the arrays of a store's clip.

    The files hold (T, M, V, C) float32, (64, 2, 17, 96) in practice, with the
    single person of most clips copied to the second slot, and no joints.

    Args:
        path: The ``.npy`` file.
        pose_path: A file of joints in pixels of the frame beside it, (T', M,
            V, 2), which some of the released scripts write: of all frames of
            the video. They are resampled to T as the released code does.
            Defaults to None: joints are unknown.

    Returns:
        ``keypoint`` (M, T, V, 2), all zero where it is unknown;
        ``keypoint_score`` (M, T, V), 1 where somebody was found and 0
        elsewhere; and the features (M, T, V, C), float16. The second person is
        left out where it is a copy of the first in every frame:
        ``FormatPooledInput`` copies it again.

    Raises:
        StoreError: If a file holds something else.
    """
    features = _load(path, 'feature')
    features = features.transpose(1, 0, 2, 3)
    if len(features) == 2 and np.array_equal(*features):
        features = features[:1]
    people, frames, joints, _ = features.shape
    keypoint = np.zeros((people, frames, joints, 2), np.float32)
    if pose_path is not None:
        poses = _load(pose_path, 'pose').transpose(1, 0, 2, 3)[:people]
        expected = people, poses.shape[1], joints, 2
        if poses.shape != expected or not poses.shape[1]:
            raise StoreError(
                f'{pose_path} holds (people, frames, joints, coordinates) '
                f'{poses.shape}, expected {expected} as {path} has them')
        keypoint = resize(poses.astype(np.float32), frames,
                          blend_absent=True)
    found = features.any((2, 3)).astype(np.float32)
    return {
        'keypoint': keypoint,
        'keypoint_score': np.repeat(found[..., None], joints, -1),
        TAP: features.astype(np.float16),
    }


def _load(path: str | os.PathLike[str], what: str) -> np.ndarray:
    """(T, M, V, C) of floats."""
    try:
        array = read_npy(path)
    except (OSError, ValueError) as error:
        raise StoreError(f'{path} is no released {what} file: '
                         f'{error}') from None
    if array.ndim != 4 or not 1 <= array.shape[1] <= 2 or \
            array.dtype.kind != 'f' or not array.size:
        raise StoreError(
            f'{path} holds {array.dtype} of shape {array.shape}; expected '
            'floats of shape (frames, 1 or 2 people, joints, channels)')
    return array

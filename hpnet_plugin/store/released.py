"""Features in the files that the paper's authors released."""
import numpy as np

from .errors import StoreError

TAP = 'released'


def read_released(path):
    """Read one released file as the arrays of a store's clip.

    The files hold (T, M, V, C) float32, (64, 2, 17, 96) in practice, with the
    single person of most clips copied to the second slot, and no joints.

    Args:
        path (str): The ``.npy`` file.

    Returns:
        dict[str, np.ndarray]: ``keypoint`` (M, T, V, 2), all zero since it is
        unknown; ``keypoint_score`` (M, T, V), 1 where somebody was found and
        0 elsewhere; and the features (M, T, V, C), float16. The second
        person is left out where it is a copy of the first in every frame:
        ``FormatPooledInput`` copies it again.

    Raises:
        StoreError: If the file holds something else.
    """
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StoreError(f'{path} is no released feature file: '
                         f'{error}') from None
    if features.ndim != 4 or not 1 <= features.shape[1] <= 2 or \
            features.dtype.kind != 'f':
        raise StoreError(
            f'{path} holds {features.dtype} of shape {features.shape}; '
            'expected floats of shape (frames, 1 or 2 people, joints, '
            'channels)')
    features = features.transpose(1, 0, 2, 3)
    if len(features) == 2 and np.array_equal(*features):
        features = features[:1]
    people, frames, joints, _ = features.shape
    found = features.any((2, 3)).astype(np.float32)
    return {
        'keypoint': np.zeros((people, frames, joints, 2), np.float32),
        'keypoint_score': np.repeat(found[..., None], joints, -1),
        TAP: features.astype(np.float16),
    }

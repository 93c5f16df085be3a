"""Which frames a clip of another length is blended from."""
import numpy as np


def linear_weights(frames: int, length: int
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two frames behind each frame of a resampled clip.

    The half-pixel rule of ``F.interpolate(mode='linear',
    align_corners=False)``, without anti-aliasing.

    Args:
        frames (int): Frames of the clip, T.
        length (int): Frames wanted, L.

    Returns:
        tuple[np.ndarray]: Earlier and later frame (L,), int64, and the
        weight of the later one (L,), float32. Where it is 0 both are the
        same, so that no frame is touched in vain.
    """
    source = (np.arange(length) + 0.5) * (frames / length) - 0.5
    source = np.clip(source, 0, frames - 1)
    earlier = source.astype(np.int64)
    weight = (source - earlier).astype(np.float32)
    return earlier, earlier + (weight > 0), weight


def weighted_frames(frames: int, length: int) -> np.ndarray:
    """The frames that :func:`linear_weights` blends, and no others.

    Args:
        frames (int): Frames of the clip, T.
        length (int): Frames wanted, L.

    Returns:
        np.ndarray: Their numbers, each once, ascending, int64: at most
        ``min(T, 2 L)``; all where T is L or less.
    """
    earlier, later, _ = linear_weights(frames, length)
    return np.unique(np.concatenate((earlier, later)))

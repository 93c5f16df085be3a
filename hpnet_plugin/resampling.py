"""Clips of one length: which frames a resampled clip is made of, and how."""
from __future__ import annotations

import functools
import sys

import numpy as np

# Values of a frame that are looked at first: most people who are there have
# one among them that is not zero.
GLANCE = 32


def linear_weights(frames: int, length: int
                   ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two frames behind each frame of a resampled clip.

    The half-pixel rule of ``F.interpolate(mode='linear',
    align_corners=False)``, without anti-aliasing.

    Args:
        frames: Frames of the clip, T.
        length: Frames wanted, L.

    Returns:
        Earlier and later frame (L,), int64, and the weight of the later one
        (L,), float32. Where it is 0 both are the same, so that no frame is
        touched in vain.
    """
    source = (np.arange(length) + 0.5) * (frames / length) - 0.5
    source = np.clip(source, 0, frames - 1)
    earlier = source.astype(np.int64)
    weight = (source - earlier).astype(np.float32)
    return earlier, earlier + (weight > 0), weight


def weighted_frames(frames: int, length: int) -> np.ndarray:
    """The frames that :func:`linear_weights` blends, and no others.

    Args:
        frames: Frames of the clip, T.
        length: Frames wanted, L.

    Returns:
        Their numbers, each once, ascending, int64: at most ``min(T, 2 L)``;
        all where T is L or less.
    """
    earlier, later, _ = linear_weights(frames, length)
    return np.unique(np.concatenate((earlier, later)))


def segments(frames: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a clip into segments of one length, as even as can be.

    Args:
        frames: Frames of the clip, T.
        count: Segments wanted, S.

    Returns:
        First frame of each and first one after it, (S,) int; the same where
        the clip has fewer frames than segments.
    """
    edges = frames * np.arange(count + 1) // count
    return edges[:-1], edges[1:]


def middle_frames(frames: int, count: int, views: int = 1) -> np.ndarray:
    """The frames in the middle of a clip's segments (X-CLIP's sampling).

    Args:
        frames: Frames of the clip, T.
        count: Segments, S.
        views: Frames of each segment, evenly spread. Defaults to 1.

    Returns:
        (views * S,) int, view by view.
    """
    low, high = segments(frames, count)
    parts = views + 1
    return np.concatenate([(low * (parts - view) + high * view) // parts
                           for view in range(1, parts)])


def resize(array: np.ndarray,
           length: int,
           numbers: np.ndarray | None = None,
           count: int | None = None,
           blend_absent: bool = False) -> np.ndarray:
    """Resample a clip to a number of frames, linearly.

    Frame l of the result is ``(1 - w) * x[earlier] + w * x[later]`` with
    :func:`linear_weights`, computed in float32. A person who is absent, all
    zero, in one of the two frames is not blended, which would draw joints
    towards the origin: the nearer of the two frames is taken, w rounded to 0
    or 1. (The released code blends them: ``blend_absent``.)

    Args:
        array: The clip, (M, T, ...); the axes after T, joints and channels,
            belong to a person in a frame.
        length: Frames wanted, L.
        numbers: (T,) int, increasing: which frames of a longer clip the array
            holds. All frames that have a weight must be among them; the others
            make no difference. Defaults to None: the array is the whole clip.
        count: Frames of the whole clip, where ``numbers`` are given.
        blend_absent: Whether frames in which a person is absent are blended
            like any other. Defaults to False.

    Returns:
        (M, L, ...) of the array's type. The array itself where it has this
        length already.

    Raises:
        ValueError: If the clip has no frames, or one that has a weight is not
            among ``numbers``.
    """
    frames = array.shape[1]
    if numbers is not None:
        numbers, frames = np.asarray(numbers), count
        if len(numbers) != array.shape[1]:
            raise ValueError(f'{len(numbers)} frame numbers, but the array '
                             f'has {array.shape[1]} frames')
    if not frames:
        raise ValueError('a clip without frames cannot be resampled')
    if array.shape[1] == frames == length:
        return array
    earlier, later, weight = _weights(frames, length)
    if numbers is not None:
        earlier, later = _places(numbers, earlier), _places(numbers, later)
    out = np.empty((len(array), length, *array.shape[2:]), array.dtype)
    for person, blended in zip(array, out):  # what fits into a cache
        _blend(person, blended, earlier, later, weight, blend_absent)
    return out


# a dataset has few lengths; nobody writes to what is kept
_weights = functools.lru_cache(512)(linear_weights)


def _blend(person: np.ndarray, out: np.ndarray, earlier: np.ndarray,
           later: np.ndarray, weight: np.ndarray, blend_absent: bool) -> None:
    """Put a person (T, ...) at the frames wanted into ``out``."""
    before, there_before = _gather(person, earlier)
    after, there_after = _gather(person, later)
    if not blend_absent:
        weight = np.where(there_before != there_after, np.rint(weight),
                          weight)
    after -= before
    after *= weight.reshape((-1, ) + (1, ) * (person.ndim - 1))
    before += after
    _assign(out, before)


def _places(numbers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    places = np.searchsorted(numbers, wanted)
    places = np.minimum(places, len(numbers) - 1)
    lacking = wanted[numbers[places] != wanted]
    if len(lacking):
        raise ValueError(f'frame {lacking[0]} has a weight, but is not among '
                         f'the {len(numbers)} frames that are there')
    return places


def _gather(person: np.ndarray, frames: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Frames of a person (T, ...) as float32, and where they are not zero."""
    found = person.take(frames, 0)
    if found.dtype != np.float16:
        found = found.astype(np.float32, copy=False)
    # bits without that of the sign; comparing halves is slow
    bits = found.reshape(len(frames), -1).view(f'u{found.itemsize}')
    there = np.bitwise_or.reduce(bits[:, :GLANCE], 1) << 1 != 0
    if not there.all():
        there = np.bitwise_or.reduce(bits, 1) << 1 != 0
    if found.dtype == np.float16:
        halves, found = found, np.empty(found.shape, np.float32)
        _assign(found, halves)
    return found, there


def _assign(out: np.ndarray, values: np.ndarray) -> None:
    """As ``out[...] = values``; numpy is several times slower at halves."""
    torch = sys.modules.get('torch')
    if torch is None or np.float16 not in (out.dtype, values.dtype):
        # not worth torch's import, and it need not be installed
        out[...] = values
    else:
        torch.from_numpy(out).copy_(torch.from_numpy(values))

"""Which frames of a video are wanted."""
from __future__ import annotations

import numpy as np

from ..resampling import weighted_frames


def choose_frames(times: np.ndarray,
                  constant: bool = True,
                  max_frames: int | None = None,
                  length: int | None = None,
                  fps: float | None = None) -> np.ndarray:
    """Numbers of the frames that are wanted of a video.

    Args:
        times: (T,) ascending, when each frame appears.
        constant: Whether the frame rate is.
        max_frames: See :class:`VideoReader`, as the others; all frames if none
            is given.
        length: Likewise.
        fps: Likewise.

    Returns:
        (N,) int, ascending.

    Raises:
        ValueError: If one is out of range, or several are given.
    """
    check_choice(max_frames, length, fps)
    if length is not None:
        return weighted_frames(len(times), length)
    if fps is not None:
        return frames_at_rate(times, fps)
    if max_frames is not None and not constant:
        return spread_times(times, max_frames)
    return spread(len(times), max_frames)


def check_choice(max_frames: int | None, length: int | None,
                 fps: float | None) -> None:
    """Refuse a choice of frames that says nothing or two things.

    Args:
        max_frames: See :func:`choose_frames`.
        length: Likewise.
        fps: Likewise.

    Raises:
        ValueError: If one is out of range, or several are given.
    """
    given = {name: value for name, value in dict(
        max_frames=max_frames, length=length, fps=fps).items()
        if value is not None}
    if len(given) > 1:
        raise ValueError(f'{" and ".join(given)} exclude each other: got '
                         f'{" and ".join(map(str, given.values()))}')
    for name, value in given.items():
        if name == 'fps' and not 0 < value < float('inf'):
            raise ValueError(f'fps must be above 0, got {value}')
        if name != 'fps' and value < 1:
            raise ValueError(f'{name} must be 1 or more, got {value}')


def spread(count: int, most: int | None) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` frames, evenly spread.

    Args:
        count: Number of frames.
        most: Frames wanted; None takes all.

    Returns:
        Ascending; each is the middle frame of one of ``most`` equal parts.
    """
    if most is None or count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(int)


def spread_times(times: np.ndarray, most: int) -> np.ndarray:
    """Indices of at most ``most`` frames, evenly spread in time.

    The time of the video, the last frame's own included, is cut into
    ``most`` equal parts; of each the frame nearest to the middle is taken,
    once. Frames of one rate are those of :func:`spread`.

    Args:
        times: (T,) ascending, when each frame appears.
        most: Frames wanted.

    Returns:
        Ascending; fewer than ``most`` where the video pauses.
    """
    if len(times) <= most:
        return np.arange(len(times))
    gap = np.median(np.diff(times))
    instants = (times[0] - gap / 2 + (np.arange(most) + 0.5)
                * (times[-1] - times[0] + gap) / most)
    after = np.clip(np.searchsorted(times, instants), 1, len(times) - 1)
    nearer = instants - times[after - 1] < times[after] - instants
    return np.unique(after - nearer)


def frames_at_rate(times: np.ndarray, fps: float) -> np.ndarray:
    """Indices of the frames that are nearest to 0, 1 / fps, 2 / fps, ... s.

    Between two that are as near the earlier one is taken. No frame is taken
    twice, so that a video of fewer frames a second is taken as a whole.

    Args:
        times: (T,) ascending, when each frame appears, in seconds from the
            first.
        fps: Frames a second that are wanted.

    Returns:
        Ascending.
    """
    if len(times) < 2:
        return np.arange(len(times))
    gaps = np.diff(times)
    # what each frame is nearest to; the last is shown for as long as most
    ends = np.append(times[:-1] + gaps / 2, times[-1] + np.median(gaps) / 2)
    # times of files are rounded to at best a microsecond
    reached = np.floor(ends * fps + 1e-6)
    return np.flatnonzero(np.diff(reached, prepend=-1) > 0)

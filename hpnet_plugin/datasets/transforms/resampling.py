"""Clips of one length."""
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...resampling import resize, segments
from .clip import clip_arrays, clip_title


@TRANSFORMS.register_module()
class ResizeTemporal(BaseTransform):
    """Resample a clip to a number of frames, linearly.

    Only frames that have a weight are read: at most ``2 * length`` of a
    memory-mapped clip. A frame without the person, all zero, is not blended
    into one with the person, which would draw joints towards the origin: the
    nearer of the two is taken. (The released code blends them.) A clip of
    this length is left as it is. See :func:`hpnet_plugin.resampling.resize`.

    Required Keys:

        - pooled_feat, keypoint, keypoint_score (at least one of them)

    Modified Keys:

        - pooled_feat, keypoint, keypoint_score (those that are there; they
          keep their type)
        - total_frames

    Added Keys:

        - clip_len
        - num_clips (1)

    Args:
        length: Frames wanted. Defaults to 64, the paper's.

    Raises:
        ValueError: If the length is below 1.
    """

    def __init__(self, length: int = 64) -> None:
        if length < 1:
            raise ValueError(f'length must be 1 or more, got {length}')
        self.length = length

    def transform(self, results: dict) -> dict:
        """Resample each array.

        Raises:
            ValueError: If the clip has no frames or is cut into several.
        """
        if results.get('num_clips', 1) != 1:
            raise ValueError(
                f'{clip_title(results)}: ResizeTemporal would blend '
                f'{results["num_clips"]} sampled clips into each other; '
                'sample or resize, not both')
        for key, array in clip_arrays(results).items():
            if not array.shape[1]:
                raise ValueError(f'{clip_title(results)}: {key} has no frames')
            results[key] = resize(array, self.length)
        results['total_frames'] = results['clip_len'] = self.length
        results['num_clips'] = 1
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(length={self.length})'


@TRANSFORMS.register_module()
class SampleSegments(BaseTransform):
    """Take a random frame of each segment of a clip.

    For training, in place of ``ResizeTemporal``: nothing is blended, and how
    fast a clip goes differs a little from epoch to epoch (TSN's sampling). A
    frame of a clip of fewer frames is taken several times. In tests,
    ``TemporalViews`` with ``sampling='segments'`` takes the middle frames.

    Required Keys, Modified Keys, Added Keys:

        - those of ``ResizeTemporal``

    Args:
        length: Segments. Defaults to 64, the paper's length of clips.

    Raises:
        ValueError: If the length is below 1.
    """

    def __init__(self, length: int = 64) -> None:
        if length < 1:
            raise ValueError(f'length must be 1 or more, got {length}')
        self.length = length

    @cache_randomness
    def _draw(self, frames: int) -> np.ndarray:
        low, high = segments(frames, self.length)
        return np.random.randint(low, np.maximum(high, low + 1))

    def transform(self, results: dict) -> dict:
        """Take the frames.

        Raises:
            ValueError: If the clip has no frames.
        """
        arrays = clip_arrays(results)
        frames = next(iter(arrays.values())).shape[1]
        if not frames:
            raise ValueError(f'{clip_title(results)} has no frames')
        numbers = self._draw(frames)
        for key, array in arrays.items():
            results[key] = array.take(numbers, 1)
        results['total_frames'] = results['clip_len'] = self.length
        results['num_clips'] = 1
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(length={self.length})'

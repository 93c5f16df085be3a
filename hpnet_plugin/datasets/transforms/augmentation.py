"""Augmentations for pooled features and 2D pose, all of the whole clip."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...graph import mirror_pairs
from ...resampling import resize
from .clip import CLIP_KEYS, clip_arrays, clip_title


def _check_ratio(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f'{name} must be between 0 and 1, got {value}')
    return value


def _check_keys(keys: Sequence[str], known: Sequence[str]
                ) -> tuple[str, ...]:
    if not keys or set(keys) - set(known):
        raise ValueError(f'keys must be some of {tuple(known)}, '
                         f'got {tuple(keys)}')
    return tuple(keys)


@TRANSFORMS.register_module()
class RandomTemporalCrop(BaseTransform):
    """Keep a random stretch of a clip. Goes before ``ResizeTemporal``.

    Required Keys:

        - pooled_feat, keypoint, keypoint_score (at least one of them)

    Modified Keys:

        - pooled_feat, keypoint, keypoint_score (those that are there)
        - total_frames

    Added Keys:

        - frame_start, stored_frames (the first frame kept, and frames before
          any was cut; for ``LoadPersonCrops`` after it)

    Args:
        min_ratio: The shortest stretch, as a part of the clip; its length is
            drawn evenly between this and the whole. Defaults to 0.5.
        keys: What is cut. Where that is not all that the clip has, the stretch
            is resampled to the frames of the clip. Defaults to all three.

    Raises:
        ValueError: If a key is none of these, or the ratio no ratio.
    """

    def __init__(self, min_ratio: float = 0.5,
                 keys: Sequence[str] = CLIP_KEYS) -> None:
        self.min_ratio = _check_ratio('min_ratio', min_ratio)
        self.keys = _check_keys(keys, CLIP_KEYS)

    @cache_randomness
    def _draw(self, frames: int) -> tuple[int, int]:
        length = round(frames * np.random.uniform(self.min_ratio, 1))
        length = max(length, 1)
        return np.random.randint(frames - length + 1), length

    def transform(self, results: dict) -> dict:
        """Cut each array to the same stretch."""
        arrays = clip_arrays(results)
        frames = next(iter(arrays.values())).shape[1]
        start, length = self._draw(frames)
        if set(arrays) - set(self.keys):
            for key in self.keys:
                if key in arrays:
                    results[key] = resize(
                        arrays[key][:, start:start + length], frames)
            return results
        for key, array in arrays.items():
            results[key] = array[:, start:start + length]
        results['total_frames'] = length
        results.setdefault('stored_frames', frames)
        results['frame_start'] = results.get('frame_start', 0) + start
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(min_ratio={self.min_ratio}, '
                f'keys={self.keys})')


@TRANSFORMS.register_module()
class FlipJoints(BaseTransform):
    """Mirror a clip: left and right joints change places, and images turn.

    Everything that the clip has, or nothing. Joints in pixels are mirrored in
    the image, too. Features are those that the pose net saw in the image as
    it was: only their places are mirrored.
    Goes before ``NormalizeKeypoint`` and ``GenPooledStream``.

    Required Keys:

        - pooled_feat, keypoint, keypoint_score, imgs (at least one)
        - original_shape or img_shape (height and width of the frame that
          keypoint is in)

    Modified Keys:

        - pooled_feat, keypoint, keypoint_score, imgs (those that are there)

    Args:
        flip_ratio: How often. Defaults to 0.5.
        layout: See :func:`hpnet_plugin.graph.mirror_pairs`. Defaults to
            ``'coco'``.
        keys: What is mirrored. Defaults to all four; the released code mirrors
            ``('imgs', )``.

    Raises:
        ValueError: If a key or the layout is none of these, or the ratio no
            ratio.
    """

    def __init__(self,
                 flip_ratio: float = 0.5,
                 layout: str = 'coco',
                 keys: Sequence[str] = (*CLIP_KEYS, 'imgs')) -> None:
        self.flip_ratio = _check_ratio('flip_ratio', flip_ratio)
        self.keys = _check_keys(keys, (*CLIP_KEYS, 'imgs'))
        self.layout = layout
        self.order = mirror_pairs(layout)

    @cache_randomness
    def _draw(self) -> bool:
        return np.random.rand() < self.flip_ratio

    def transform(self, results: dict) -> dict:
        """Mirror each array, or none.

        Raises:
            ValueError: If the joints are not in pixels any more, or not those
                of the layout.
        """
        if 'keypoint_scale' in results and 'keypoint' in self.keys:
            raise ValueError(f'{clip_title(results)}: FlipJoints goes before '
                             'NormalizeKeypoint, which knows no image')
        if not self._draw():
            return results
        if 'imgs' in results and 'imgs' in self.keys:
            results['imgs'] = [cv2.flip(image, 1)
                               for image in results['imgs']]
        arrays = clip_arrays(results) if set(CLIP_KEYS) & set(results) else {}
        for key in set(arrays) & set(self.keys):
            array = arrays[key]
            if array.shape[2] != len(self.order):
                raise ValueError(
                    f'{clip_title(results)}: {key} has {array.shape[2]} '
                    f'joints, layout {self.layout!r} {len(self.order)}')
            results[key] = array = array[:, :, self.order]
            if key == 'keypoint':
                absent = np.all(array == 0, -1)
                shape = results.get('original_shape', results['img_shape'])
                array[..., 0] = shape[1] - 1 - array[..., 0]
                array[absent] = 0
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(flip_ratio={self.flip_ratio}, '
                f'layout={self.layout!r}, keys={self.keys})')


class _Drop(BaseTransform):
    """Set a random part of an axis to zero, of all people alike."""
    axis: int

    def __init__(self, drop_ratio: float = 0.1) -> None:
        self.drop_ratio = _check_ratio('drop_ratio', drop_ratio)

    @cache_randomness
    def _draw(self, number: int) -> np.ndarray:
        return np.random.rand(number) < self.drop_ratio

    def transform(self, results: dict) -> dict:
        """Drop the same in each array."""
        arrays = clip_arrays(results)
        drop = self._draw(next(iter(arrays.values())).shape[self.axis])
        where = (slice(None), ) * self.axis + (drop, )
        for key, array in arrays.items():
            results[key] = array.copy()
            results[key][where] = 0
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(drop_ratio={self.drop_ratio})'


@TRANSFORMS.register_module()
class DropFrames(_Drop):
    """Make random frames empty, as if nobody had been found there.

    Goes after ``NormalizeKeypoint`` and ``ResizeTemporal``.

    Required Keys:

        - pooled_feat, keypoint, keypoint_score (at least one of them)

    Modified Keys:

        - pooled_feat, keypoint, keypoint_score (those that are there)

    Args:
        drop_ratio: Chance of each frame. Defaults to 0.1.
    """
    axis = 1


@TRANSFORMS.register_module()
class DropJoints(_Drop):
    """Make random joints empty through the clip, as if they were hidden.

    Goes where :class:`DropFrames` goes.

    Required Keys, Modified Keys:

        - those of ``DropFrames``

    Args:
        drop_ratio: Chance of each joint. Defaults to 0.1.
    """
    axis = 2

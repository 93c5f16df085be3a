"""Clips of one length, seen several times in a test."""
from __future__ import annotations

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...graph import mirror_pairs
from ...views import SAMPLINGS, clip_views, mirrored
from .clip import clip_arrays, clip_title


@TRANSFORMS.register_module()
class TemporalViews(BaseTransform):
    """Cut a clip into stretches of one length, and mirror them.

    For tests, in place of ``ResizeTemporal``: the head averages the scores of
    the ``num_clips`` views. They stand one after the other along T, those
    that are mirrored at the end. Goes behind ``NormalizeKeypoint`` and before
    ``GenPooledStream``.

    Required Keys:

        - pooled_feat, keypoint, keypoint_score (at least one of them)
        - original_shape or img_shape (for a mirror of joints in pixels)

    Modified Keys:

        - pooled_feat, keypoint, keypoint_score (those that are there)
        - total_frames

    Added Keys:

        - clip_len
        - num_clips

    Args:
        length: Frames of a view. Defaults to 64, the paper's.
        views: Stretches, evenly placed from the beginning to the end.
            Defaults to 1: the whole clip.
        share: Frames of a stretch, as a share of the clip's, where there are
            several. Defaults to 0.75.
        mirror: Whether each is also seen mirrored. Defaults to False.
        layout: See :func:`hpnet_plugin.graph.mirror_pairs`. Defaults to
            ``'coco'``.
        sampling: See :func:`hpnet_plugin.views.clip_views`. Defaults to
            ``'resize'``.

    Raises:
        ValueError: If an argument is none of these.
    """

    def __init__(self,
                 length: int = 64,
                 views: int = 1,
                 share: float = .75,
                 mirror: bool = False,
                 layout: str = 'coco',
                 sampling: str = 'resize') -> None:
        if length < 1 or views < 1:
            raise ValueError('length and views must be 1 or more, got '
                             f'{length} and {views}')
        if not 0 < share <= 1:
            raise ValueError(
                f'share must be above 0 and at most 1, got {share}')
        if sampling not in SAMPLINGS:
            raise ValueError(f'sampling must be one of {SAMPLINGS}, got '
                             f'{sampling!r}')
        self.length, self.views, self.share = length, views, share
        self.mirror, self.layout, self.sampling = mirror, layout, sampling
        self.order = mirror_pairs(layout) if mirror else []

    def transform(self, results: dict) -> dict:
        """Cut, and mirror.

        Raises:
            ValueError: If the clip has no frames, is cut already, or has
                other joints than the layout.
        """
        if results.get('num_clips', 1) != 1:
            raise ValueError(f'{clip_title(results)} is cut into '
                             f'{results["num_clips"]} clips already')
        for key, array in clip_arrays(results).items():
            try:
                found = clip_views(array, self.length, self.views,
                                   self.share, self.sampling)
                if self.mirror:
                    found = np.concatenate([found, mirrored(
                        found, self.order, self._width(results),
                        key == 'keypoint')], 1)
            except ValueError as error:
                raise ValueError(
                    f'{clip_title(results)}: {key}: {error}') from None
            results[key] = found
        results['num_clips'] = self.views * (1 + self.mirror)
        results['clip_len'] = self.length
        results['total_frames'] = self.length * results['num_clips']
        return results

    @staticmethod
    def _width(results: dict) -> int | None:
        """Of the frame that joints are in; None once they are centred."""
        if 'keypoint_scale' in results or 'keypoint' not in results:
            return None
        return results.get('original_shape', results['img_shape'])[1]

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(length={self.length}, '
                f'views={self.views}, share={self.share}, '
                f'mirror={self.mirror}, layout={self.layout!r}, '
                f'sampling={self.sampling!r})')

"""Streams in a pipeline."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...graph import bone_pairs
from ...streams import STREAMS, stream
from .clip import clip_title


@TRANSFORMS.register_module()
class GenPooledStream(BaseTransform):
    """Turn joints into bones, or either into its motion, for any C.

    ``GenSkeFeat`` of the toolbox does it for 2 and 3 channels only. The
    result is always a copy.

    Several clips that stand one after the other along T do not touch: each
    has a motion of its own.

    Required Keys:

        - the one named by ``key``, or each of them ((M, T, V, C))
        - num_clips (optional)

    Modified Keys:

        - the same

    Args:
        stream: ``'j'`` joints, ``'b'`` bones, ``'jm'`` and ``'bm'`` their
            motion. Defaults to ``'j'``.
        key: ``'pooled_feat'`` or ``'keypoint'``, or both in a list. Defaults
            to ``'pooled_feat'``.
        pairs: Child and parent of each bone, or a layout of
            :func:`hpnet_plugin.graph.bone_pairs`. Defaults to ``'coco'``.

    Raises:
        ValueError: If there is no such stream.
    """

    def __init__(self,
                 stream: str = 'j',
                 key: str | Sequence[str] = 'pooled_feat',
                 pairs: str | dict | Sequence[tuple[int, int]] = 'coco'
                 ) -> None:
        if stream not in STREAMS:
            raise ValueError(
                f'stream must be one of {STREAMS}, got {stream!r}')
        self.stream = stream
        self.key = key
        self.pairs = bone_pairs(pairs) if isinstance(pairs, (str, dict)) \
            else list(pairs)

    def transform(self, results: dict) -> dict:
        """Replace each array by its stream.

        Raises:
            ValueError: If T is no multiple of the clips.
        """
        clips = results.get('num_clips', 1)
        for key in [self.key] if isinstance(self.key, str) else self.key:
            array = results[key]
            if clips == 1 or not self.stream.endswith('m'):
                results[key] = self._stream(array)
                continue
            if array.shape[1] % clips:
                raise ValueError(
                    f'{clip_title(results)}: {array.shape[1]} frames cannot '
                    f'be {clips} clips of one length')
            apart = array.reshape(len(array), clips, -1, *array.shape[2:])
            results[key] = self._stream(apart).reshape(array.shape)
        return results

    def _stream(self, array: np.ndarray) -> np.ndarray:
        if array.dtype == np.float16 and self.stream != 'j':
            # numpy is ten times as slow at differences of halves; the bits
            # are the same
            tensor = torch.from_numpy(np.require(array, requirements='W'))
            return stream(tensor, self.stream, self.pairs).numpy()
        return stream(array, self.stream, self.pairs)

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(stream={self.stream!r}, '
                f'key={self.key!r}, pairs={self.pairs})')

"""Streams in a pipeline."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...graph import bone_pairs
from ...streams import STREAMS, stream


@TRANSFORMS.register_module()
class GenPooledStream(BaseTransform):
    """Turn joints into bones, or either into its motion, for any C.

    ``GenSkeFeat`` of the toolbox does it for 2 and 3 channels only. The
    result is always a copy.

    Required Keys:

        - the one named by ``key`` ((M, T, V, C))

    Modified Keys:

        - the same

    Args:
        stream: ``'j'`` joints, ``'b'`` bones, ``'jm'`` and ``'bm'`` their
            motion. Defaults to ``'j'``.
        key: ``'pooled_feat'`` or ``'keypoint'``. Defaults to
            ``'pooled_feat'``.
        pairs: Child and parent of each bone, or a layout of
            :func:`hpnet_plugin.graph.bone_pairs`. Defaults to ``'coco'``.

    Raises:
        ValueError: If there is no such stream.
    """

    def __init__(self,
                 stream: str = 'j',
                 key: str = 'pooled_feat',
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
        """Replace the array by its stream."""
        array = results[self.key]
        if array.dtype == np.float16 and self.stream != 'j':
            # numpy is ten times as slow at differences of halves; the bits
            # are the same
            tensor = torch.from_numpy(np.require(array, requirements='W'))
            array = stream(tensor, self.stream, self.pairs).numpy()
        else:
            array = stream(array, self.stream, self.pairs)
        results[self.key] = array
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(stream={self.stream!r}, '
                f'key={self.key!r}, pairs={self.pairs})')

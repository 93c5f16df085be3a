"""Clips of one length."""
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...resampling import resize
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

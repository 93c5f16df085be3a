"""What does not tell actions apart, taken out of a clip."""
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...persons import centre_features, normalize_pose


@TRANSFORMS.register_module()
class NormalizeKeypoint(BaseTransform):
    """Centre a clip's pose and scale it by the size of its people.

    See :func:`hpnet_plugin.persons.normalize_pose`.

    Required Keys:

        - keypoint ((M, T, V, 2), in pixels, or (M, T, V, 3))

    Modified Keys:

        - keypoint (in body sizes, float32)

    Added Keys:

        - keypoint_centre ((2,) or (3,), in the unit of the input)
        - keypoint_scale (float, in the unit of the input)
    """

    def transform(self, results: dict) -> dict:
        """Centre and scale."""
        (results['keypoint'], results['keypoint_centre'],
         results['keypoint_scale']) = normalize_pose(results['keypoint'])
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'


@TRANSFORMS.register_module()
class CentrePooled(BaseTransform):
    """Take the mean of a clip out of each person's pooled features.

    What stays the same through a clip, clothes and rooms above all, is then
    gone; how the features change is left. Frames without the person, all
    zero, do not count and stay zero.

    Required Keys:

        - pooled_feat ((M, T, V, C))

    Modified Keys:

        - pooled_feat (of the same type)

    Args:
        per: ``'joint'``: the mean over time of each joint and channel;
            ``'channel'``: that over time and joints of each channel, which
            keeps what tells the joints apart. Defaults to ``'joint'``.

    Raises:
        ValueError: If ``per`` is none of these.
    """

    def __init__(self, per: str = 'joint') -> None:
        if per not in ('joint', 'channel'):
            raise ValueError(f"per must be 'joint' or 'channel', got {per!r}")
        self.per = per

    def transform(self, results: dict) -> dict:
        """Subtract the mean."""
        results['pooled_feat'] = centre_features(
            results['pooled_feat'], self.per)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(per={self.per!r})'

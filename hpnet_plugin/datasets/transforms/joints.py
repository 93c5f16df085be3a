"""Clips whose joints are known."""
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from .clip import clip_title


@TRANSFORMS.register_module()
class RequireJoints(BaseTransform):
    """Refuse clips that show people whose joints nobody knows.

    Such are those of the authors' feature files, which hold no joints: a
    stream of 2D pose would be trained on zeros, and none would notice. Clips
    in which nobody was found have a score of 0 and are let through.

    Required Keys:

        - keypoint ((M, T, V, 2))
        - keypoint_score ((M, T, V))
    """

    def transform(self, results: dict) -> dict:
        """Look at the joints.

        Raises:
            ValueError: If people are there and all joints at zero.
        """
        if np.any(results['keypoint_score']) and \
                not np.any(results['keypoint']):
            raise ValueError(
                f'{clip_title(results)} shows people, and its joints are '
                'unknown: feature files hold none. Give '
                'hpnet import-released --poses FOLDER, or extract the '
                'videos by hpnet extract --preset released')
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'


@TRANSFORMS.register_module()
class AppendKeypoint(BaseTransform):
    """Put the positions of joints behind their pooled features.

    Table XI: colours sampled at the joints, and the pose, in one net.

    Required Keys:

        - pooled_feat ((M, T, V, C))
        - keypoint ((M, T, V, D))
        - keypoint_score ((M, T, V); only with ``score``)

    Modified Keys:

        - pooled_feat ((M, T, V, C + D), of the same type as before; C + D + 1
          with ``score``)

    Args:
        score: Whether the scores of the joints are the last channel. Defaults
            to False.
    """

    def __init__(self, score: bool = False) -> None:
        self.score = score

    def transform(self, results: dict) -> dict:
        """Append.

        Raises:
            ValueError: If they are not of the same people, frames and joints.
        """
        features, joints = results['pooled_feat'], results['keypoint']
        if features.shape[:-1] != joints.shape[:-1]:
            raise ValueError(
                f'{results.get("frame_dir", "a clip")}: features are of '
                f'{features.shape[:-1]} people, frames and joints, positions '
                f'of {joints.shape[:-1]}: append before anything is cut')
        parts = [features, joints.astype(features.dtype)]
        if self.score:
            parts.append(results['keypoint_score'][..., None].astype(
                features.dtype))
        results['pooled_feat'] = np.concatenate(parts, -1)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(score={self.score})'

"""Heatmap volumes for PoseConv3D from the pose net's own heatmaps."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmaction.datasets.transforms import GeneratePoseTarget
from mmaction.registry import TRANSFORMS

from .clip import clip_arrays, clip_title


@TRANSFORMS.register_module()
class GenerateHeatmapVolume(GeneratePoseTarget):
    """Volumes of what the pose net saw, in place of drawn Gaussians.

    The stock ``GeneratePoseTarget`` draws a Gaussian of one width at each
    joint. This one puts the joint's own heatmap there, as
    ``hpnet extract --tap heatmap`` kept it: an uncertain joint stays wide
    or double. Its size follows what ``PoseCompact``, ``Resize``, crops and
    ``Flip`` did to the joints. Several people are joined by the maximum and
    absent joints (score 0) left out, as in the stock transform.

    Goes where ``GeneratePoseTarget`` does, with
    ``LoadPooledFeature(tap=['heatmap', 'heatmap_scale'])`` right after
    ``UniformSampleFrames``.

    Required Keys:

        - pooled_feat ((M, T, V, S * S + 1): rows of the patch around the
          joint, and how many pixels of the frame one of its cells is wide)
        - keypoint, keypoint_score
        - img_shape, original_shape (now, and of the frame)
        - crop_quadruple, flip (optional; of the stock transforms)

    Added Keys:

        - imgs ((T, V, H, W) float32; twice as many frames with ``double``)

    Args:
        double: Whether to append the mirrored volume. Defaults to False.
        left_kp: Left joints; see ``GeneratePoseTarget``.
        right_kp: Right joints, in the same order.
    """

    def __init__(self,
                 double: bool = False,
                 left_kp: Sequence[int] = tuple(range(1, 17, 2)),
                 right_kp: Sequence[int] = tuple(range(2, 17, 2))) -> None:
        # the stock signature says tuples of one number
        # pyrefly: ignore[bad-argument-type]
        super().__init__(double=double, left_kp=left_kp, right_kp=right_kp)

    def gen_an_aug(self, results: dict) -> np.ndarray:
        """The volume of a clip.

        Args:
            results: The results dict.

        Returns:
            (T, V, H, W), float32.

        Raises:
            ValueError: If the features are no heatmaps, or belong to other
                frames than the joints.
        """
        clip_arrays(results)  # of the same people, frames and joints
        patches, scale = self._patches(results)
        there = np.nonzero(results['keypoint_score'] >= self.eps)
        patches, cells = patches[there], scale[there][:, None]
        cells = cells * self._zoom(results)
        joints = results['keypoint'][there].astype(np.float32)
        height, width = results['img_shape']
        shape = *results['keypoint'].shape[1:3], height, width
        y, rows = _hats(height, joints[:, 1], cells[:, 1], patches.shape[1])
        x, columns = _hats(width, joints[:, 0], cells[:, 0], patches.shape[2])
        _, t, v = there
        places = np.ravel_multi_index(
            (t[:, None, None], v[:, None, None], y[:, :, None],
             x[:, None, :]), shape)
        volume = np.zeros(shape, np.float32)
        np.maximum.at(volume.reshape(-1), places.reshape(-1),
                      (rows @ patches @ columns.swapaxes(1, 2)).reshape(-1))
        return volume

    def _patches(self, results: Mapping[str, Any]
                 ) -> tuple[np.ndarray, np.ndarray]:
        """Patches (M, T, V, S, S) and scales (M, T, V), mirrored if need be.
        """
        features = results['pooled_feat'].astype(np.float32)
        size = round(max(features.shape[-1] - 1, 0)**0.5)
        if size % 2 == 0 or size**2 + 1 != features.shape[-1]:
            raise ValueError(
                f'{clip_title(results)}: GenerateHeatmapVolume needs the taps '
                "['heatmap', 'heatmap_scale'] of a square patch, pooled_feat "
                f'has {features.shape[-1]} channels')
        if results.get('flip', False):
            order = np.arange(features.shape[2])
            order[[*self.left_kp, *self.right_kp]] = [*self.right_kp,
                                                      *self.left_kp]
            features = features[:, :, order]
        patches = features[..., :-1].reshape(*features.shape[:3], size, size)
        if results.get('flip', False):
            patches = patches[..., ::-1]
        # what is below zero says no more than zero does
        return np.maximum(patches, 0), features[..., -1]

    @staticmethod
    def _zoom(results: Mapping[str, Any]) -> np.ndarray:
        """Pixels of the volume a pixel of the frame, along x and y."""
        _, _, *part = results.get('crop_quadruple', (0, 0, 1, 1))
        frame = np.array(results['original_shape'][::-1], np.float32)
        return np.array(results['img_shape'][::-1]) / (part * frame)

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(double={self.double}, '
                f'left_kp={self.left_kp}, right_kp={self.right_kp})')


def _hats(length: int, centres: np.ndarray, cells: np.ndarray, size: int
          ) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear weights, along an axis, of patches around some places.

    Args:
        length: Pixels of the axis, L.
        centres: Pixel of a patch's middle, (N,).
        cells: Pixels that a cell of a patch is wide, (N,).
        size: Cells of a patch, S.

    Returns:
        Pixels that the patches reach, (N, P), moved to the border where they
        lie beyond it, and their weights (N, P, S), float32, which are zero
        there.
    """
    reach = int(np.ceil((size // 2 + 1) * cells.max(initial=0)))
    pixels = np.floor(centres).astype(int)[:, None] + np.arange(
        -reach, reach + 2)
    at = (pixels - centres[:, None]) / cells[:, None] + size // 2
    weights = np.maximum(1 - np.abs(at[..., None] - np.arange(size)), 0)
    inside = np.clip(pixels, 0, length - 1)
    weights[inside != pixels] = 0
    return inside, weights.astype(np.float32)

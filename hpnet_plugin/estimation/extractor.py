"""Crops in, joints and pooled features out: the Feedback Pooling Module."""
import numpy as np
import torch

from ..pooling import pool_at_joints
from .geometry import box_to_window, to_crop, to_frame, warp, window_to_matrix

ASPECTS = ('input', 'frame')


class PooledExtractor:
    """Pose net, taps and pooling as one function of frames and boxes.

    Args:
        net (PoseNet): The pose net with its taps, of
            :func:`hpnet_plugin.estimation.pose.build_pose_net`.
        region (int): R of Eq. 3; see :func:`pool_at_joints`. Defaults to 1.
        grid (str): See :func:`pool_at_joints`. Defaults to ``'exact'``.
        aspect (str): ``'input'``: the crop has the net's aspect ratio;
            ``'frame'``: the frame's height / width, as the released code.
            Defaults to ``'input'``.
        padding (float): Factor by which the crop exceeds the person's box.
            Defaults to 1.25.

    Raises:
        ValueError: If the net has no taps, or ``aspect`` is unknown.
    """

    def __init__(self,
                 net,
                 region=1,
                 grid='exact',
                 aspect='input',
                 padding=1.25):
        if not net.taps:
            raise ValueError('no tap is given: name at least one feature map '
                             'of the pose net to pool')
        if aspect not in ASPECTS:
            raise ValueError(f'aspect must be one of {ASPECTS}, '
                             f'got {aspect!r}')
        self.net, self.region, self.grid = net, region, grid
        self.aspect, self.padding = aspect, padding

    @property
    def record(self):
        """dict: What made the features; `meta` of a feature store."""
        return dict(
            taps=self.net.taps,
            layout=self.net.layout,
            pose=self.net.record,
            region=self.region,
            grid=self.grid,
            aspect=self.aspect,
            padding=self.padding)

    def crop(self, frame, box):
        """Cut a person out.

        Args:
            frame (np.ndarray): (H, W, 3) uint8.
            box (Sequence[float]): x1, y1, x2, y2 in pixels.

        Returns:
            tuple[np.ndarray]: The crop (h, w, 3) and its matrix (2, 3).
        """
        height, width = frame.shape[:2]
        aspect = height / width if self.aspect == 'frame' else 'input'
        window = box_to_window(box, self.net.size, self.padding, aspect)
        matrix = window_to_matrix(*window, self.net.size, self.net.udp)
        return warp(frame, matrix, self.net.size), matrix

    @torch.inference_mode()
    def __call__(self, crops, matrices, joints=None):
        """Joints and pooled features of crops.

        Args:
            crops (np.ndarray): RGB crops, (N, h, w, 3) uint8.
            matrices (np.ndarray): From frame to crop, (N, 2, 3).
            joints (np.ndarray, optional): Joints to pool at, (N, V, 2) in
                pixels of the frame, instead of the net's own.

        Returns:
            tuple: Joints (N, V, 2) in pixels of the frame and scores (N, V),
            float32, and a dict of tap to pooled features (N, V, C), float16.
        """
        output = self.net(crops)
        if joints is None:
            at, scores = output.joints, output.scores
            joints = to_frame(at, matrices)
        else:
            at, scores = to_crop(joints, matrices), None
        at = torch.from_numpy(np.ascontiguousarray(at))
        pooled = {
            tap: pool_at_joints(maps, at, self.net.size, self.region,
                                self.grid).half().cpu().numpy()
            for tap, maps in output.maps.items()}
        return joints, scores, pooled

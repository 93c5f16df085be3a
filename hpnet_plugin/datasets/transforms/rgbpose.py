"""Person-centred clips together with the joints in them."""
import json
import os.path as osp

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...estimation.video_file import named_errors, open_video
from .clip import split_name
from .crops import check_length, find_crops


@TRANSFORMS.register_module()
class MMDecodeCrops(BaseTransform):
    """``MMDecode`` for the crops of a dataset folder.

    The crops, of ``hpnet extract --crops``, have a frame for each frame of
    the annotation and say which window of the original frame each shows:
    joints are moved into the crops by these.

    Required Keys:

        - frame_dir (with the folder of the crops before it:
          ``data_prefix=dict(video='crops')`` of the dataset)
        - RGB_inds, Pose_inds (of ``MMUniformSampleFrames``)
        - total_frames, keypoint, keypoint_score

    Modified Keys:

        - frame_dir (the clip's name, without its folder)
        - keypoint, keypoint_score (of the frames ``Pose_inds``; in pixels of
          the crop; who is absent stays at zero)
        - img_shape, original_shape (of the crops)

    Added Keys:

        - imgs (list of (H, W, 3) uint8, RGB, of the frames ``RGB_inds``)
    """

    def transform(self, results: dict) -> dict:
        """Add the images and move the joints.

        Raises:
            FileNotFoundError: If the clip has no crops.
            ValueError: If they say no windows, or have another number of
                frames than the annotation.
        """
        folder, name = split_name(results)
        crops = find_crops(results, folder, name)
        check_length(results, crops, results['total_frames'])
        windows = _crop_windows(crops.path)
        imgs = crops.read(results['RGB_inds'])
        shape = imgs[0].shape[:2]
        at = results['Pose_inds']
        joints = results['keypoint'][:, at].astype(np.float32)
        absent = np.all(joints == 0, -1)
        low, high = windows[at, None, :2], windows[at, None, 2:]
        # by pixel centres: a window of the crop's size and place is the frame
        joints = (joints + 0.5 - low) * (shape[::-1] / (high - low)) - 0.5
        joints[absent] = 0
        results.update(
            imgs=imgs,
            keypoint=joints.astype(np.float32),
            keypoint_score=results['keypoint_score'][:, at].astype(
                np.float32),
            img_shape=shape,
            original_shape=shape)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}()'


def _crop_windows(path: str) -> np.ndarray:
    """Which part of the original frame each frame of a crop shows.

    ``CropRecorder`` has noted them as the clip's comment: (T, 4) float32, x1,
    y1, x2, y2 in pixels.
    """
    frames, comment = 0, '[]'
    if osp.isfile(path):  # a folder of images says nothing
        with open_video(path) as (container, stream), named_errors(path):
            frames = stream.frames
            comment = container.metadata.get('comment', comment)
    try:
        windows = np.array(json.loads(comment), np.float32)
    except (ValueError, TypeError, OverflowError, RecursionError):
        windows = np.empty(0)
    if windows.shape != (frames, 4):
        raise ValueError(
            f'{path} does not say which windows it shows: it was made by an '
            'earlier version, or changed; remove it and run '
            'hpnet extract again, with --crops')
    return windows

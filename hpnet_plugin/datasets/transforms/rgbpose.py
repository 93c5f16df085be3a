"""Person-centred clips together with the joints in them."""
import os.path as osp

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...estimation.video import probe, read_frames_at
from .clip import clip_name, split_name


@TRANSFORMS.register_module()
class MMDecodeCrops(BaseTransform):
    """``MMDecode`` for the crops of a dataset folder.

    The crops, of ``tools/extract.py --crops``, have a frame for each frame of
    the annotation, and beside each clip lie the windows of the original
    frame that it shows: joints are moved into the crops by these.

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

    def transform(self, results):
        """Add the images and move the joints.

        Args:
            results (dict): The results dict.

        Returns:
            dict: The same, with the keys above.

        Raises:
            FileNotFoundError: If the clip has no crops or no windows.
            ValueError: If they have another number of frames than the
                annotation.
        """
        folder, name = split_name(results)
        path = osp.join(folder, name)
        for file in (path + '.mp4', path + '.npy'):
            if not osp.isfile(file):
                raise FileNotFoundError(
                    f'{clip_name(results)}: {file} is not there: run '
                    'tools/extract.py with --crops (crops of an earlier '
                    'version have no windows, .npy: remove them first)')
        frames = results['total_frames']
        windows = np.load(path + '.npy', allow_pickle=False)
        length = probe(path + '.mp4').frames
        if length != frames or windows.shape != (frames, 4):
            raise ValueError(
                f'{clip_name(results)}: the crops have {length} frames and '
                f'windows {windows.shape}, the annotation {frames} frames; '
                'both must come from the same extraction')
        imgs = read_frames_at(path + '.mp4', results['RGB_inds'])
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

    def __repr__(self):
        return f'{self.__class__.__name__}()'

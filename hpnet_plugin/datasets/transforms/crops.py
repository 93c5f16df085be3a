"""Person-centred RGB clips."""
from __future__ import annotations

import os.path as osp
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...resampling import middle_frames, segments
from ..crops import SIZE, Crops, read_timelines
from .clip import clip_title, split_name


@TRANSFORMS.register_module()
class LoadPersonCrops(BaseTransform):
    """Load frames of a person-centred clip, spread over its length.

    The clip, written by ``hpnet extract --crops``, has a frame for each
    frame of the pooled features: both share one timeline. It is cut into
    ``num_frames`` equal segments, and of each a frame is taken: a random one
    in training, the middle one in testing (X-CLIP's sampling). Only these are
    decoded. Clips with fewer frames repeat them.

    Crops on a timeline of their own, such as the authors' images beside
    their features of 64 frames, are those that ``hpnet import-released
    --crops`` has counted, clip by clip (``frames.json`` in their folder).
    They are cut into segments by themselves: the whole of them shows what
    the whole of the features does. Any other crops whose number is not that
    of the annotation's frames are of another cut of the clip, and refused.
    Where nobody was seen there are no crops, and images are black.

    Goes before ``ResizeTemporal``; a ``RandomTemporalCrop`` before it cuts
    the images to the same stretch.

    Required Keys:

        - frame_dir (with the folder that ``PoseDataset`` puts before it)
        - total_frames
        - frame_start, stored_frames (optional; of ``RandomTemporalCrop``)
        - crops (optional; in place of a file, an object with ``frames`` and
          ``read`` of :class:`hpnet_plugin.datasets.crops.Crops`)

    Modified Keys:

        - frame_dir (the clip's name, without its folder)
        - img_shape (height and width of the images)

    Added Keys:

        - original_shape (where it is not there: the former img_shape, of the
          frames that keypoint is in)
        - imgs (list of num_views * num_frames (H, W, 3) uint8, RGB)
        - modality

    Args:
        num_frames: T, frames a view. Defaults to 8.
        num_views: Views in testing, whose frames are evenly spread within the
            segments. Defaults to 1.
        folder: Folder of the clips. Defaults to None: ``crops`` in the dataset
            folder.
        test_mode: Whether to take the middle frames. The pipelines of
            validation and test say so themselves, as with the stock
            samplers: a dataset's ``test_mode`` does not reach its transforms.
            Defaults to False.

    Raises:
        ValueError: If a number is below 1, or several views are for training.
    """

    def __init__(self,
                 num_frames: int = 8,
                 num_views: int = 1,
                 folder: str | None = None,
                 test_mode: bool = False) -> None:
        if num_frames < 1 or num_views < 1:
            raise ValueError('num_frames and num_views must be at least 1, '
                             f'got {num_frames} and {num_views}')
        if num_views > 1 and not test_mode:
            raise ValueError(f'num_views={num_views} needs test_mode=True: '
                             'training has one view')
        self.num_frames = num_frames
        self.num_views = num_views
        self.test_mode = test_mode
        self.folder = folder
        self._timelines = {}

    def _timeline(self, folder: str) -> dict[str, int]:
        """Of the crops in a folder, read once a process."""
        if folder not in self._timelines:
            self._timelines[folder] = read_timelines(folder)
        return self._timelines[folder]

    @cache_randomness
    def _draw(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.random.randint(low, np.maximum(high, low + 1))

    def sample(self, frames: int) -> np.ndarray:
        """Numbers of the frames that are taken.

        Args:
            frames: Frames of the clip, F.

        Returns:
            (num_views * T,), view by view.
        """
        if self.test_mode:
            return middle_frames(frames, self.num_frames, self.num_views)
        return self._draw(*segments(frames, self.num_frames))

    def transform(self, results: dict) -> dict:
        """Add the images.

        Raises:
            FileNotFoundError: If the clip has no crops.
            ValueError: If they have another number of frames than the
                annotation or, on a timeline of their own, than they had;
                or frames were resampled before.
        """
        folder, name = split_name(results)
        if 'clip_len' in results:
            raise ValueError(f'{clip_title(results)}: LoadPersonCrops goes '
                             'before transforms that resample the frames')
        folder = self.folder or osp.join(osp.dirname(folder), 'crops')
        frames = results['total_frames']
        start = results.get('frame_start', 0)
        stored = results.get('stored_frames', frames)
        given = results.get('crops')
        own = self._timeline(folder).get(name) if given is None else None
        if own == 0:
            imgs = [np.zeros((SIZE, SIZE, 3), np.uint8)] * len(self.sample(1))
        else:
            crops = given or find_crops(results, folder, name)
            if own is None:
                check_length(results, crops, stored)
            elif crops.frames != own:
                raise ValueError(
                    f'{clip_title(results)}: {crops.path} has {crops.frames} '
                    f'frames, and had {own} when hpnet import-released took '
                    'it: run that again')
            else:
                # the stretch that RandomTemporalCrop has left
                end = -(-(start + frames) * own // stored)
                start = start * own // stored
                frames = end - start
            imgs = crops.read(start + self.sample(frames))
        results['imgs'] = imgs
        if 'img_shape' in results:
            results.setdefault('original_shape', results['img_shape'])
        results['img_shape'] = imgs[0].shape[:2]
        results['modality'] = 'RGB'
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(num_frames={self.num_frames}, '
                f'num_views={self.num_views}, folder={self.folder!r}, '
                f'test_mode={self.test_mode})')


def find_crops(results: Mapping[str, Any], folder: str, name: str) -> Crops:
    """Crops of a clip.

    Args:
        results: The clip, for messages.
        folder: Of all clips' crops.
        name: Of the clip.

    Returns:
        The crops.

    Raises:
        FileNotFoundError: If there are none.
    """
    try:
        return Crops.of(folder, name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{clip_title(results)} has no crops: {error}') from None


def check_length(results: Mapping[str, Any], crops: Crops, frames: int
                 ) -> None:
    """Refuse crops of another cut of a clip than its annotation.

    Args:
        results: The clip, for messages.
        crops: Its crops.
        frames: Frames of its annotation.

    Raises:
        ValueError: If the crops have another number of frames.
    """
    if crops.frames != frames:
        raise ValueError(
            f'{clip_title(results)}: {getattr(crops, "path", "it")} has '
            f'{crops.frames} frames, the annotation {frames}; both must come '
            'from the same extraction. (Crops that others cut are taken by '
            'hpnet import-released --crops FOLDER)')

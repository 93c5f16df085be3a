"""People found by a detector of mmdet."""
from __future__ import annotations

import os.path as osp
from typing import Any, cast

import numpy as np

from .boxes import best_first
from .people import People, PersonSource, short


class MMDetDetector(PersonSource):
    """The persons of any detector of mmdet.

    It is looked at every 4th frame, like :class:`OnnxDetector`: boxes moved
    linearly between have a mean IoU of 0.97 (NTU RGB+D at 30 frames a
    second) and 0.92 (NW-UCLA at 15) with those of each frame.

    Args:
        config: Path of the config.
        checkpoint: Weights; by default ``load_from``.
        device: Defaults to ``'cpu'``.
        score_thr: Least score. Defaults to 0.3.

    Raises:
        ValueError: If it is no detector of persons, or no weights are named.
    """

    every = 4

    def __init__(self, config: str, checkpoint: str | None = None,
                 device: str = 'cpu', score_thr: float = 0.3) -> None:
        # mmdet and what it imports cost seconds: only who needs it pays
        from mmcv.transforms import Compose
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg, register_all_modules
        from mmengine import DefaultScope

        from ..config_text import read_config
        from .checkpoints import check_weights, load_weights, local_file

        settings = read_config(config, imports=True)
        checkpoint = checkpoint or settings.get('load_from')
        if not checkpoint:
            raise ValueError(f'{config} names no weights (load_from): give a '
                             'checkpoint of the detector')
        checkpoint = local_file(checkpoint)
        check_weights(checkpoint)
        register_all_modules(init_default_scope=False)
        # mmdet would make its scope the default of the whole process
        settings.default_scope = None
        with DefaultScope.overwrite_default_scope('mmdet'):
            try:
                # Any: mmdet has no types
                self.model = cast(Any, init_detector(
                    settings, checkpoint, palette='coco', device=device))
            except Exception as error:
                raise ValueError(
                    f'{config} describes no detector that mmdet can build: '
                    f'{type(error).__name__}: {error}') from None
            self.sha256 = load_weights(self.model, checkpoint)
            # pyrefly: ignore[bad-argument-type]  # mmdet means Config
            steps = get_test_pipeline_cfg(settings.copy())
            steps[0].type = 'mmdet.LoadImageFromNDArray'
            self.pipeline = cast(Any, Compose(steps))
        classes = self.model.dataset_meta['classes']
        if 'person' not in classes:
            raise ValueError(f"{config} detects no class 'person' but "
                             f'{short(list(classes))}')
        self.person = classes.index('person')
        self.name = osp.splitext(osp.basename(config))[0]
        self.score_thr = score_thr

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Look at some frames, as one batch.

        See :meth:`PersonSource.people`.
        """
        import torch
        if not frames:
            return []
        # mmdet's own inference_detector goes image by image
        data = [self.pipeline(dict(img=frame[..., ::-1], img_id=0))
                for frame in frames]
        with torch.inference_mode():
            results = self.model.test_step(
                {key: [item[key] for item in data]
                 for key in ('inputs', 'data_samples')})
        return [People(self._persons(result.pred_instances, frame.shape))
                for result, frame in zip(results, frames)]

    def _persons(self, found: Any, shape: tuple[int, ...]) -> np.ndarray:
        found = found[(found.labels == self.person)
                      & (found.scores >= self.score_thr)].cpu()
        boxes = np.c_[found.bboxes.numpy(), found.scores.numpy()]
        boxes[:, :4] = boxes[:, :4].clip(0, (shape[1], shape[0]) * 2)
        return best_first(boxes[(boxes[:, 2:4] > boxes[:, :2]).all(1)])

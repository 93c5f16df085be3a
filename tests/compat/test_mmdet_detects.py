"""Detectors of mmdet's own configs detect through the served kernels."""
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.utils import register_all_modules
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torchvision.ops import box_iou


@pytest.fixture(autouse=True)
def scope():
    """mmdet would make its scope the default of the whole process."""
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.mark.parametrize('name, clips', [
    ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', True),
    ('yolox/yolox_tiny_8xb8-300e_coco.py', False),
])
def test_detects_end_to_end(name, clips):
    torch.manual_seed(0)
    config = get_config(f'mmdet::{name}')
    # Untrained scores are below any threshold, and untrained statistics let
    # the box sizes, exponentials, overflow: take those of the image.
    config.model.test_cfg.score_thr = 0.0
    model = init_detector(config, device='cpu', palette='coco')
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    image = np.random.default_rng(0).integers(
        0, 256, (180, 240, 3), dtype=np.uint8)
    found = inference_detector(model, image).pred_instances
    boxes, labels = found.bboxes, found.labels
    assert len(boxes) > 10
    assert boxes.isfinite().all()
    assert found.scores.isfinite().all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    if clips:
        assert boxes.min() >= 0
        assert (boxes.max(0).values <= torch.tensor([240, 180] * 2)).all()
    # What is left of a class overlaps by no more than its own config allows.
    overlap = box_iou(boxes, boxes).triu(1)
    overlap[labels[:, None] != labels] = 0
    assert overlap.max() <= config.model.test_cfg.nms.iou_threshold + 1e-4

"""HRNet-W48 with SimCC head, the pose net of the released features."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DefaultScope
from torch import nn

from .kind import Kind

_HRNET = ('mmpose::body_2d_keypoint/topdown_heatmap/coco/'
          'td-hm_hrnet-w48_8xb32-210e_coco-256x192.py')


def _build(options: Mapping[str, Any]) -> nn.Module:
    """The net of configs/pose/hrnet-w48_simcc_coco-256x192.py."""
    from mmengine.hub import get_config
    from mmpose.models import HRNet, SimCCHead
    backbone = get_config(_HRNET).model.backbone
    del backbone.type
    with DefaultScope.overwrite_default_scope('mmpose'):
        return nn.ModuleDict(
            dict(
                backbone=HRNet(**backbone),
                head=SimCCHead(
                    in_channels=48, out_channels=17, input_size=(192, 256),
                    in_featuremap_size=(48, 64), deconv_out_channels=None)))


KIND = Kind(
    what='released HRNet-W48 with SimCC head',
    rules={
        r'((?:conv[12]|bn[12]|layer1|transition\d|stage\d)\..+)':
        r'backbone.\1',
        r'((?:final_layer|mlp_head_[xy])\..+)': r'head.\1',
    },
    left_out={},
    needs=('conv1.weight', 'stage4.0.branches.0.0.conv1.weight',
           'mlp_head_x.weight', 'mlp_head_y.weight'),
    options=lambda state: {},
    build=_build,
    fresh=(),
    use='--checkpoint {} of hpnet extract, with --pose '
    'configs/pose/hrnet-w48_simcc_coco-256x192.py')

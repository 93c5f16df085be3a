"""HP-Net as the released code saves it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .ctrgcn import GCN_NEEDS, ctrgcn_options
from .kind import LOAD_FROM, Kind
from .xclip_weights import (
    XCLIP_NEEDS,
    XCLIP_RULES,
    build_recognizer,
    xclip_options,
)


def _options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The released code feeds GCN1 with the motion, not with the joints."""
    return dict(
        **xclip_options(state),
        topology=dict(
            type='SMCLM',
            streams=('jm', 'jm', 'b'),
            graph='released',
            model=dict(type='CTRGCN', **ctrgcn_options(state, 'GCN1.'))),
        cls_head=dict(
            num_classes=len(state['ske_fc1.weight']),
            fusion=dict(
                type='TRMM', eta='text', mlp='released', init='released')))


KIND = Kind(
    what='released HP-Net recogniser',
    rules={
        **XCLIP_RULES,
        **{rf'GCN{i + 1}\.((?!fc\.).+)': rf'topology.models.{i}.\1'
           for i in range(3)},
        **{rf'ske_fc{i + 1}\.(.+)': rf'cls_head.classifiers.{i}.\1'
           for i in range(3)},
        r'ske_film\.fc_(gamma|beta)\.(.+)': r'cls_head.fusion.\1.\2',
        r'ske_film\.fc1\.(.+)': r'cls_head.fusion.p3.\1',
        r'ske_film\.fc2\.(.+)': r'cls_head.fusion.p4.\1',
    },
    left_out={r'GCN[123]\.fc\..+': 'the released model never uses them'},
    needs=(*XCLIP_NEEDS, *(f'GCN1.{key}' for key in GCN_NEEDS),
           'ske_fc1.weight'),
    options=_options,
    build=build_recognizer,
    fresh=(),
    use='--checkpoint {} of mim test, or ' + LOAD_FROM)

"""A stream of CTR-GCN as the released code of HP-Net saves it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmaction.registry import MODELS
from torch import Tensor, nn

from .kind import Kind

GCN_NEEDS = ('l1.gcn1.convs.0.conv1.weight', 'l1.gcn1.PA', 'data_bn.weight')


def ctrgcn_options(state: Mapping[str, Tensor], prefix: str = ''
                   ) -> dict[str, Any]:
    """Options of the graph network that weights belong to.

    Args:
        state: The weights.
        prefix: Of their names.

    Returns:
        Of the backbone's config.
    """
    channels = state[f'{prefix}l1.gcn1.convs.0.conv1.weight'].shape[1]
    joints = state[f'{prefix}l1.gcn1.PA'].shape[-1]
    return dict(
        in_channels=channels,
        num_person=len(state[f'{prefix}data_bn.weight']) // joints // channels,
        graph='released')


def _options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return dict(backbone=ctrgcn_options(state),
                cls_head=dict(num_classes=len(state['fc.weight'])))


def _build(options: Mapping[str, Any]) -> nn.Module:
    return MODELS.build(
        dict(
            type='RecognizerGCN',
            backbone=dict(type='CTRGCN', **options['backbone']),
            cls_head=dict(
                type='GCNHead', in_channels=256, **options['cls_head'])))


KIND = Kind(
    what='released CTR-GCN stream',
    rules={
        r'((?:data_bn|l\d+)\..+)': r'backbone.\1',
        r'(fc\..+)': r'cls_head.\1',
    },
    left_out={},
    needs=(*GCN_NEEDS, 'fc.weight'),
    options=_options,
    build=_build,
    fresh=(),
    use='--checkpoint {} of mim test, with a config of configs/streams; '
    "for bones with GenPooledStream(pairs='released')")

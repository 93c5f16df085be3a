"""The graph networks, each written once."""
from __future__ import annotations

from typing import Any

NETS = {
    'ctrgcn': dict(type='CTRGCN'),
    # 80 channels are the published width
    'mixformer': dict(type='SkeletonMixFormer', base_channels=80),
    # of the toolbox
    'stgcn': dict(type='STGCN', graph_cfg=dict(mode='stgcn_spatial')),
    'stgcnpp': dict(
        type='STGCN',
        graph_cfg=dict(mode='spatial'),
        gcn_adaptive='init',
        gcn_with_res=True,
        tcn_type='mstcn'),
    # one of the two streams of 2s-AGCN: AAGCN without attention
    'agcn': dict(
        type='AAGCN', graph_cfg=dict(mode='spatial'), gcn_attention=False),
}
WIDTH = 64  # base_channels of a net that does not say it
SMALL_WIDTH = 32


def graph_net(name: str,
              channels: int,
              people: int,
              size: str = 'full',
              joints: str | dict = 'coco') -> tuple[dict[str, Any], int]:
    """Config of a graph network.

    Args:
        name: A key of ``NETS``.
        channels: Channels of a joint, C.
        people: People a clip, M.
        size: ``'full'``, or ``'small'`` for half the width.
        joints: Name of the joints' graph, or the graph itself,
            as the networks take it.

    Returns:
        tuple[dict, int]: The backbone, and the channels that it returns.
    """
    net = dict(NETS[name], in_channels=channels, num_person=people)
    if 'graph_cfg' in net:
        net['graph_cfg'] = dict(net['graph_cfg'], layout=joints)
    else:
        net['graph'] = joints
    if size == 'small':
        net['base_channels'] = SMALL_WIDTH
    return net, 4 * net.get('base_channels', WIDTH)

"""The graph networks, each written once.

``FILE.py:NAME`` is a network of a user's own: NAME is a function of the
arguments of :func:`graph_net` but the first, and returns what that returns.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import adjacency
from ..own_files import is_own_name, own_name
from .settings import SettingError

NETS: dict[str, dict[str, Any]] = {
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
# take what stands before the blocks, and parts of the input
OWN_NETS = ('CTRGCN', 'SkeletonMixFormer')
LINEAR = 'linear'  # no graph network: a linear layer on statistics
# a graph network of the pose, with statistics of the features beside it
JOINT_NETS = tuple(f'{net}+{LINEAR}' for net in ('ctrgcn', 'mixformer'))
SEGMENTS = 6
WHOLE = 3  # statistics of the whole clip, see SegmentStatistics
WIDTH = 64  # base_channels of a net that does not say it
SMALL_WIDTH = 32


def graph_net(name: str,
              channels: int,
              people: int,
              size: str = 'full',
              joints: str | dict = 'coco') -> tuple[dict[str, Any], int]:
    """Config of a graph network.

    Args:
        name: A key of ``NETS``, or ``FILE.py:NAME``.
        channels: Channels of a joint, C.
        people: People a clip, M.
        size: ``'full'``, or ``'small'`` for half the width.
        joints: Name of the joints' graph, or the graph itself,
            as the networks take it.

    Returns:
        The backbone, and the channels that it returns.

    Raises:
        SettingError: If a function of the user's own returns anything else.
    """
    if is_own_name(name):
        found = own_name(name)(channels, people, size, joints)
        if not (isinstance(found, tuple) and len(found) == 2
                and isinstance(found[0], Mapping) and 'type' in found[0]
                and isinstance(found[1], int)):
            raise SettingError(
                f'net={name!r} returned {found!r:.80}; expected the config '
                'of the network, dict(type=…), and its number of channels')
        return dict(found[0]), found[1]
    net: dict[str, Any] = dict(
        NETS[name], in_channels=channels, num_person=people)
    if 'graph_cfg' in net:
        net['graph_cfg'] = dict(net['graph_cfg'], layout=joints)
    else:
        net['graph'] = joints
    if size == 'small':
        net['base_channels'] = SMALL_WIDTH
    return net, 4 * net.get('base_channels', WIDTH)


def linear_net(channels: int, people: int, joints: str | dict = 'coco',
               taps: Sequence[int] = ()) -> tuple[dict[str, Any], int]:
    """Config of the statistics that a linear layer classifies.

    Args:
        channels: Channels of a joint, C.
        people: People a clip, M.
        joints: Name of the joints' graph, or the graph itself.
        taps: Channels of each tap, if there are several. They count the same,
            and what follows them, the pose, counts as one more.

    Returns:
        See :func:`graph_net`.
    """
    net: dict[str, Any] = dict(
        type='SegmentStatistics', in_channels=channels, num_person=people,
        graph=joints, num_segments=SEGMENTS)
    if len(taps) > 1:
        rest = channels - sum(taps)
        net['parts'] = [*taps, rest] if rest else list(taps)
    return net, (SEGMENTS + WHOLE) * adjacency(joints).shape[1] * channels


def joint_net(name: str, channels: int, people: int, size: str = 'full',
              joints: str | dict = 'coco', taps: Sequence[int] = ()
              ) -> tuple[dict[str, Any], list[int]]:
    """Config of a graph network of the pose beside statistics of features.

    Args:
        name: One of ``JOINT_NETS``.
        channels: Channels of a joint, the last 3 of which are the pose's.
        people: See :func:`graph_net`.
        size: Likewise.
        joints: Likewise.
        taps: See :func:`linear_net`.

    Returns:
        The backbone, and the channels that each of its branches returns.
    """
    pose, width = graph_net(name.partition('+')[0], 3, people, size, joints)
    whole, statistics = linear_net(channels, people, joints, taps)
    shared = ('in_channels', 'num_person', 'graph')
    return dict(
        whole, type='PoseAndStatistics',
        pose={key: value for key, value in pose.items() if key not in shared}
    ), [width, statistics]


def balance(backbone: dict[str, Any], parts: Sequence[int]) -> None:
    """Give parts of the input the same variance behind its norm.

    Args:
        backbone: The config of a network, changed in place. Networks of the
            toolbox and the user's own cannot do it and are left as they are.
        parts: Channels of each part.
    """
    if backbone['type'] in OWN_NETS:
        backbone['parts'] = list(parts)

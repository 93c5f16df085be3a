"""Streams: what a graph network sees of each joint, each kind once.

A stream is a kind and what is made of it: ``j`` joints, ``b`` bones, ``jm``
and ``bm`` their motion. ``hp_bm`` is the bones' motion of pooled features.
``FILE.py:NAME_bm`` is that of a kind of a user's own: NAME is a function of
settings and facts to a :class:`Kind`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..facts import Facts
from ..own_files import is_own_name, own_name
from .data import PACK, loaders
from .methods import apply_methods, parse_methods
from .nets import (
    JOINT_NETS,
    LINEAR,
    NETS,
    balance,
    graph_net,
    joint_net,
    linear_net,
)
from .parts import Parts
from .schedules import sgd
from .settings import Recipe, SettingError, class_names

PARTS = ('j', 'b', 'jm', 'bm')
SIMCC = 'coordinates', 384 + 512  # tap, and the bins of x and of y
RGB = 'rgb', 5 * 5 * 3  # tap, and the colours of 5 x 5 points
WORKERS = dict(paper=4, short=2, small=0)

# NW-UCLA's 20 joints: hip centre, spine, shoulder centre, head, left arm,
# right arm, left leg, right leg
KINECT = dict(
    num_node=20,
    inward=[(0, 1), (1, 2), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2),
            (9, 8), (10, 9), (11, 10), (12, 0), (13, 12), (14, 13), (15, 14),
            (16, 0), (17, 16), (18, 17), (19, 18)],
    center=2)


class Kind(NamedTuple):
    """What a stream reads of a clip.

    Attributes:
        load (list[dict]): The transforms that load it.
        channels (int): Channels of a joint.
        key (str): Where it stands in the results.
        joints (str | dict): The graph of the joints.
        dataset (dict): Other settings of the dataset.
        pose (bool): Whether joints, centred and scaled, and their scores are
            put behind the features, as 3 of the channels. They are what is
            made of them, as features are: bones of joints beside bones of
            features. Scores stay as they are.
        taps (Sequence[int]): Channels of each tap, for pooled features.
    """
    load: list[dict[str, Any]]
    channels: int
    key: str
    joints: str | dict = 'coco'
    dataset: dict[str, Any] = {}
    pose: bool = False
    taps: Sequence[int] = ()


def _pooled(taps: Sequence[str], channels: int) -> Kind:
    """What the feature store holds of each joint."""
    tap = taps[0] if len(taps) == 1 else list(taps)
    return Kind([dict(type='LoadPooledFeature', tap=tap)],
                channels,
                'pooled_feat',
                dataset=dict(data_prefix=dict(video='features')))


def _hp(settings: Mapping[str, Any], facts: Facts) -> Kind:
    if not settings['taps']:
        raise SettingError(f'{facts.folder} holds no pooled features: take a '
                           "stream of another kind, such as 'pose_j'")
    return _pooled(settings['taps'], settings['channels'])._replace(
        taps=settings['widths'])


def _hp_pose(settings: Mapping[str, Any], facts: Facts) -> Kind:
    """Features of a joint, its position and its score, in one net."""
    pooled = _hp(settings, facts)
    return pooled._replace(
        load=[*pooled.load, dict(type='NormalizeKeypoint')],
        channels=pooled.channels + 3,
        dataset=dict(pooled.dataset, joints=True), pose=True)


def _simcc(settings: Mapping[str, Any], facts: Facts) -> Kind:
    tap, channels = SIMCC
    return _pooled((tap, ), facts.taps.get(tap, channels))


def _rgb(settings: Mapping[str, Any], facts: Facts) -> Kind:
    tap, channels = RGB
    return _pooled((tap, ), facts.taps.get(tap, channels))


def _rgb_pose(settings: Mapping[str, Any], facts: Facts) -> Kind:
    """Colours of a joint and its position, together (Table XI)."""
    colours = _rgb(settings, facts)
    return colours._replace(
        load=[*colours.load, *_pose(settings, facts).load,
              dict(type='AppendKeypoint')],
        channels=colours.channels + 2,
        # PooledDataset does not read joints beside features
        dataset=dict(colours.dataset, type='PoseDataset'))


def _pose(settings: Mapping[str, Any], facts: Facts) -> Kind:
    # in pixels, as the released code has it, only by request
    load = 'NormalizeKeypoint' if settings['normalize'] else 'RequireJoints'
    return Kind([dict(type=load)], 2, 'keypoint')


def _pose3d(settings: Mapping[str, Any], facts: Facts) -> Kind:
    """Joints of Kinect, a file of the same folder."""
    load, joints = [dict(type='PreNormalize3D')], 'nturgb+d'
    if facts.joints3d == 'kinect':
        # PreNormalize3D puts the origin of 20 joints into a foot
        load, joints = [*load, dict(type='NormalizeKeypoint')], KINECT
    return Kind(load, 3, 'keypoint', joints,
                dict(type='PoseDataset', ann_file='annotations_3d.pkl'))


KINDS: dict[str, Callable[[Mapping[str, Any], Facts], Kind]] = dict(
    hp=_hp, pose=_pose, pose3d=_pose3d, simcc=_simcc, rgb=_rgb,
    rgb_pose=_rgb_pose, **{'hp+pose': _hp_pose})
STREAMS = tuple(f'{kind}_{part}' for kind in KINDS for part in PARTS)


def stream(settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Config of a stream: a graph network on one kind of input.

    Args:
        settings: ``stream``, ``net``, ``normalize`` (whether 2D pose
            is centred and scaled), ``methods`` (see
            :mod:`hpnet_plugin.recipes.methods`) and the common ones; see
            :class:`~hpnet_plugin.recipes.settings.Recipe`.
        facts: The dataset.

    Returns:
        The config.

    Raises:
        SettingError: If a net of features and pose gets a stream
            without one of them.
    """
    kind, part = kind_of(settings, facts)
    if settings['net'] in JOINT_NETS and not kind.pose:
        raise SettingError(f'net={settings["net"]!r} reads features and pose: '
                           'take a stream such as hp+pose_j')
    schedule = sgd(settings['schedule'], settings['epochs'])
    parts = Parts(
        stream=settings['stream'],
        model=graph_model(settings, facts, kind.channels, kind.joints,
                          kind.taps),
        optimizer=schedule.config['optim_wrapper']['optimizer'],
        features=_features(kind),
        joints=kind.joints,
        frames=settings['frames'],
        load=kind.load)
    if kind.pose:
        balance(parts.backbone, (kind.channels - 3, 3))
    apply_methods(settings['methods'], parts)
    after = [
        dict(type='GenPooledStream', stream=part,
             key=[kind.key, 'keypoint'] if kind.pose else kind.key,
             pairs=kind.joints),
        *[dict(type='AppendKeypoint', score=True)] * kind.pose,
        dict(type='FormatPooledInput', key=kind.key,
             num_person=settings['people']), PACK
    ]
    dataset: dict[str, Any] = kind.dataset
    if settings['methods'] and dataset.get('type') == 'PoseDataset':
        # which does not know the seed of a clip
        dataset = dict(dataset, type='PooledDataset', joints=True)
    return dict(
        model=parts.model,
        **loaders(facts, [*parts.before(True), *after],
                  [*parts.before(False), *after], schedule.batch_size,
                  WORKERS[settings['schedule']], collate='stack_in_worker',
                  **dataset),
        **schedule.config,
        **(dict(custom_hooks=parts.hooks) if parts.hooks else {}))


def _features(kind: Kind) -> int:
    """Leading channels of a kind that are pooled features."""
    if kind.key != 'pooled_feat':
        return 0
    appended = any(step['type'] == 'AppendKeypoint' for step in kind.load)
    return kind.channels - 3 * kind.pose - 2 * appended


def kind_of(settings: Mapping[str, Any], facts: Facts) -> tuple[Kind, str]:
    """What a stream reads, and the part that it makes of it.

    Args:
        settings: Of the recipe.
        facts: The dataset.

    Returns:
        The kind, and one of ``PARTS``.

    Raises:
        SettingError: If a name of the user's own is no kind of streams.
    """
    stream = settings['stream']
    name, _, part = stream.rpartition('_')
    if not is_own_name(stream):
        return KINDS[name](settings, facts), part
    if part not in PARTS or not is_own_name(name):
        raise SettingError(f'stream={stream!r}: a stream of your own is '
                           f'called FILE.py:NAME_PART, PART is one of '
                           f'{", ".join(PARTS)}')
    kind = own_name(name)(settings, facts)
    if not isinstance(kind, Kind):
        raise SettingError(f'stream={stream!r}: {name} returned '
                           f'{kind!r:.80}; expected a Kind of '
                           'hpnet_plugin.recipes')
    return kind, part


def graph_model(settings: Mapping[str, Any], facts: Facts, channels: int,
                joints: str | dict = 'coco', taps: Sequence[int] = ()
                ) -> dict[str, Any]:
    """Config of a graph network with its head.

    Args:
        settings: ``net``, ``people`` and ``size``.
        facts: The dataset.
        channels: Channels of a joint.
        joints: The graph of the joints.
        taps: Channels of each tap, of which networks with ``linear`` in
            their name make parts that count the same.

    Returns:
        The model.
    """
    name, people = settings['net'], settings['people']
    linear = name == LINEAR or name in JOINT_NETS
    size = settings['size']
    if name in JOINT_NETS:
        backbone, branches = joint_net(name, channels, people, size, joints,
                                       taps)
        head: dict[str, Any] = dict(type='BranchHead', branches=branches)
    else:
        backbone, width = linear_net(channels, people, joints, taps) \
            if linear else graph_net(name, channels, people, size, joints)
        head = dict(type='GCNHead', in_channels=width)
    classes = len(class_names(facts))
    return dict(
        type='RecognizerGCN',
        # casts to float32 on the device: float16 features travel at half
        # the size
        data_preprocessor=dict(type='BatchDataPreprocessor'),
        backbone=backbone,
        # 'score': dumps hold logits, which is what streams are fused from
        cls_head=dict(
            **head,
            average_clips='score',
            num_classes=classes,
            init_cfg=dict(
                type='Normal', layer='Linear',
                # what no clip ever moves shall not count: there are more
                # statistics than clips
                std=0. if linear else (2 / classes)**0.5)))


RECIPES = dict(
    stream=Recipe(
        stream,
        dict(stream=STREAMS, net=(*NETS, LINEAR, *JOINT_NETS),
             normalize=(True, False), methods=('', )),
        own=('stream', 'net'),
        checks=dict(methods=parse_methods)))

"""Methods for small datasets: what a stream may be trained with beside.

``methods='mixup=0.4+flip+crop'`` names any of ``METHODS``, each with a
strength or without one. Their order makes no difference. Each changes the
:class:`~hpnet_plugin.recipes.parts.Parts` that a stream's config is made
of, and none is a default.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..benchmark_files import closest
from .nets import OWN_NETS
from .parts import Parts, UnsuitableError
from .settings import SettingError


class Method(NamedTuple):
    """A method.

    Attributes:
        about: What it does, in one sentence.
        strength: What its strength is; '' if it has none.
        default: The strength where none is said.
        low: The least strength.
        high: The largest strength.
        source: Where it comes from.
        apply: Changes the parts by a strength.
    """
    about: str
    strength: str
    default: float
    low: float
    high: float
    source: str
    apply: Callable[[Parts, float], object]


def parse_methods(text: object) -> dict[str, float]:
    """Names and strengths of the setting ``methods``.

    Args:
        text: ``'mixup=0.4+flip'``; ``''`` for none.

    Returns:
        Name to strength, in the order of ``METHODS``.

    Raises:
        SettingError: If there is no such method or strength.
    """
    if not isinstance(text, str):
        raise SettingError(f'methods={text!r}: give names joined by +, such '
                           "as methods='mixup=0.4+flip', or ''")
    found: dict[str, float] = {}
    for part in text.split('+') if text else ():
        name, given, value = part.strip().partition('=')
        if name not in METHODS:
            raise SettingError(f'methods={text!r}: there is no method '
                               f'{name!r}' + closest(name, METHODS))
        if name in found:
            raise SettingError(f'methods={text!r}: {name} is there twice')
        found[name] = _strength(name, value) if given else \
            METHODS[name].default
    return {name: found[name] for name in METHODS if name in found}


def _strength(name: str, text: str) -> float:
    method = METHODS[name]
    if not method.strength:
        raise SettingError(f'methods: {name}={text}: {name} has no strength; '
                           f'write {name} alone')
    whole = isinstance(method.default, int)
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = None
    if value is None or not method.low <= value <= method.high:
        kind = 'a whole number' if whole else 'a number'
        raise SettingError(
            f'methods: {name}={text}: its strength is the {method.strength}, '
            f'{kind} from {method.low:g} to {method.high:g}')
    return value


def apply_methods(text: str, parts: Parts) -> None:
    """Change the parts of a config by the setting ``methods``.

    Args:
        text: See :func:`parse_methods`.
        parts: Changed in place.

    Raises:
        SettingError: If there is no such method, or it does not suit the
            stream or the network.
    """
    for name, strength in parse_methods(text).items():
        try:
            METHODS[name].apply(parts, strength)
        except UnsuitableError as error:
            raise SettingError(f'methods: {name}: {error}') from None
    if parts.mixing:
        parts.model['data_preprocessor'] = dict(
            parts.model['data_preprocessor'],
            blending=dict(
                type='MixClips', num_classes=parts.head['num_classes'],
                **parts.mixing,
                **(dict(features=parts.features) if parts.features else {})))
    if parts.front:
        parts.backbone['front'] = parts.front


def _sides(parts: Parts) -> None:
    """Refuse joints whose left and right nobody knows."""
    if parts.joints not in ('coco', 'released'):
        raise UnsuitableError(
            f'the left and right joints of stream={parts.stream!r} are not '
            'known; it works on those of COCO')


def _features(parts: Parts) -> None:
    """Refuse streams without pooled features."""
    if not parts.features:
        raise UnsuitableError(
            f'stream={parts.stream!r} has no pooled features, which it '
            'changes; take a stream such as hp_j')


def _own_net(parts: Parts, *nets: str) -> None:
    if parts.backbone['type'] not in nets:
        raise UnsuitableError(f'{parts.backbone["type"]} cannot take it; '
                              f'{" and ".join(nets)} can')


def _of_pose(parts: Parts) -> dict[str, Any]:
    """Keys of what is changed, where the statistics shall stay as they are.

    They lose by stretches and exchanged sides (docs/small_data.md); the graph
    network beside them gains.
    """
    if parts.backbone['type'] != 'PoseAndStatistics':
        return {}
    return dict(keys=('keypoint', 'keypoint_score'))


def _crop(parts: Parts, share: float) -> None:
    parts.cut.append(dict(type='RandomTemporalCrop', min_ratio=share,
                          **_of_pose(parts)))


def _flip(parts: Parts, chance: float) -> None:
    _sides(parts)
    parts.early.append(dict(type='FlipJoints', flip_ratio=chance,
                            **_of_pose(parts)))


def _drop(kind: str) -> Callable[[Parts, float], None]:
    def apply(parts: Parts, chance: float) -> None:
        parts.late.append(dict(type=kind, drop_ratio=chance))

    return apply


def _mix(name: str, needs_features: bool = False
         ) -> Callable[[Parts, float], None]:
    def apply(parts: Parts, strength: float) -> None:
        if needs_features:
            _features(parts)
        parts.mixing[name] = strength

    return apply


def _smooth(parts: Parts, share: float) -> None:
    parts.head['label_smooth_eps'] = share


def _squares(parts: Parts, scale: float) -> None:
    loss = dict(type='SquaredLoss', scale=scale)
    if 'branches' in parts.head:
        # of the statistics; a graph network hardly learns by it
        parts.head['losses'] = [dict(type='CrossEntropyLoss'), loss]
    else:
        parts.head['loss_cls'] = loss


def _dropout(parts: Parts, chance: float) -> None:
    parts.head['dropout'] = chance


def _decay(parts: Parts, decay: float) -> None:
    parts.optimizer['weight_decay'] = decay


def _ema(parts: Parts, momentum: float) -> None:
    parts.hooks.append(dict(
        type='EMAHook', ema_type='ExponentialMovingAverage',
        momentum=momentum, update_buffers=True))


def _drop_path(parts: Parts, chance: float) -> None:
    _own_net(parts, 'CTRGCN')
    parts.backbone['drop_path'] = chance


def _test_views(parts: Parts) -> dict[str, Any]:
    parts.test_length['type'] = 'TemporalViews'
    return parts.test_length


def _views(parts: Parts, number: float) -> None:
    # as long as what is trained on, on average
    shortest = next((step['min_ratio'] for step in parts.cut), .5)
    _test_views(parts).update(views=number, share=(1 + shortest) / 2)


def _segments(parts: Parts, _: float) -> None:
    parts.train_length['type'] = 'SampleSegments'
    _test_views(parts)['sampling'] = 'segments'


def _centre(per: str) -> Callable[[Parts, float], None]:
    def apply(parts: Parts, _: float) -> None:
        _features(parts)
        if any(step['type'] == 'CentrePooled' for step in parts.whole):
            raise UnsuitableError(
                'centre and centre_joint exclude each other')
        parts.whole.append(dict(type='CentrePooled', per=per))

    return apply


def _gate(parts: Parts, _: float) -> None:
    _own_net(parts, *OWN_NETS)
    parts.front.append(dict(type='ChannelGate'))


def _whiten(parts: Parts, channels: float) -> None:
    _features(parts)
    _own_net(parts, *OWN_NETS)
    if channels > parts.features:
        raise UnsuitableError(f'{channels} components of {parts.features} '
                              'channels: give at most as many')
    parts.front.append(dict(type='Whitening', channels=channels,
                            features=parts.features))
    parts.hooks.append(dict(type='FitWhitening'))
    if 'parts' in parts.backbone:
        _, *others = parts.backbone['parts']
        parts.backbone['parts'] = [channels, *others]


def _masked(parts: Parts, epochs: float) -> None:
    _own_net(parts, *OWN_NETS)
    parts.hooks.append(dict(type='PretrainMasked', epochs=epochs))


def _mirror(parts: Parts, _: float) -> None:
    _sides(parts)
    _test_views(parts)['mirror'] = True


METHODS: Mapping[str, Method] = dict(
    crop=Method(
        'Train on a random stretch of each clip.',
        'shortest stretch, as a share of the clip', .5, .1, 1.,
        'PoseConv3D, arXiv 2104.13586', _crop),
    flip=Method(
        'Exchange left and right joints of a clip.',
        'chance', .5, 0., 1., 'PoseConv3D, arXiv 2104.13586', _flip),
    mixup=Method(
        'Blend each clip of a batch, and its label, with another clip; the '
        'ratio is one a batch.',
        'alpha of the Beta distribution', .4, .01, 10.,
        'mixup, arXiv 1710.09412', _mix('mixup')),
    drop_joints=Method(
        'Set random joints to zero for a whole clip.',
        'chance of a joint', .1, 0., .9,
        'cutout, arXiv 1708.04552', _drop('DropJoints')),
    drop_frames=Method(
        'Set random frames of a clip to zero.',
        'chance of a frame', .1, 0., .9,
        'cutout, arXiv 1708.04552', _drop('DropFrames')),
    smooth=Method(
        'Spread a share of each label evenly over all classes.',
        'share', .1, 0., .9, 'label smoothing, arXiv 1512.00567', _smooth),
    squares=Method(
        'Bring each logit to a number, by its squared error in place of '
        'cross-entropy.', "distance of the class's logit from the others",
        5., .1, 100., 'square loss, arXiv 2006.07322', _squares),
    dropout=Method(
        'Drop features before the last linear layer.',
        'chance', .5, 0., .9, 'dropout, JMLR 15 (2014) 1929', _dropout),
    views=Method(
        'Test evenly placed stretches of each clip and average their scores.',
        'number of stretches', 3, 1, 20, 'TSN, arXiv 1608.00859', _views),
    mirror=Method(
        'Test each clip mirrored, too, and average the scores.',
        '', 0., 0., 0., 'AlexNet, NIPS 2012', _mirror),
    decay=Method(
        'Change the weight decay.', 'decay', 2e-3, 0., 1.,
        'SGD with weight decay, NIPS 1991 (Krogh and Hertz)', _decay),
    ema=Method(
        'Validate, test and save a moving average of the weights.',
        'share of the newest weights in a step', .01, 1e-5, .5,
        'Mean teacher, arXiv 1703.01780', _ema),
    drop_path=Method(
        'Skip the branches of a block for random people; more often in later '
        'blocks.', 'chance in the last block', .1, 0., .9,
        'stochastic depth, arXiv 1603.09382', _drop_path),
    exchange=Method(
        'Give a clip the mean of each feature channel, over time and joints, '
        'of another clip of the batch.',
        'chance of a clip', .5, 0., 1., 'pAdaIN, arXiv 2010.05785',
        _mix('exchange', True)),
    style=Method(
        'Give a clip mean and deviation of each feature channel of another '
        'clip of the batch.',
        'chance of a clip', .5, 0., 1., 'pAdaIN, arXiv 2010.05785',
        _mix('style', True)),
    offset=Method(
        'Add a random number to each feature channel of a clip.',
        'deviation, in deviations of the channel in the batch', .5, 0., 5.,
        'SFA, ICCV 2021 (Li et al.)', _mix('offset', True)),
    channels=Method(
        'Set random feature channels of a clip to zero.',
        'chance of a channel', .1, 0., .9,
        'spatial dropout, arXiv 1411.4280', _mix('channels', True)),
    same_class=Method(
        'Blend each clip of a batch with another one of its class; the label '
        'stays.', 'alpha of the Beta distribution', 1., .01, 10.,
        'SMOTE, arXiv 1106.1813', _mix('same_class')),
    centre=Method(
        'Take the mean of a clip over time and joints out of each feature '
        'channel, in training and tests.', '', 0., 0., 0.,
        'instance normalisation, arXiv 1607.08022', _centre('channel')),
    centre_joint=Method(
        'Take the mean of a clip over time out of each feature channel of '
        'each joint, in training and tests.', '', 0., 0., 0.,
        'instance normalisation, arXiv 1607.08022', _centre('joint')),
    cutmix=Method(
        'Replace a stretch of frames, and its share of the label, by that of '
        'another clip of the batch; with mixup, one of the two in each batch.',
        'alpha of the Beta distribution', 1., .01, 10.,
        'CutMix, arXiv 1905.04899', _mix('cutmix')),
    gate=Method(
        'Weigh each channel of the input by a number that is learnt.',
        '', 0., 0., 0., 'gates of inputs, arXiv 1810.04247', _gate),
    whiten=Method(
        'Replace the feature channels by their principal components, each of '
        'variance 1, fitted on the training split.',
        'number of components', 32, 1, 4096,
        'whitening, arXiv 1512.00809', _whiten),
    # behind whiten, whose components it needs
    masked=Method(
        'Before the training, let the network fill in masked joints, without '
        'labels.', 'epochs of it', 20, 1, 1000,
        'masked autoencoders, arXiv 2111.06377', _masked),
    segments=Method(
        'Take a random frame of each segment of a clip in place of resampling '
        'it; in tests the middle one.', '', 0., 0., 0.,
        'TSN, arXiv 1608.00859', _segments),
)

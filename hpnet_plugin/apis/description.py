"""What a trained model must be told to look at a new video.

A checkpoint holds it (``meta['hpnet']``), and so does the folder that
``save_pretrained`` or ``hpnet export`` writes (``hpnet.json``). Imports
neither torch nor mmaction.
"""
from __future__ import annotations

import json
import math
import os
import os.path as osp
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..evaluation.scores import ScoreError
from ..evaluation.stacking import Stack, stack_of
from ..files import write_whole

FILE = 'hpnet.json'
FORMAT = 'hpnet_plugin model'
# An earlier version of this package reads 1 alone, and knows nothing of
# layers. What has one is of version 2, so that it is refused there and not
# answered with the weights.
VERSIONS = PLAIN, WITH_LAYER = 1, 2
_TUPLE = '__tuple__'
OUTPUTS = ('logit', 'probability')


class DescriptionError(ValueError):
    """No description of a model; the message says what is wrong."""


@dataclass(frozen=True)
class ModelDescription:
    """What a trained model must be told to look at a new video.

    Attributes:
        name: Of the run: ``'hp_j_ctrgcn_mine'``.
        classes: Class names in label order.
        facts: :class:`hpnet_plugin.facts.Facts` of the training data, as
            JSON data.
        extraction: What made its features: ``extraction.json`` without
            counts and splits: ``pose`` and ``detector`` with their sha256
            and, where one was chosen by a name of
            :mod:`hpnet_plugin.estimation.zoo`, that name as ``zoo``;
            ``taps``, ``region``, ``max_frames``, …. Empty where the folder
            does not say it.
        windows: How long the training clips are, in s: ``median``,
            ``longest``; and ``fps``, the median rate of their frames, as
            they are stored. Empty where it is not known.
        input: What the model reads, for who prepares it without mmaction
            (:mod:`hpnet_plugin.apis.inputs`): ``kind`` (``'graph'`` or
            ``'hpnet'``), ``key`` (``'pooled_feat'`` or ``'keypoint'``),
            ``taps``, ``stream``, ``layout``, ``frames``, ``people``,
            ``normalize``, and for HP-Net ``crops``, ``side``, ``mean``,
            ``std``. Some graph networks have ``views``, ``share``,
            ``mirror`` and ``sampling`` (several views of a clip, whose
            scores are averaged), ``pose`` (joints and scores behind the
            features) or ``centre`` (a clip's mean is taken out). None where
            its pipeline is another.
        output: ``'logit'`` or ``'probability'``: what its scores are. A
            fusion's are sums, which the softmax turns into probabilities.
        config: The whole config: dicts, lists, tuples, texts and numbers.
            JSON has ``{"__tuple__": […]}`` for a tuple, since mmaction2
            takes no list in some places. Empty of a fusion.
        calibration: Of ``hpnet calibrate``: ``temperature``, ``threshold``
            and how they were found. None where it was not.
        training: Where it comes from: ``epoch``, ``epochs``, ``seed``,
            ``versions``, ``splits`` (of each phase), ``data`` (of each
            dataset folder the fingerprints of features and annotations),
            and ``results``, a list of ``part``, ``split``, ``epoch`` and
            ``metrics``.
        members: Of a fusion: of each member its ``path``, relative to the
            folder, its ``weight``, and as ``scores`` what the weight is of:
            ``'logit'`` or ``'probability'``. Logits of a member whose
            probabilities are wanted go through the softmax first.
        learnt: Of a fusion by a learnt layer in place of the weights: what
            ``hpnet fuse --learn --save`` wrote. Its streams are the members,
            in the same order. None elsewhere.
    """
    name: str
    classes: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    extraction: dict[str, Any] = field(default_factory=dict)
    windows: dict[str, float] = field(default_factory=dict)
    input: dict[str, Any] | None = None
    output: str = 'logit'
    config: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    members: list[dict[str, Any]] = field(default_factory=list)
    learnt: dict[str, Any] | None = None

    @property
    def stack(self) -> Stack | None:
        """What was learnt over the members, None where nothing was."""
        return None if self.learnt is None else stack_of(
            self.learnt, f'{self.name}: learnt')

    def to_json(self) -> dict[str, Any]:
        """JSON data: an object of dicts, lists, texts and numbers alone.

        Returns:
            What :meth:`from_json` reads.

        Raises:
            DescriptionError: If a value is none that JSON knows.
        """
        version = PLAIN if self.learnt is None else WITH_LAYER
        content = dict(format=FORMAT, version=version, **asdict(self))
        content['config'] = _encoded(self.config)
        try:
            return json.loads(json.dumps(content))
        except (TypeError, ValueError) as error:
            raise DescriptionError(
                f'the description of {self.name} is no JSON data: {error}'
            ) from None

    @classmethod
    def from_json(cls, content: Any, source: str = 'the description'
                  ) -> ModelDescription:
        """The description that JSON data holds.

        Args:
            content: What :meth:`to_json` gave.
            source: Where it comes from, for messages.

        Returns:
            The description.

        Raises:
            DescriptionError: If it is no description, is of another version,
                or something in it is not what it should be.
        """
        if not isinstance(content, Mapping):
            raise DescriptionError(f'{source}: expected an object, found a '
                                   f'{type(content).__name__}')
        if content.get('format') != FORMAT:
            raise DescriptionError(f'{source}: expected the format {FORMAT!r},'
                                   f' found {content.get("format")!r}')
        if content.get('version') not in VERSIONS:
            raise DescriptionError(
                f'{source}: version {content.get("version")!r}, this package '
                f'reads {" and ".join(map(str, VERSIONS))}: update it')
        known: dict[str, Any] = {
                 f.name: content[f.name] for f in fields(cls)
                 if f.name in content}
        for key in ('name', 'classes'):
            if key not in known:
                raise DescriptionError(f'{source}: {key} is missing')
        for key, value in known.items():
            expected, right = _CHECKS[key]
            if not right(value):
                raise DescriptionError(f'{source}: {key} = {value!r:.80}: '
                                       f'expected {expected}')
        if known.get('learnt') is not None:
            _refuse_other_layer(known, content['version'], source)
        try:
            known['config'] = _decoded(known.get('config', {}))
        except RecursionError:
            raise DescriptionError(f'{source}: config is nested too deeply'
                                   ) from None
        known['classes'] = tuple(known['classes'])
        return cls(**known)


def read_description(folder: str | os.PathLike[str]) -> ModelDescription:
    """The description of a folder with a ``hpnet.json``.

    Args:
        folder: The folder, or the file itself.

    Returns:
        The description.

    Raises:
        FileNotFoundError: If there is none.
        DescriptionError: If it is damaged.
    """
    path = os.fspath(folder)
    if osp.isdir(path):
        path = osp.join(path, FILE)
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file; hpnet save and hpnet '
                                'export write one') from None
    except (ValueError, RecursionError) as error:
        raise DescriptionError(f'{path} is no JSON file: {error}') from None
    return ModelDescription.from_json(content, path)


def write_description(description: ModelDescription,
                      folder: str | os.PathLike[str]) -> None:
    """Write ``hpnet.json`` of a folder, whole or not at all.

    Args:
        description: Of a model.
        folder: The folder, which gets ``hpnet.json``.

    Raises:
        DescriptionError: If it is no JSON data.
        OSError: If it cannot be written.
    """
    text = json.dumps(description.to_json(), indent=1) + '\n'
    write_whole(osp.join(folder, FILE), text.encode())


def _refuse_other_layer(known: Mapping[str, Any], version: int, source: str
                        ) -> None:
    """Refuse a learnt layer that is not one over the members."""
    if version != WITH_LAYER:
        raise DescriptionError(
            f'{source}: version {version} with a learnt layer, expected '
            f'{WITH_LAYER}: save the fusion again')
    try:
        layer = stack_of(known['learnt'], f'{source}: learnt').layer
    except ScoreError as error:
        raise DescriptionError(str(error)) from None
    expected = [OUTPUTS[given] for given in layer.probability]
    found = [member['scores'] for member in known.get('members', ())]
    classes = len(known['classes'])
    if found != expected or len(layer.bias) != classes:
        raise DescriptionError(
            f'{source}: learnt is a layer over {_listed(expected)} of '
            f'{len(layer.bias)} classes, and the members give '
            f'{_listed(found)} of {classes}: save the fusion again')


def _listed(kinds: list[str]) -> str:
    return ', '.join(kinds) or 'nothing'


def _encoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _encoded(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {_TUPLE: [_encoded(item) for item in value]}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        if list(value) == [_TUPLE] and isinstance(value[_TUPLE], list):
            return tuple(map(_decoded, value[_TUPLE]))
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) \
        else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and \
        not isinstance(value, bool) and math.isfinite(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_member(value: Any) -> bool:
    """A member's folder must be below that of the fusion."""
    path = value.get('path') if _is_object(value) else None
    return isinstance(path, str) and path != '' and \
        not osp.isabs(path) and '..' not in path.split('/') and \
        _is_number(value.get('weight')) and value.get('scores') in OUTPUTS


def _is_extraction(value: Any) -> bool:
    return _is_object(value) and all(
        value.get(key) is None or _is_object(value[key])
        for key in ('pose', 'detector', 'crops', 'image_nets')) and all(
        map(_is_object, (value.get('image_nets') or {}).values()))


def _is_input(value: Any) -> bool:
    """What stands in it decides how much memory an answer takes."""
    if not _is_object(value):
        return value is None
    wanted = {**_INPUT, **(_CROPS if value.get('kind') == 'hpnet' else {})}
    return all(key in value and right(value[key])
               for key, right in wanted.items()) and all(
                   right(value[key]) for key, right in _MORE.items()
                   if key in value)


def _whole(most: int) -> Callable[[Any], bool]:
    """Whether a value is a whole number from 1 on."""
    return lambda value: type(value) is int and 1 <= value <= most


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_colours(value: Any) -> bool:
    return value is None or isinstance(value, list) and len(value) == 3 and \
        all(map(_is_number, value))


_INPUT: dict[str, Callable[[Any], bool]] = dict(
    kind=lambda value: value in ('graph', 'hpnet'), key=_is_text,
    taps=lambda value: isinstance(value, list) and all(map(_is_text, value)),
    stream=_is_text, layout=_is_text, frames=_whole(100_000),
    people=_whole(1000), normalize=lambda value: isinstance(value, bool))
_MORE: dict[str, Callable[[Any], bool]] = dict(
    views=_whole(100), share=lambda value: _is_number(value)
    and 0 < value <= 1, mirror=lambda value: isinstance(value, bool),
    pose=lambda value: isinstance(value, bool),
    sampling=lambda value: value in ('resize', 'segments'),
    centre=lambda value: value in ('joint', 'channel'))
_CROPS = dict(crops=_whole(10_000), side=_whole(4096), mean=_are_colours,
              std=_are_colours)


def is_calibration(value: Any) -> bool:
    """Whether predictions can go by what a calibration found.

    Args:
        value: Anything.

    Returns:
        True if it has a temperature and a threshold.
    """
    if not _is_object(value):
        return False
    temperature, threshold = value.get('temperature', 1), value.get(
        'threshold')
    return _is_number(temperature) and temperature > 0 and (
        threshold is None or _is_number(threshold))


_OBJECT = 'an object', _is_object
_CHECKS = dict(
    name=('a text', lambda v: isinstance(v, str) and v),
    classes=('a list of class names', lambda v: isinstance(v, (list, tuple))
             and v and all(isinstance(name, str) for name in v)),
    facts=_OBJECT,
    extraction=('an object whose pose, detector, crops and image_nets are '
                'objects',
                _is_extraction),
    windows=('an object of numbers', lambda v: _is_object(v) and all(
        map(_is_number, v.values()))),
    input=('null, or an object that says what the model reads: kind, key, '
           'taps, stream, layout, frames, people, normalize, maybe views, '
           'share, mirror, sampling, pose and centre, and of an hpnet crops, '
           'side, mean and std', _is_input),
    output=(f'one of {OUTPUTS}', lambda v: v in OUTPUTS),
    config=_OBJECT,
    calibration=('an object with a temperature above 0 and a threshold, or '
                 'null', lambda v: v is None or is_calibration(v)),
    training=_OBJECT,
    members=('a list of objects with path (below this folder), weight and '
             f'scores (one of {OUTPUTS})', lambda v: isinstance(v, list)
             and all(map(_is_member, v))),
    learnt=('what hpnet fuse --learn --save writes, or null',
            lambda v: v is None or _is_object(v)))

"""The parts of a fusion: what each model weighs, and whether they fit."""
from __future__ import annotations

import logging
import os
import os.path as osp
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..datasets.clips import count
from ..evaluation.stacking import Stack, read_stack, stack_content
from ..facts import FUSION
from .description import OUTPUTS, ModelDescription
from .trained import Trained, TrainedError

logger = logging.getLogger('hpnet')


class Member(NamedTuple):
    """A model's part in a fusion.

    Attributes:
        name: Of its folder.
        weight: Of its scores; where a layer was learnt, the weight from
            which that began.
        scores: What the weight is of: ``'logit'`` or ``'probability'``.
    """
    name: str
    weight: float
    scores: str


def default_members(models: Sequence[Trained],
                    weights: Sequence[float] | None = None) -> list[Member]:
    """What the models of a fusion weigh.

    The authors add up logits of streams and probabilities of HP-Net; with
    weights of one's own the same is weighed. Where one of the models is none
    of theirs, such as a stream of 2D pose, all weigh the same: their logits,
    or their probabilities where one gives no logits.

    Args:
        models: At least one.
        weights: One a model. By default those of their dataset
            (:class:`hpnet_plugin.facts.Facts`), published or not.

    Returns:
        A part a model, in the same order; no two have one name.
    """
    about = [model.description for model in models]
    streams = [_stream(one) for one in about]
    kinds = ['probability' if stream == 'hpnet' else one.output
             for one, stream in zip(about, streams)]
    if weights is None:
        usual = [{**FUSION, **one.facts.get('fusion', {})}.get(stream)
                 for one, stream in zip(about, streams)]
        weights = [weight for weight in usual if weight is not None]
        if len(weights) < len(usual):
            weights = [1.] * len(models)
            kinds = ['logit' if all(one.output == 'logit' for one in about)
                     else 'probability'] * len(models)
    members = [Member(one.name, float(weight), kind)
               for one, weight, kind in zip(about, weights, kinds)]
    return _told_apart(members)


def learnt_members(models: Sequence[Trained],
                   path: str | os.PathLike[str]
                   ) -> tuple[list[Member], dict[str, Any]]:
    """What the models of a fusion give to a layer, and the layer.

    Which model takes the place of which stream is said by their order alone.
    It is logged where a stream's file is called otherwise than its model.

    Args:
        models: One a stream that the layer was learnt over.
        path: What ``hpnet fuse --learn --save`` wrote.

    Returns:
        A part a model, in the same order, no two of one name; and the layer
        as data, as :class:`~hpnet_plugin.apis.description.ModelDescription`
        has it in ``learnt``.

    Raises:
        OSError: If the file cannot be read.
        ScoreError: If it is anything else.
        TrainedError: If it was learnt for other numbers of models or classes,
            or for logits where a model gives probabilities.
    """
    stack, path = read_stack(path), os.fspath(path)
    about = [model.description for model in models]
    _refuse_other_models(stack, about, path)
    pairs = [f'{one.name} for {stream}'
             for one, stream in zip(about, stack.streams)
             if not _is_called(stream, one.name, _stream(one))]
    if pairs:
        logger.warning(
            '%s was learnt over %s, in this order; by their order alone the '
            'models stand for them: %s', path, ', '.join(stack.streams),
            ', '.join(pairs))
    members = [Member(one.name, weight, OUTPUTS[probability])
               for one, weight, probability in zip(
                   about, stack.weights, stack.layer.probability)]
    return _told_apart(members), stack_content(stack)


def _refuse_other_models(stack: Stack, about: Sequence[ModelDescription],
                         path: str) -> None:
    """Raise an error if a layer was not learnt for such models."""
    layer, streams = stack.layer, ', '.join(stack.streams)
    classes = sorted({len(one.classes) for one in about})
    if len(layer.base) != len(about) or classes != [len(layer.bias)]:
        raise TrainedError(
            f'{path} was learnt for {count(len(layer.base), "stream")} of '
            f'{len(layer.bias)} classes ({streams}), found '
            f'{count(len(about), "model")} of '
            f'{" and ".join(map(str, classes))} '
            f'({", ".join(one.name for one in about)}); give one model for '
            'each stream, in this order')
    for one, stream, probability in zip(about, stack.streams,
                                        layer.probability):
        if one.output == 'probability' and not probability:
            raise TrainedError(
                f'{one.name} gives probabilities, and {path} was learnt for '
                f'logits of {stream} in its place; logits cannot be made of '
                f'probabilities: give the models in the order {streams}, or '
                'learn the layer anew on scores of these models')


def _is_called(stream: str, *names: str | None) -> bool:
    """Whether 'hp_j.pkl', 'hp_j_val.pkl' or 'all.pkl#hp_j' is called so."""
    stem = osp.splitext(stream.rpartition('#')[2])[0]
    return any(name and f'{stem}_'.startswith(f'{name}_') for name in names)


def _told_apart(members: Sequence[Member]) -> list[Member]:
    """The same, no two of one name."""
    names = [member.name for member in members]
    return [member if names.count(member.name) == 1 else
            member._replace(name=f'{member.name}_{number}')
            for number, member in enumerate(members)]


def _stream(about: ModelDescription) -> str | None:
    """What fusion weights call a model: a stream, or ``'hpnet'``."""
    model = about.config.get('model') or {}
    if model.get('type') == 'XCLIPRecognizer' and model.get('topology'):
        return 'hpnet'
    if 'stream' in about.config:
        return about.config['stream']
    reads = about.input or {}
    return f'hp_{reads["stream"]}' if reads.get('key') == 'pooled_feat' \
        else None


def fusion_description(models: Sequence[Trained], members: Sequence[Member],
                       name: str, calibration: dict[str, Any] | None = None,
                       learnt: dict[str, Any] | None = None
                       ) -> ModelDescription:
    """The description of a fusion.

    Args:
        models: Its members.
        members: The part of each.
        name: Of the fusion.
        calibration: Of its fused scores.
        learnt: The layer in place of the weights, see
            :func:`learnt_members`.

    Returns:
        Its description.

    Raises:
        TrainedError: If they are fusions, or do not know the same classes, or
            need different pose nets.
    """
    first = models[0].description
    for model, member in zip(models, members):
        _refuse_member(model, member, first)
    windows = next((model.description.windows for model in models
                    if model.description.windows), {})
    return ModelDescription(
        name=name, classes=first.classes, facts=first.facts,
        extraction=_extraction([model.description for model in models]),
        windows=windows, calibration=calibration, learnt=learnt,
        members=[dict(path=member.name, weight=member.weight,
                      scores=member.scores) for member in members])


def _refuse_member(model: Trained, member: Member, first: ModelDescription
                   ) -> None:
    """Raise an error if a model cannot be fused with the first."""
    about = model.description
    if about.members:
        raise TrainedError(f'{model.folder} is a fusion itself: fuse its '
                           'members')
    if about.classes != first.classes:
        raise TrainedError(
            f'{about.name} and {first.name} do not know the same classes '
            f'({len(about.classes)} and {len(first.classes)}), or not in '
            'the same order: they cannot be fused')
    if member.scores == 'logit' and about.output == 'probability':
        raise TrainedError(f'{about.name} gives probabilities, no logits')


def _extraction(models: Sequence[ModelDescription]) -> dict[str, Any]:
    """What makes the features of all models in one pass over a video."""
    first = models[0]
    extraction = dict(first.extraction)
    for about in models:
        here, there = (_pose_of(e) for e in (about.extraction, extraction))
        if here and there and here != there:
            raise TrainedError(
                f'{about.name} and {first.name} were trained on features of '
                f'different pose nets ({here}, {there}): one pass over a '
                'video cannot serve both. hpnet fuse fuses their score files')
        nets = extraction.get('image_nets') or {}
        for title, net in (about.extraction.get('image_nets') or {}).items():
            if nets.get(title, net) != net:
                raise TrainedError(
                    f'{about.name} and {first.name} were trained on features '
                    f'of different image nets, both called {title}: one pass '
                    'over a video cannot serve both')
            nets = {**nets, title: net}
        extraction = {**about.extraction, **extraction, 'taps': {
            **extraction.get('taps', {}), **about.extraction.get('taps', {})}}
        if nets:
            extraction['image_nets'] = nets
    return extraction


def _pose_of(extraction: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """What must agree for one pose pass to serve several models."""
    pose = extraction.get('pose') or {}
    if not pose.get('sha256'):
        return None
    return pose['sha256'][:12], pose.get('norm'), *(
        extraction.get(key) for key in ('region', 'grid', 'aspect', 'padding'))

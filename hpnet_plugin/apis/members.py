"""The parts of a fusion: what each model weighs, and whether they fit."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..facts import FUSION
from .description import ModelDescription
from .trained import Trained, TrainedError


class Member(NamedTuple):
    """A model's part in a fusion.

    Attributes:
        name: Of its folder.
        weight: Of its scores.
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
                       name: str, calibration: dict[str, Any] | None = None
                       ) -> ModelDescription:
    """The description of a fusion.

    Args:
        models: Its members.
        members: The part of each.
        name: Of the fusion.
        calibration: Of its fused scores.

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
        windows=windows, calibration=calibration,
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

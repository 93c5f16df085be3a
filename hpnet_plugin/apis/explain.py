"""What moved the score of a clip: joints and times, and class names.

Two ways, for two kinds of parts:

- The head of a graph network takes the mean of the network's last map over
  people, time and joints, and is linear: class activation mapping (Zhou et
  al., CVPR 2016) is exact. What the cell of person m, time t and joint v
  gives to class k is w_k . x[m, t, v] / (M T V). The cells of a class sum up
  to its logit minus the bias. A cell of the last map has seen its
  neighbours in the graph and in time: it says where the network ended up
  with what it saw, not which pixels it saw.
- HP-Net's score is a cosine of video and refined text, and not linear in the
  joints. There a joint is hidden: its pooled features in all frames are
  replaced by the person's mean over frames and joints, which has the size of
  a feature and tells nothing of this joint. What the logit loses is what the
  joint moved it by. With all joints hidden the logit is the baseline. The
  losses of single joints need not add up to what is lost by hiding all.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.models import GCNHead, RecognizerGCN
from mmaction.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch import nn

from ..models import (
    TRMM,
    PoseAndStatistics,
    SegmentStatistics,
    XCLIPRecognizer,
)
from ..recipes.reading import innermost
from .embedding import clips_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.heads import TRMMHead


class UnexplainedError(ValueError):
    """The model is of a kind that cannot be explained."""


@dataclass(frozen=True, eq=False)
class StreamParts:
    """What a graph network with a linear head says of a clip, in parts.

    Attributes:
        logits: (K,) float64, of the linear head.
        bias: (K,) float64.
        cells: (K, M, T', V) float64, what each cell of the last map gives to
            the logit of each class: ``cells.sum((1, 2, 3)) + bias`` is
            ``logits``.
    """
    logits: np.ndarray
    bias: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True, eq=False)
class TextParts:
    """What the pooled features of a clip make of the class names.

    Attributes:
        before: (K,) logits of the text as the text tower gives it.
        after: (K,) logits of the refined text: HP-Net's scores.
        cosine: (K,) of the text before with the text after; the lowest is
            the class name that was turned most.
        text: (K,) L2 norm of F_text.
        psi: (K,) L2 norm of psi (Eq. 8), None where the fusion is no TRMM.
        eta: (K,) L2 norm of eta, None where there is none.
        hidden: (V, K) logits with one joint hidden.
        baseline: (K,) logits with all joints hidden.
    """
    before: np.ndarray
    after: np.ndarray
    cosine: np.ndarray
    text: np.ndarray
    psi: np.ndarray | None
    eta: np.ndarray | None
    hidden: np.ndarray
    baseline: np.ndarray

    @property
    def moved(self) -> np.ndarray:
        """(V, K), how much of each logit is lost when a joint is hidden."""
        return self.after - self.hidden


@dataclass(frozen=True, eq=False)
class Explanation:
    """What moved the score of a clip.

    Attributes:
        clip: Its name.
        label: Its class, -1 where it has none.
        scores: (K,) float64, the model's logits.
        streams: The graph networks, by name: ``''`` where the model is one.
        text: Of HP-Net with a fusion, else None.
    """
    clip: str
    label: int
    scores: np.ndarray
    streams: dict[str, StreamParts]
    text: TextParts | None = None


def explain(model: Any, dataset: dict[str, Any],
            clips: Sequence[str]) -> Iterator[Explanation]:
    """Explain the scores of some clips.

    Args:
        model: A stream or HP-Net with its weights, in eval mode.
        dataset: Config of the dataset that tests it. Clips of any of its
            splits can be explained.
        clips: Names of clips.

    Yields:
        Of each clip, in the order asked.

    Raises:
        KeyError: The dataset has no such clip.
        UnexplainedError: A model without graph networks.
    """
    parts_of = _way(model)
    dataset = innermost(dataset)
    with DefaultScope.overwrite_default_scope('mmaction'):
        built = DATASETS.build(dict(dataset, split=None, test_mode=True))
    names, labels = clips_of(built)
    for clip in clips:
        if clip not in names:
            raise KeyError(
                f'{dataset.get("data_root") or dataset["ann_file"]} has no '
                f'clip {clip!r}; its {len(names)} clips are {names[0]} to '
                f'{names[-1]}')
        at = names.index(clip)
        with torch.no_grad():
            data = model.data_preprocessor(
                pseudo_collate([built[at]]), False)
            yield Explanation(clip, int(labels[at]),
                              *parts_of(model, data['inputs']))


def stream_parts(feats: Tensor, linear: nn.Linear) -> StreamParts:
    """What the cells of a graph network's last map give to the logits.

    Args:
        feats: The last map, (views, M, C, T', V); views are averaged.
        linear: The head's linear layer.

    Returns:
        Its parts.
    """
    feats = feats.detach().double().mean(0)
    weight = linear.weight.detach().double()
    people, _, length, joints = feats.shape
    cells = torch.einsum('kc,mctv->kmtv', weight, feats)
    cells = cells / (people * length * joints)
    bias = cells.new_zeros(len(cells)) if linear.bias is None \
        else linear.bias.detach().double()
    logits = weight @ feats.mean((0, 2, 3)) + bias
    return StreamParts(*map(_array, (logits, bias, cells)))


_Parts = tuple[np.ndarray, dict[str, StreamParts], TextParts | None]


def _way(model: nn.Module) -> Callable[[Any, Any], _Parts]:
    """The function that takes the scores of this kind of model apart."""
    if isinstance(model, XCLIPRecognizer) and model.topology is not None:
        return _hpnet
    if isinstance(getattr(model, 'backbone', None),
                  (SegmentStatistics, PoseAndStatistics)):
        raise UnexplainedError(
            f'{type(model.backbone).__name__} classifies statistics of a '
            'clip, in which single frames have no part: a graph network, '
            'such as net=ctrgcn, can be explained')
    if isinstance(model, RecognizerGCN) and isinstance(model.cls_head,
                                                       GCNHead):
        return _stream
    raise UnexplainedError(
        f'{type(model).__name__} has no graph network with a linear head: '
        'streams on joints (RecognizerGCN) and HP-Net can be explained')


def _stream(model: RecognizerGCN, inputs: Any) -> _Parts:
    feats, _ = model.extract_feat(inputs)
    parts = stream_parts(feats, model.cls_head.fc)
    return parts.logits, {'': parts}, None


def _hpnet(model: Any, inputs: Any) -> _Parts:
    feats, _ = model.extract_feat(inputs)
    maps = model.topology.maps(inputs['pooled_feat'][:, 0])
    head = model.cls_head
    streams = {name: stream_parts(feat, linear) for name, feat, linear in
               zip(head.streams, maps, head.classifiers)}
    after = head(feats).fused.mean(0)
    text = None
    if head.fusion is not None:
        text = _text_parts(model, inputs['pooled_feat'][:, 0], feats)
    return _array(after), streams, text


def _text_parts(model: XCLIPRecognizer, pooled_feat: Tensor, feats: Any
                ) -> TextParts:
    """TextParts of one clip with any number of views."""
    head: Any = model.cls_head
    video, text, pooled = feats
    refined = head.fusion(text, pooled)
    psi = eta = None
    if isinstance(head.fusion, TRMM):
        psi = head.fusion.psi(text, pooled.concat)
        if head.fusion.eta is not None:
            eta = head.fusion.refinement(text, pooled.concat) - psi
    # (B', K, C), where the text may be the same for all views
    text = text.expand(len(video), *text.shape[-2:])
    logits = _scores(model, video, text, hidden_joints(pooled_feat))
    return TextParts(
        _array(_cosine_logits(head, video, text)),
        _array(_cosine_logits(head, video, refined)),
        _array(F.cosine_similarity(text.double(), refined.double(),
                                   dim=-1).mean(0)),
        _norms(text),
        psi=None if psi is None else _norms(psi),
        eta=None if eta is None else _norms(eta),
        hidden=_array(logits[:-1]), baseline=_array(logits[-1]))


def hidden_joints(pooled_feat: Tensor) -> Tensor:
    """A clip with each of its joints hidden, and with all of them.

    Args:
        pooled_feat: (1, M, T, V, C).

    Returns:
        (V + 1, M, T, V, C): joint v is hidden in clip v, all are in the last
        one. A hidden joint has the mean over frames and joints of its
        person.
    """
    joints = pooled_feat.shape[3]
    mean = pooled_feat.mean((2, 3))[0]  # (M, C)
    clips = pooled_feat.repeat(joints + 1, 1, 1, 1, 1)
    for v in range(joints):
        clips[v, :, :, v] = mean[:, None]
    clips[joints] = mean[:, None, None]
    return clips


def _scores(model: Any, video: Tensor, text: Tensor,
            clips: Tensor) -> Tensor:
    """Logits of clips (N, M, T, V, C) beside one video, (N, K)."""
    pooled = model.topology(clips)
    return torch.stack([
        model.cls_head((view.expand(len(clips), -1), words, pooled)).fused
        for view, words in zip(video, text)]).mean(0)


def _cosine_logits(head: TRMMHead, video: Tensor, text: Tensor) -> Tensor:
    """Eq. 12 of B' views and their text (B', K, C), averaged: (K,)."""
    cosine = F.cosine_similarity(video.float()[:, None], text.float(), dim=-1)
    return (head.logit_scale.exp() * cosine).mean(0)


def _norms(text: Tensor) -> np.ndarray:
    """L2 norms (K,) of features (B', K, C), averaged."""
    return _array(text.double().norm(dim=-1).mean(0))


def _array(value: Tensor) -> np.ndarray:
    return value.double().cpu().numpy()

"""Scores of clips against refined class names (Sec. III-E of HP-Net)."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import ModuleList
from torch import Tensor, nn

from ..backbones.smclm import StreamFeatures
from ..labels import check_labels
from ..precision import full_precision


class HPNetScores(NamedTuple):
    """Logits of B clips.

    Attributes:
        fused: S of Eq. 12, (B, K).
        streams: Logits of each stream's auxiliary classifier, (B, K).
    """
    fused: Tensor
    streams: dict[str, Tensor]


@MODELS.register_module()
class TRMMHead(BaseHead):
    r"""Match video features with text features that the clip has refined.

    Eq. 12 is read as CLIP's scaled cosine, as the released code does:
    :math:`S = e^{scale} \cos(F_u, F'_{text})`. The loss is Eq. 14,
    :math:`L_{cls} + \lambda_1 L_p + \lambda_2 L_s + \lambda_3 L_m`, with a
    linear classifier on the features of each stream.

    Args:
        num_classes: K.
        text_channels: C of text and video features.
        feat_channels: D of a stream's features. Defaults to 0.
        streams: Names of the streams; the recogniser hands those of its
            :class:`SMCLM` in. Defaults to none.
        fusion: Config of what refines the text features: :class:`TRMM`,
            :class:`FiLM` or :class:`CrossAttentionFusion`. Defaults to None:
            text and video alone are matched.
        lambdas: Weight of each stream's loss, or one for all; the classifier
            of a stream of weight 0 is not trained. Defaults to 1, the paper's.
        label_smooth_eps: Label smoothing. Defaults to 0.1.
        learn_scale: Whether the scale, which starts as CLIP's does and is read
            from its checkpoints, is trained. Defaults to False, as in the
            released code.
        average_clips: How several views of a clip are averaged, see
            ``BaseHead``. Defaults to ``'score'``: dumps hold logits.
        **kwargs: Of ``BaseHead``.

    Raises:
        ValueError: If the lambdas are not one a stream, or a fusion has no
            streams to take from.
    """

    def __init__(self,
                 num_classes: int,
                 text_channels: int,
                 feat_channels: int = 0,
                 streams: Sequence[str] = (),
                 fusion: dict | None = None,
                 lambdas: float | Sequence[float] = 1.,
                 label_smooth_eps: float = 0.1,
                 learn_scale: bool = False,
                 average_clips: str = 'score',
                 **kwargs: Any) -> None:
        super().__init__(
            num_classes,
            text_channels,
            label_smooth_eps=label_smooth_eps,
            # pyrefly: ignore[bad-argument-type]  they mean a str
            average_clips=average_clips,
            **kwargs)
        self.streams = tuple(streams)
        if isinstance(lambdas, (int, float)):
            lambdas = (lambdas, ) * len(self.streams)
        if len(lambdas) != len(self.streams) or min(lambdas, default=0) < 0:
            raise ValueError(
                f'lambdas must be one weight of at least 0 a stream; got '
                f'{tuple(lambdas)} for the streams {self.streams}')
        self.lambdas = tuple(lambdas)
        if fusion is not None and not self.streams:
            raise ValueError(
                f'{fusion["type"]} refines the text by pooled features, and '
                'the model has no topology: give it one, or fusion=None')
        self.fusion = None if fusion is None else MODELS.build(
            dict(text_channels=text_channels,
                 feat_channels=feat_channels * len(self.streams), **fusion))
        self.classifiers = ModuleList(
            nn.Linear(feat_channels, num_classes) for _ in self.streams)
        for classifier, weight in zip(self.classifiers, self.lambdas):
            classifier.requires_grad_(weight > 0)
        self.logit_scale = nn.Parameter(
            torch.tensor(math.log(1 / 0.07)), requires_grad=learn_scale)

    # pyrefly: ignore[bad-override]  scores of several streams, not a tensor
    def forward(self, x: tuple[Tensor, Tensor, StreamFeatures | None],
                **kwargs: object) -> HPNetScores:
        """Score clips.

        Args:
            x: Video features (B, C), text features (K, C) or (B, K, C), and
                StreamFeatures of B clips or None.
            **kwargs: Not used.

        Returns:
            Logits.
        """
        video, text, features = x
        if self.fusion is not None:
            text = self.fusion(text, features)
        # the scale makes hundreds of cosines: too much for half precision
        with full_precision(video.device):
            video = F.normalize(video.float(), dim=-1)
            text = F.normalize(text.float(), dim=-1)
            fused = self.logit_scale.exp() * (
                text @ video[:, :, None]).squeeze(-1)
        return HPNetScores(
            fused, {
                name: classifier(feat).float() for name, classifier, feat in
                zip(self.streams, self.classifiers,
                    () if features is None else features.streams)
            })

    # pyrefly: ignore[bad-override]  likewise
    def loss_by_feat(self, cls_scores: HPNetScores,
                     data_samples: list[ActionDataSample]
                     ) -> dict[str, Tensor]:
        """Losses of Eq. 14.

        Args:
            cls_scores: Of :meth:`forward`.
            data_samples: With ``gt_label``, a class (1,) or a distribution
                (K,).

        Returns:
            dict[str, Tensor]: ``loss_cls``, ``loss_<stream>`` with their
            weights, and accuracies where labels are hard.

        Raises:
            ValueError: If a label is no class.
        """
        check_labels(data_samples, self.num_classes)
        losses = super().loss_by_feat(cls_scores.fused, data_samples)
        for name, weight in zip(self.streams, self.lambdas):
            if weight:
                found = super().loss_by_feat(cls_scores.streams[name],
                                             data_samples)
                losses[f'loss_{name}'] = weight * found['loss_cls']
        return losses

    # pyrefly: ignore[bad-override]  likewise
    def predict_by_feat(self, cls_scores: HPNetScores,
                        data_samples: list[ActionDataSample]
                        ) -> list[ActionDataSample]:
        """Put scores into the samples.

        Args:
            cls_scores: Of :meth:`forward`.
            data_samples: The clips.

        Returns:
            The same, with ``pred_score`` and
            ``pred_label`` of the fusion and ``pred_score_<stream>``.
        """
        data_samples = super().predict_by_feat(cls_scores.fused, data_samples)
        for name, scores in cls_scores.streams.items():
            views = len(scores) // len(data_samples)
            for sample, score in zip(data_samples,
                                     self.average_clip(scores, views)):
                sample.set_field(score, f'pred_score_{name}')
        return data_samples

"""Squared error in place of cross-entropy."""
from __future__ import annotations

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class SquaredLoss(nn.Module):
    """Half the squared distance of the logits from their class.

    A clip's class shall get a logit that exceeds the others' by ``scale``,
    and no more: cross-entropy goes on to part what is parted already, and so
    fits a few hundred clips by whatever tells them apart best. Its weights are
    a ridge regression's where there is nothing but a linear layer. As in
    "Evaluation of Neural Architectures Trained with Square Loss vs
    Cross-Entropy in Classification Tasks" (arXiv 2006.07322), but for the
    scale, which makes the softmax of the logits sure.

    Args:
        scale: Distance of logits. Defaults to 5.
    """

    def __init__(self, scale: float = 5.) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The mean over clips.

        Args:
            scores: Logits, (N, K).
            labels: Classes (N, ), or shares of classes (N, K).

        Returns:
            0.5 * sum_k (scores - scale * (labels - 1 / K)) ** 2.
        """
        classes = scores.shape[1]
        if labels.ndim == 1:
            labels = F.one_hot(labels, classes)
        wanted = self.scale * (labels.to(scores.dtype) - 1 / classes)
        return .5 * (scores - wanted).square().sum(1).mean()

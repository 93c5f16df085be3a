"""A head whose branches learn apart and answer together."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmaction.models.heads import GCNHead
from mmaction.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class BranchHead(GCNHead):
    """A linear layer and a loss for each branch of a backbone.

    Where branches share one loss, the one that fits the training clips first
    leaves the others nothing to learn from ("What Makes Training Multi-Modal
    Classification Networks Hard?", arXiv 1905.12681). Here each learns as if
    it were alone, and a test adds their logits.

    Args:
        num_classes: Classes.
        branches: Channels of each branch, in the order of the backbone.
        losses: Config of the loss of each branch. Defaults to None:
            cross-entropy for all.
        kwargs: Of mmaction's ``GCNHead``.

    Raises:
        ValueError: If there is not a loss for each branch.
    """

    def __init__(self, num_classes: int, branches: Sequence[int],
                 losses: Sequence[dict] | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, sum(branches), **kwargs)
        self.branches = list(branches)
        if losses is None:
            losses = [dict(type='CrossEntropyLoss')] * len(branches)
        if len(losses) != len(branches):
            raise ValueError(f'{len(branches)} branches have '
                             f'{len(losses)} losses; give one for each')
        self.losses = nn.ModuleList(map(MODELS.build, losses))
        del self.fc  # of all channels together
        self.layers = nn.ModuleList(
            nn.Linear(channels, num_classes) for channels in branches)

    def logits(self, x: Tensor) -> Tensor:
        """Those of each branch.

        Args:
            x: (N, M, C, T, V), the branches' channels one after the other.

        Returns:
            (B, N, K): means over people, frames and joints, classified.
        """
        x = x.mean((1, 3, 4))
        if self.dropout is not None:
            x = self.dropout(x)
        return torch.stack([layer(part) for layer, part in zip(
            self.layers, x.split(self.branches, 1))])

    def forward(self, x: Tensor, **kwargs: Any) -> Tensor:
        """Their sum.

        Args:
            x: See :meth:`logits`.
            kwargs: Not used.

        Returns:
            (N, K).
        """
        return self.logits(x).sum(0)

    # pyrefly: ignore[bad-override]  what a backbone of branches gives
    def loss(self, feats: Tensor, data_samples: list, **kwargs: Any
             ) -> dict[str, Tensor]:
        """The sum of the branches' losses, and the accuracy of their sum.

        Args:
            feats: See :meth:`logits`.
            data_samples: With labels, or shares of classes.
            kwargs: Not used.

        Returns:
            ``loss_cls``, and ``top1_acc`` and such where labels are classes.
        """
        logits = self.logits(feats)
        found = self.loss_by_feat(logits.sum(0), data_samples)
        own = []
        for part, loss in zip(logits, self.losses):
            self.loss_cls = loss
            own.append(self.loss_by_feat(part, data_samples)['loss_cls'])
        return dict(found, loss_cls=torch.stack(own).sum())

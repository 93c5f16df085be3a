"""What a linear classifier needs of a clip: statistics of its segments."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...graph import adjacency
from ...resampling import segments
from ..sizes import refuse_other_input, refuse_other_sizes

GAIN = 3.


@MODELS.register_module()
class SegmentStatistics(BaseModule):
    """Means of the segments of a clip, and its deviation and maximum.

    Of each joint and channel on its own, and normalised over the clips; there
    is nothing in it to learn. With the linear layer of ``GCNHead`` it is a
    linear classifier of pooled features, which needs far fewer clips than a
    graph network (docs/small_data.md). Means of segments are the consensus of
    TSN (arXiv 1608.00859), means with deviations the statistics pooling of
    x-vectors (10.1109/ICASSP.2018.8461375).

    Frames without the person, all zero, do not count. Of a person who is in
    no frame of a segment its means are zero.

    Args:
        in_channels: C of the input.
        graph: Layout of the joints, for their number. Defaults to ``'coco'``.
        num_person: M of the input. Defaults to 2.
        num_segments: S. Defaults to 6.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        out_channels: (S + 2) * V * C.
    """

    def __init__(self,
                 in_channels: int,
                 graph: str | dict = 'coco',
                 num_person: int = 2,
                 num_segments: int = 6,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        joints = adjacency(graph).shape[1]
        self.input_shape = (num_person, joints, in_channels)
        self.num_segments = num_segments
        self.out_channels = (num_segments + 2) * joints * in_channels
        # the plain mean of all batches: of a few clips each, they differ
        self.norm = nn.BatchNorm1d(
            self.out_channels, momentum=None, affine=False)
        # the squares of what it gives sum to GAIN ** 2: a learning rate that
        # suits a graph network suits it, however many channels there are
        self.scale = GAIN / self.out_channels**.5
        refuse_other_sizes(self)

    def forward(self, x: Tensor) -> Tensor:
        """Statistics of each person.

        Args:
            x: (N, M, T, V, C).

        Returns:
            (N, M, out_channels, 1, 1).

        Raises:
            ValueError: If M, V or C is not what it was built for.
        """
        refuse_other_input(self, x, self.input_shape)
        n, m = x.shape[:2]
        x = statistics(x.flatten(0, 1), self.num_segments).flatten(1)
        if self.training and len(x) == 1:
            # one person alone has no deviation
            x = F.batch_norm(x, self.norm.running_mean, self.norm.running_var)
        else:
            x = self.norm(x)
        return (self.scale * x).view(n, m, -1, 1, 1)


def statistics(x: Tensor, num_segments: int) -> Tensor:
    """Means of segments, and the deviation and maximum of the whole.

    Args:
        x: (P, T, V, C), P people.
        num_segments: S.

    Returns:
        (P, S + 2, V, C); zero where the person is in no frame.
    """
    present = x.abs().amax((2, 3), keepdim=True) > 0
    found = []
    for low, high in zip(*map(list, segments(x.shape[1], num_segments))):
        # a clip of fewer frames than segments has some of no frame
        part = slice(low, max(low + 1, high))
        found.append(_mean(x[:, part], present[:, part]))
    deviation = (x - _mean(x, present)[:, None]) * present
    variance = _mean(deviation.square(), present)
    largest = x.masked_fill(~present, -torch.inf).amax(1)
    return torch.stack([
        *found, variance.clamp_min(1e-12).sqrt(),
        largest.masked_fill(~present.any(1), 0)], 1)


def _mean(x: Tensor, present: Tensor) -> Tensor:
    """Over the frames that count, (P, T, V, C) -> (P, V, C)."""
    return x.sum(1) / present.sum(1).clamp_min(1)

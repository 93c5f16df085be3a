"""What a linear classifier needs of a clip: statistics of its segments."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...graph import adjacency
from ..front import balance
from ..sizes import refuse_other_input, refuse_other_sizes

GAIN = 3.
WHOLE = 3  # statistics of the whole clip, beside those of its segments


@MODELS.register_module()
class SegmentStatistics(BaseModule):
    """Means of a clip's segments, its deviation, maximum and mean change.

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
        parts: Channels of each part of the input, such as taps, C together:
            all parts count the same, whatever their numbers of channels.
            Defaults to None: all channels count the same.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        out_channels: (S + 3) * V * C.

    Raises:
        ValueError: If the parts are not the channels of the input together.
    """

    def __init__(self,
                 in_channels: int,
                 graph: str | dict = 'coco',
                 num_person: int = 2,
                 num_segments: int = 6,
                 parts: Sequence[int] | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        joints = adjacency(graph).shape[1]
        self.input_shape = (num_person, joints, in_channels)
        self.num_segments = num_segments
        self.out_channels = (num_segments + WHOLE) * joints * in_channels
        # the plain mean of all batches: of a few clips each, they differ
        self.norm = nn.BatchNorm1d(
            self.out_channels, momentum=None, affine=False)
        # the squares of what it gives sum to GAIN ** 2: a learning rate that
        # suits a graph network suits it, however many channels there are
        scale = torch.ones(in_channels) if parts is None else \
            balance(parts, in_channels)
        self.register_buffer('scale', GAIN / self.out_channels**.5 * scale,
                             persistent=False)
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
        # batches cannot be counted on the meta device, where a cost is taken
        if self.training and len(x) > 1 and not x.is_meta:
            x = self.norm(x)
        else:  # one person alone has no deviation; and as ONNX can have it
            mean, variance = self.norm.running_mean, self.norm.running_var
            assert mean is not None and variance is not None
            x = (x - mean) * (variance + self.norm.eps).rsqrt()
        x = x.view(n, m, -1, len(self.scale)) * self.scale
        return x.view(n, m, -1, 1, 1)


def statistics(x: Tensor, num_segments: int) -> Tensor:
    """Means of segments; deviation, maximum and mean change of the whole.

    The change is that from a frame to the next, without its sign.

    Args:
        x: (P, T, V, C), P people.
        num_segments: S.

    Returns:
        (P, S + 3, V, C); zero where the person is in no frame, or for the
        change in no two frames that follow each other.
    """
    present = x.abs().amax((2, 3), keepdim=True) > 0
    # in tensors, so that an exported graph takes clips of any length; a clip
    # of fewer frames than segments has some of no frame
    frames = torch.arange(x.shape[1], device=x.device)
    edges = torch.arange(
        num_segments + 1, device=x.device) * x.shape[1] // num_segments
    low, high = edges[:-1, None], edges[1:, None]
    inside = (frames >= low) & (frames < torch.maximum(high, low + 1))
    # (S, T) and (P, T, ...)
    inside = inside.to(x.dtype)
    count = torch.einsum('st,ptvc->psvc', inside, present.to(x.dtype))
    means = torch.einsum('st,ptvc->psvc', inside, x) / count.clamp_min(1)
    deviation = (x - _mean(x, present)[:, None]) * present
    variance = _mean(deviation.square(), present)
    largest = x.masked_fill(~present, -torch.inf).amax(1)
    both = present[:, 1:] & present[:, :-1]
    change = (x[:, 1:] - x[:, :-1]).abs() * both
    whole = torch.stack([
        variance.clamp_min(1e-12).sqrt(),
        largest.masked_fill(~present.any(1), 0), _mean(change, both)], 1)
    return torch.cat([means, whole], 1)


def _mean(x: Tensor, present: Tensor) -> Tensor:
    """Over the frames that count, (P, T, V, C) -> (P, V, C)."""
    return x.sum(1) / present.sum(1).clamp_min(1)

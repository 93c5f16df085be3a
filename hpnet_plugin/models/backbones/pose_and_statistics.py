"""A graph network of the pose beside statistics of all channels."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..sizes import refuse_other_input, refuse_other_sizes
from .segment_statistics import SegmentStatistics

POSE_CHANNELS = 3  # x, y and score


@MODELS.register_module()
class PoseAndStatistics(BaseModule):
    """Two branches of one network: motion of the pose, and statistics.

    Few clips teach a graph network how joints move; of hundreds of feature
    channels it learns clothes by heart (docs/small_data.md). So the graph
    network gets the pose alone, and a linear layer gets statistics of both, in
    which there is nothing to learn.
    :class:`~hpnet_plugin.models.heads.BranchHead` classifies both.

    Args:
        in_channels: C of the input, the last 3 of which are the pose's:
            position and score.
        pose: Config of the graph network, without the arguments that the
            branches share.
        graph: Layout of the joints. Defaults to ``'coco'``.
        num_person: M of the input. Defaults to 2.
        num_segments: See :class:`SegmentStatistics`.
        parts: Likewise.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        input_shape: M, V and C.
        out_channels: Those of both branches.
    """

    def __init__(self,
                 in_channels: int,
                 pose: dict,
                 graph: str | dict = 'coco',
                 num_person: int = 2,
                 num_segments: int = 6,
                 parts: Sequence[int] | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        shared = dict(graph=graph, num_person=num_person)
        self.pose = MODELS.build(
            dict(pose, in_channels=POSE_CHANNELS, **shared))
        self.statistics = SegmentStatistics(
            in_channels, num_segments=num_segments, parts=parts, **shared)
        self.input_shape = self.statistics.input_shape
        self.out_channels = \
            self.pose.out_channels + self.statistics.out_channels
        refuse_other_sizes(self)

    def forward(self, x: Tensor) -> Tensor:
        """Both descriptions of each person.

        Args:
            x: (N, M, T, V, C), features before the pose.

        Returns:
            (N, M, out_channels, 1, 1), the mean of the graph network over
            frames and joints first.

        Raises:
            ValueError: If M, V or C is not what it was built for.
        """
        refuse_other_input(self, x, self.input_shape)
        pose = x[..., -POSE_CHANNELS:].contiguous()
        motion = self.pose(pose).mean((-2, -1), keepdim=True)
        return torch.cat((motion, self.statistics(x)), 2)

"""What the graph backbones have in common."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...graph import adjacency
from ..front import ScaledNorm, balance, build_front
from ..sizes import refuse_other_input, refuse_other_sizes

# Three stages of blocks l1 to l10. The first block of a later stage halves
# the frames and doubles the channels.
STAGES = (range(1, 5), range(5, 8), range(8, 11))


class GraphBackbone(BaseModule):
    """Ten blocks on the joints of each person, after a norm of the input.

    The input norm has a mean and a scale for each person, joint and channel.
    A subclass makes the blocks, and may embed the input and combine the
    stages. Blocks carry the published names, ``l1`` to ``l10``.

    Args:
        in_channels: C of the input: 96 for HRNet-W48's H2 map, 2 for 2D pose.
        graph: Layout of the joints; see :func:`hpnet_plugin.graph.adjacency`.
            Defaults to ``'coco'``.
        num_person: M of the input. Defaults to 2.
        base_channels: Channels of the first stage. Defaults to 64.
        parts: Channels of each part of the input, such as features and pose,
            C together: all parts start with the same variance behind the
            norm, whatever their numbers of channels. Defaults to None: all
            channels start alike.
        front: Configs of modules before the first layer, of
            :mod:`hpnet_plugin.models.front`: (..., C) -> (..., C'). ``parts``
            are then those of C'. Defaults to none.
        init_cfg: Of mmengine's ``BaseModule``.

    Raises:
        ValueError: If the parts are not the channels of the input together.

    Attributes:
        input_shape: M, V and C.
        out_channels: Channels of the output, four times ``base_channels``.
    """

    def __init__(self,
                 in_channels: int,
                 graph: str | dict = 'coco',
                 num_person: int = 2,
                 base_channels: int = 64,
                 parts: Sequence[int] | None = None,
                 front: Sequence[dict] = (),
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        edges = torch.from_numpy(adjacency(graph))
        joints = edges.shape[1]
        self.input_shape = (num_person, joints, in_channels)
        self.front, in_channels = build_front(front, in_channels) \
            if front else (None, in_channels)
        self.embedding, width = self._embedding(in_channels, base_channels)
        self.data_bn = nn.BatchNorm1d(num_person * joints * width)
        if parts is not None:
            self._balance(balance(parts, in_channels))
        for stage, blocks in enumerate(STAGES):
            wider = base_channels * 2**stage
            for i in blocks:
                stride = 2 if stage and i == blocks[0] else 1
                self.add_module(f'l{i}', self._block(
                    width, wider, edges, stride, stage, i > 1))
                width = wider
        self.out_channels = width
        refuse_other_sizes(self)

    def _embedding(self, in_channels: int,
                   base_channels: int) -> tuple[nn.Module, int]:
        """Layer before the input norm, (..., C) -> (..., C'), and C'."""
        return nn.Identity(), in_channels

    def _balance(self, scale: Tensor) -> None:
        """Let channels start with the deviations ``scale`` (C, )."""
        if not isinstance(self.embedding, nn.Identity):
            # it is behind the embedding that data_bn normalises
            self.embedding = nn.Sequential(
                ScaledNorm(scale), self.embedding)
            return
        with torch.no_grad():
            self.data_bn.weight.copy_(
                scale.repeat(len(self.data_bn.weight) // len(scale)))

    def _block(self, in_channels: int, out_channels: int, graph: Tensor,
               stride: int, halvings: int, residual: bool) -> nn.Module:
        """(N, C, T, V) -> (N, C', T / stride, V) on a graph (3, V, V).

        What it gives has 2 ** ``halvings`` times fewer frames than the clip.
        """
        raise NotImplementedError

    def _combine(self, stages: list[Tensor]) -> Tensor:
        """Output of the net from that of each stage."""
        return stages[-1]

    def blocks(self) -> list[nn.Module]:
        """``l1`` to ``l10``.

        Returns:
            The blocks in their order.
        """
        return [getattr(self, f'l{i}') for stage in STAGES for i in stage]

    def normalise(self, x: Tensor) -> Tensor:
        """The embedded input after its norm.

        Args:
            x: (N, M, T, V, C).

        Returns:
            (N, M, V, C', T).

        Raises:
            ValueError: If M, V or C is not what the net was built for.
        """
        refuse_other_input(self, x, self.input_shape)
        n, m, t, v, _ = x.shape
        if self.front is not None:
            x = self.front(x)
        x = self.embedding(x).permute(0, 1, 3, 4, 2)
        return self.data_bn(x.reshape(n, -1, t)).view(n, m, v, -1, t)

    def forward(self, x: Tensor) -> Tensor:
        """Features of each person.

        Args:
            x: (N, M, T, V, C).

        Returns:
            (N, M, out_channels, T / 4, V).

        Raises:
            ValueError: If M, V or C is not what the net was built for.
        """
        n, m = x.shape[:2]
        x = self.normalise(x).flatten(0, 1)
        x = x.permute(0, 2, 3, 1).contiguous()
        stages = []
        for blocks in STAGES:
            for i in blocks:
                x = getattr(self, f'l{i}')(x)
            stages.append(x)
        x = self._combine(stages)
        return x.view(n, m, *x.shape[1:])

"""Spatial-Motion Co-Learning Module (Sec. III-C of the HP-Net paper)."""
from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor

from ...graph import bone_pairs
from ...streams import STREAMS, stream
from ..kept import Kept, every
from .ctrgcn import CTRGCN, block_weights, run_together
from .folding import Weights


class StreamFeatures(NamedTuple):
    """Features of N clips, one stream after the other.

    Attributes:
        streams: F'_p, F'_s, F'_m of Eq. 5, one a stream, each (N, D): mean
            over people, time and joints.
        concat: F_c of Eq. 5, (N, S * D), all of them side by side.
        joints: (N, V, S * D), the same before the mean over joints.
    """
    streams: tuple[Tensor, ...]
    concat: Tensor
    joints: Tensor

    def repeat_clips(self, times: int) -> StreamFeatures:
        """Repeat each clip for its views, which follow each other.

        Args:
            times: Views of a clip.

        Returns:
            Features of N * times clips.
        """
        return StreamFeatures(
            tuple(x.repeat_interleave(times, 0) for x in self.streams),
            self.concat.repeat_interleave(times, 0),
            self.joints.repeat_interleave(times, 0))


@MODELS.register_module()
class SMCLM(BaseModule):
    """Topology models of their own for joints, bones and their motion.

    The streams are made on the device from the one feature that is stored,
    and never share memory; the models share no weights. Several
    :class:`CTRGCN` in eval mode are computed side by side where launches cost
    more than memory: everywhere but on a CPU, and without gradients.

    Args:
        model: Config of a graph backbone, (N, M, T, V, C) to (N, M, D, T', V):
            :class:`CTRGCN` or any of the toolbox's. Each stream gets a model
            of this kind.
        streams: ``'j'`` joint F_p, ``'b'`` bone F_s, ``'jm'`` joint motion
            F_m, or ``'bm'`` bone motion. Defaults to ``('j', 'b', 'jm')``, the
            paper's; the released code's by ``('jm', 'jm', 'b')``.
        graph: Layout whose bones are taken; see
            :func:`hpnet_plugin.graph.bone_pairs`. Defaults to ``'coco'``.
        feat_channels: D. Defaults to None: the model's ``out_channels``, which
            stock models do not have.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        names: A name a stream, unique: the second ``'jm'`` is ``'jm_2'``.
        feat_channels: D.

    Raises:
        ValueError: If a stream is unknown, or D is.
    """

    def __init__(self,
                 model: dict,
                 streams: Sequence[str] = ('j', 'b', 'jm'),
                 graph: str | dict = 'coco',
                 feat_channels: int | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        unknown = [name for name in streams if name not in STREAMS]
        if unknown or not streams:
            raise ValueError(f'streams must be some of {STREAMS}, '
                             f'got {tuple(streams)}')
        self.streams = tuple(streams)
        self.names = tuple(
            name + (f'_{n}' if (n := self.streams[:i + 1].count(name)) > 1
                    else '') for i, name in enumerate(self.streams))
        self.pairs = bone_pairs(graph)
        # on the device, where a CUDA graph cannot copy them
        self.register_buffer('parents', torch.tensor(
            [parent for _, parent in self.pairs]), persistent=False)
        self._kept: Kept[list[Weights]] = Kept()
        self.models = ModuleList(
            MODELS.build(copy.deepcopy(model)) for _ in self.streams)
        self.feat_channels = feat_channels or getattr(
            self.models[0], 'out_channels', None)
        if self.feat_channels is None:
            raise ValueError(
                f'{type(self.models[0]).__name__} does not say how many '
                'channels it gives: set feat_channels of SMCLM')

    def forward(self, x: Tensor) -> StreamFeatures:
        """Features of all streams.

        Args:
            x: Pooled features, (N, M, T, V, C).

        Returns:
            Of N clips.

        Raises:
            ValueError: If the models give another number of channels than
                ``feat_channels``.
        """
        # mean over people and time: (N, V, D)
        joints = [out.mean((1, 3)).transpose(1, 2) for out in self.maps(x)]
        features = tuple(joint.mean(1) for joint in joints)
        return StreamFeatures(features, torch.cat(features, 1),
                              torch.cat(joints, 2))

    def maps(self, x: Tensor) -> list[Tensor]:
        """Output of the model of each stream.

        Args:
            x: Pooled features, (N, M, T, V, C).

        Returns:
            (N, M, D, T', V) each.

        Raises:
            ValueError: If the models give another number of channels than
                ``feat_channels``.
        """
        inputs = [stream(x, name, self.pairs, self.parents)
                  for name in self.streams]
        if self._side_by_side(x):
            nets: list[Any] = list(self.models)
            weights = self._kept(nets, lambda: block_weights(nets, True))
            outs = run_together(nets, inputs, weights)
        else:
            outs = [model(part) for model, part in zip(self.models, inputs)]
        for model, out in zip(self.models, outs):
            if out.shape[2] != self.feat_channels:
                raise ValueError(
                    f'{type(model).__name__} gives {out.shape[2]} channels, '
                    f'SMCLM was told feat_channels={self.feat_channels}')
        return outs

    def _side_by_side(self, x: Tensor) -> bool:
        """Whether the models are computed together.

        On a CPU three networks do not fit into the cache that one fits into.
        """
        return not x.is_cpu and not torch.is_grad_enabled() and all(
            type(model) is CTRGCN for model in self.models) and not any(
            module.training for module in every(self.models))

    def train(self, mode: bool = True) -> SMCLM:
        """Set the mode.

        Args:
            mode: Whether to train. Defaults to True.

        Returns:
            The module itself.
        """
        self._kept.drop()
        return super().train(mode)

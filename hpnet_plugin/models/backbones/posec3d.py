"""The light backbones of PoseConv3D (Duan et al., CVPR 2022), 2104.13586.

The toolbox's C3D and X3D are those of RGB video: C3D has three input
channels, no normalisation and fully connected layers, X3D fixed depths and
Swish.
"""
from __future__ import annotations

from mmaction.models.backbones.x3d import X3D, BlockX3D
from mmaction.registry import MODELS
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d


@MODELS.register_module()
class C3DLight(BaseModule):
    """C3D without its last two convolutions, and of half the width.

    Space is halved, by the mean, before the second, third and fifth
    convolution; time is kept. Parameters carry the published names.

    Args:
        in_channels: K, joints or limbs. Defaults to 17.
        base_channels: Width of the first convolution. Defaults to 32.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        out_channels: Channels that it gives, eight times the first.
    """

    # width in units of the first, and whether space is halved before it
    LAYERS = dict(conv1a=(1, False), conv2a=(2, True), conv3a=(4, True),
                  conv3b=(4, False), conv4a=(8, True), conv4b=(8, False))

    def __init__(self,
                 in_channels: int = 17,
                 base_channels: int = 32,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        width = in_channels
        for name, (times, _) in self.LAYERS.items():
            setattr(self, name, ConvModule(
                width, times * base_channels, 3, padding=1,
                conv_cfg=dict(type='Conv3d'), norm_cfg=dict(type='BN3d')))
            width = times * base_channels
        self.out_channels = width

    def forward(self, x: Tensor) -> Tensor:
        """Features of volumes.

        Args:
            x: (N, K, T, H, W).

        Returns:
            (N, 256, T, H / 8, W / 8).
        """
        for name, (_, halved) in self.LAYERS.items():
            if halved:
                x = avg_pool3d(x, (1, 2, 2))
            x = getattr(self, name)(x)
        return x


@MODELS.register_module()
class X3DShallow(X3D):
    """X3D of ten blocks, without squeeze and excitation and without Swish.

    Args:
        in_channels: K, joints or limbs. Defaults to 17.
        gamma_w: Factor of the published width. Defaults to 1.

    Attributes:
        feat_dim: Channels that it gives, 216 times ``gamma_w``.
    """

    BLOCKS = 2, 5, 3

    def __init__(self, in_channels: int = 17, gamma_w: float = 1.0) -> None:
        super().__init__(
            gamma_w=gamma_w,
            gamma_b=2.25,
            in_channels=in_channels,
            num_stages=len(self.BLOCKS),
            spatial_strides=(2, ) * len(self.BLOCKS),
            se_ratio=None)
        inside = self.base_channels
        for i, blocks in enumerate(self.BLOCKS):
            width = self.base_channels * 2**i
            # the parent has depths of its own: its stages are made anew
            setattr(self, f'layer{i + 1}', self.make_res_layer(
                BlockX3D, inside, width, int(width * self.gamma_b), blocks,
                spatial_stride=2, norm_cfg=self.norm_cfg,
                act_cfg=self.act_cfg, conv_cfg=self.conv_cfg))
            inside = width
        for module in self.modules():
            if isinstance(module, BlockX3D):
                # pyrefly: ignore[bad-assignment]
                module.swish = nn.Identity()  # in place of Swish

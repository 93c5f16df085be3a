"""Video tower of X-CLIP (Ni et al., ECCV 2022), arXiv 2208.02816."""
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from mmaction.registry import MODELS
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .arch import clip_arch


class VideoFeatures(NamedTuple):
    """Features of B clips of T frames.

    Attributes:
        video: (B, E).
        frames: Of each frame, (B, T, E).
        patches: Of each patch, before the last norm, (B, T, g * g, W); None
            if nobody wanted them.
    """
    video: Tensor
    frames: Tensor
    patches: Tensor | None


@MODELS.register_module()
class XCLIPVision(BaseModule):
    """Video tower of X-CLIP around open_clip's ViT.

    Parameters carry X-CLIP's names (``visual.*`` and ``mit.*``).

    Args:
        arch: See :func:`clip_arch`. Defaults to ``'ViT-B-16'``.
        num_frames: T. A checkpoint of another number is taken, its temporal
            positions interpolated. Defaults to 8.
        mit_layers: Blocks of the multi-frame integration. Defaults to 1, that
            of the released models.
        quick_gelu: OpenAI's and X-CLIP's weights need it. Defaults to True.
        drop_path: Rate of stochastic depth of the last block; it grows
            linearly from 0. Defaults to 0.
        grad_checkpointing: What the backward pass computes again instead of
            keeping it in memory.

            - ``'selective'``: what is cheap, norms and activations. Half the
              memory for a few percent of the time.
            - True: everything but the input of each block. A twentieth of
              the memory for a fifth to a third of the time.
            - False: nothing.

            Gradients are the same. A compiled tower chooses for itself what
            is cheap. Defaults to ``'selective'``.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        embed_dim: E.
        width: W.
        num_frames: T.

    Raises:
        ValueError: If ``grad_checkpointing`` is anything else.
    """

    def __init__(self,
                 arch: str | dict[str, Any] = 'ViT-B-16',
                 num_frames: int = 8,
                 mit_layers: int = 1,
                 quick_gelu: bool = True,
                 drop_path: float = 0.,
                 grad_checkpointing: bool | str = 'selective',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        from . import blocks
        if grad_checkpointing not in (True, False, 'selective'):
            raise ValueError("grad_checkpointing must be 'selective', True or "
                             f'False, got {grad_checkpointing!r}')
        self.embed_dim, cfg, _ = clip_arch(arch)
        self.width = cfg.width
        self.num_frames = num_frames
        self.grad_checkpointing = grad_checkpointing
        act_layer = blocks.QuickGELU if quick_gelu else nn.GELU
        heads = cfg.width // cfg.head_width
        layers = cfg.layers
        assert isinstance(layers, int)  # clip_arch refuses ResNets
        # no layers: its blocks would be made only to be replaced
        self.visual = blocks.VisionTransformer(
            # pyrefly: ignore[bad-argument-type]  a pair does as well
            cfg.image_size, cfg.patch_size, cfg.width, 0, heads,
            cfg.mlp_ratio, output_dim=self.embed_dim)
        last = max(layers - 1, 1)
        self.visual.transformer.resblocks = nn.ModuleList(
            blocks.CrossFrameBlock(
                cfg.width, heads, num_frames, drop_path * i / last,
                mlp_ratio=cfg.mlp_ratio, act_layer=act_layer)
            for i in range(layers))
        self._init_blocks()
        self.mit = blocks.FrameIntegration(
            num_frames, self.embed_dim, mit_layers, act_layer)
        self.register_load_state_dict_pre_hook(_fit_frames)

    def _init_blocks(self) -> None:
        """CLIP's initialisation, which open_clip leaves to torch for ViTs."""
        blocks = self.visual.transformer.resblocks
        in_std = self.width**-0.5
        out_std = in_std * (2 * len(blocks))**-0.5
        for block in blocks:
            for name, std in (('attn.in_proj_weight', in_std),
                              ('attn.out_proj.weight', out_std),
                              ('message_attn.in_proj_weight', in_std),
                              ('message_attn.out_proj.weight', out_std),
                              ('message_fc.weight', in_std),
                              ('mlp.c_fc.weight', (2 * self.width)**-0.5),
                              ('mlp.c_proj.weight', out_std)):
                nn.init.normal_(block.get_parameter(name), std=std)
            nn.init.zeros_(block.get_parameter('message_fc.bias'))

    def forward(self, imgs: Tensor, patches: bool = True) -> VideoFeatures:
        """Features of clips.

        Args:
            imgs: (B, T, 3, H, W), normalised.
            patches: Whether those of the patches are wanted. Without them the
                last block computes its class tokens alone. Defaults to True.

        Returns:
            Of B clips.

        Raises:
            ValueError: If frames or images are of another number or size.
        """
        _, frames, _, *size = imgs.shape
        wanted = list(self.visual.image_size)
        if frames != self.num_frames or size != wanted:
            raise ValueError(
                f'XCLIPVision takes {self.num_frames} frames of {wanted} '
                f'(height, width), got {frames} of {size}: set num_frames '
                'of LoadPersonCrops and the scale of Resize')
        x = self._tokens(imgs.flatten(0, 1))
        saving = self.training and self.grad_checkpointing
        # torch.compile computes cheap things again of its own accord
        selective = saving == 'selective' and not torch.compiler.is_compiling()
        *blocks, last = self.visual.transformer.resblocks
        for block, tokens in [*((block, None) for block in blocks),
                              (last, None if patches else 1)]:
            if saving and saving != 'selective':
                # pyrefly: ignore[bad-assignment]  torch's is not typed
                x: Tensor = checkpoint(block, x, False, tokens,
                                       use_reentrant=False)
            else:
                x = block(x, selective, tokens)
        classes = self.visual.ln_post(x[:, 0]) @ self.visual.proj
        # reshape, not unflatten: that of torch's ONNX exporter fixes the batch
        classes = classes.reshape(-1, frames, classes.shape[-1])
        return VideoFeatures(
            self.mit(classes), classes, x[:, 1:].reshape(
                -1, frames, x.shape[1] - 1, x.shape[2]) if patches else None)

    def _tokens(self, imgs: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1 + g * g, W), the class token first."""
        vit = self.visual
        x = vit.conv1(imgs).flatten(2).transpose(1, 2)
        cls = vit.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = torch.cat([cls, x], 1)
        return vit.ln_pre(x + vit.positional_embedding.to(x.dtype))


def _fit_frames(module: XCLIPVision, state_dict: dict[str, Tensor],
                prefix: str, *_: object) -> None:
    """Interpolate temporal positions of another number of frames."""
    key = prefix + 'mit.positional_embedding'
    stored, own = state_dict.get(key), module.mit.positional_embedding
    if stored is None or stored.shape == own.shape or \
            stored.shape[::2] != own.shape[::2]:
        return
    state_dict[key] = F.interpolate(
        stored.transpose(1, 2).float(), own.shape[1], mode='linear',
        align_corners=False).transpose(1, 2).to(stored.dtype)
    print_log(f'{key}: {stored.shape[1]} temporal positions interpolated to '
              f'{own.shape[1]}', 'current')

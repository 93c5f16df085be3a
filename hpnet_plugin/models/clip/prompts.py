"""Video-specific prompts of X-CLIP (Sec. 3.3); HP-Net leaves them out."""
from __future__ import annotations

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .vision import VideoFeatures


@MODELS.register_module()
class VideoPrompts(BaseModule):
    """Add to each class's text what the clip's patches say of it.

    Args:
        embed_dim: E.
        width: W of the patches.
        layers: Blocks. Defaults to 2, X-CLIP's.
        alpha: Weight of the prompts at first. Defaults to 0.1.
        init_cfg: Of mmengine's ``BaseModule``.
    """

    def __init__(self,
                 embed_dim: int,
                 width: int,
                 layers: int = 2,
                 alpha: float = 0.1,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        from .blocks import LayerNorm, PromptBlock
        self.visual_ln = LayerNorm(width)
        self.visual_proj = nn.Parameter(
            width**-0.5 * torch.randn(width, embed_dim))
        self.norm = LayerNorm(embed_dim)
        self.decoder = nn.ModuleList(
            PromptBlock(embed_dim, max(embed_dim // 64, 1))
            for _ in range(layers))
        self.alpha = nn.Parameter(torch.full((embed_dim, ), alpha))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, text: Tensor, video: VideoFeatures) -> Tensor:
        """Text features with the prompts of each clip.

        Args:
            text: (K, E) or (B, K, E).
            video: Of B clips.

        Returns:
            (B, K, E).
        """
        patches = (self.visual_ln(video.patches) @ self.visual_proj).mean(1)
        patches = self.norm(patches)
        out = text.expand(len(patches), *text.shape[-2:])
        for block in self.decoder:
            out = block(out, patches)
        return text + self.alpha * out

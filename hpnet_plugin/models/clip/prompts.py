"""Video-specific prompts of X-CLIP (Sec. 3.3); HP-Net leaves them out."""
import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from open_clip.transformer import LayerNorm, QuickGELU
from torch import nn
from torch.nn import functional as F


class PromptAttention(nn.Module):
    """Cross attention of class names and patches, without biases of q, k, v.

    Args:
        channels (int): E.
        heads (int): Number of heads.
    """

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, text, patches):
        """(B, K, E) and (B, P, E) -> (B, K, E)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.q_proj, text), (self.k_proj, patches),
                             (self.v_proj, patches)))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))


class PromptBlock(nn.Module):
    """Cross attention and MLP, pre-norm."""

    def __init__(self, channels, heads):
        super().__init__()
        self.cross_attn = PromptAttention(channels, heads)
        self.norm1, self.norm3 = LayerNorm(channels), LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), QuickGELU(), nn.Identity(),
            nn.Linear(4 * channels, channels))

    def forward(self, text, patches):
        """(B, K, E) and (B, P, E) -> (B, K, E)."""
        text = text + self.cross_attn(self.norm1(text), patches)
        return text + self.mlp(self.norm3(text))


@MODELS.register_module()
class VideoPrompts(BaseModule):
    """Add to each class's text what the clip's patches say of it.

    Args:
        embed_dim (int): E.
        width (int): W of the patches.
        layers (int): Blocks. Defaults to 2, X-CLIP's.
        alpha (float): Weight of the prompts at first. Defaults to 0.1.
        init_cfg (dict, optional): Of mmengine's ``BaseModule``.
    """

    def __init__(self, embed_dim, width, layers=2, alpha=0.1, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
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

    def forward(self, text, video):
        """Text features with the prompts of each clip.

        Args:
            text (Tensor): (K, E) or (B, K, E).
            video (VideoFeatures): Of B clips.

        Returns:
            Tensor: (B, K, E).
        """
        patches = (self.visual_ln(video.patches) @ self.visual_proj).mean(1)
        patches = self.norm(patches)
        out = text.expand(len(patches), *text.shape[-2:])
        for block in self.decoder:
            out = block(out, patches)
        return text + self.alpha * out

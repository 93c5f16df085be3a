"""Blocks of X-CLIP's towers, made of open_clip's and timm's.

A module of its own: importing open_clip takes most of a second, which who
trains a stream need not wait for.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from open_clip.transformer import (
    LayerNorm,
    QuickGELU,
    ResidualAttentionBlock,
    VisionTransformer,
)
from timm.layers import DropPath
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..linear import linear

__all__ = ['CrossFrameBlock', 'FrameIntegration', 'LayerNorm', 'PromptBlock',
           'QuickGELU', 'VisionTransformer']


class CrossFrameBlock(ResidualAttentionBlock):
    """Cross-frame communication attention (X-CLIP, Sec. 3.2).

    Each frame writes a message from its class token; the messages attend to
    each other; then each frame attends to its own tokens and its message.

    Args:
        width: W.
        heads: Heads of both attentions.
        frames: T.
        drop_path: Rate of stochastic depth. Defaults to 0.
        **kwargs: Of open_clip's ``ResidualAttentionBlock``.
    """

    mlp: Any  # open_clip's container, with names for its layers

    def __init__(self,
                 width: int,
                 heads: int,
                 frames: int,
                 drop_path: float = 0.,
                 **kwargs: Any) -> None:
        super().__init__(width, heads, **kwargs)
        self.frames = frames
        self.message_fc = nn.Linear(width, width)
        self.message_ln = LayerNorm(width)
        self.message_attn = nn.MultiheadAttention(
            width, heads, batch_first=True)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self._quick = isinstance(self.mlp.gelu, QuickGELU)
        self._scale = 1.702 if self._quick else 1.

    # pyrefly: ignore[bad-override]  frames attend to nothing but themselves
    def forward(self, x: Tensor, selective: bool = False,
                tokens: int | None = None) -> Tensor:
        """Exchange messages between frames, then look at each frame.

        Args:
            x: (B * T, L, W), the class token first.
            selective: Whether the backward pass computes norms and
                activations again, which are cheap, so that of the forward
                pass it needs what attention takes and gives and the MLP's
                hidden layer before its activation. Defaults to False.
            tokens: How many tokens, from the class token on, are wanted.
                Defaults to None, all.

        Returns:
            (B * T, L, W), or fewer tokens.
        """
        run = _again if selective else _once
        q, kv = run(self._project, x, self._messages(x[:, 0]), tokens)
        x = x[:, :tokens]
        x = x + self.drop_path(self._attend(q, kv))
        out = run(self._narrow, run(self._widen, x))
        return torch.add(x, self.drop_path(out), alpha=1 / self._scale)

    def _messages(self, classes: Tensor) -> Tensor:
        """Class tokens (B * T, W) to messages (B * T, 1, W)."""
        message = self.message_fc(classes)
        message = message.reshape(-1, self.frames, message.shape[-1])
        normed = self.message_ln(message)
        message = message + self.drop_path(
            self.message_attn(normed, normed, normed, need_weights=False)[0])
        return message.flatten(0, 1)[:, None]

    # Of the next three the last step is a matrix product that saves its
    # input and not its output: computed again, each ends before it.

    def _project(self, x: Tensor, message: Tensor, tokens: int | None
                 ) -> tuple[Tensor, Tensor]:
        """Queries of the tokens, keys and values of all and the message."""
        normed = self.ln_1(torch.cat([x, message], 1))
        weight, bias = self.attn.in_proj_weight, self.attn.in_proj_bias
        width = self.attn.embed_dim
        if tokens is None:
            # the message is made anew in every block: nobody needs its row
            q, kv = linear(normed, weight, bias).split((width, 2 * width), -1)
            return q[:, :-1], kv
        return (linear(normed[:, :tokens].contiguous(), weight[:width],
                       bias[:width]),
                linear(normed, weight[width:], bias[width:]))

    # QuickGELU is y * sigmoid(s * y) = silu(s * y) / s. The norm multiplies
    # by s, and what adds the output to x divides by it: the wide hidden layer
    # goes through one activation and no products.

    def _widen(self, x: Tensor) -> Tensor:
        norm, layer, scale = self.ln_2, self.mlp.c_fc, self._scale
        normed = F.layer_norm(x, norm.normalized_shape, norm.weight * scale,
                              norm.bias * scale, norm.eps).to(x.dtype)
        return linear(normed, layer.weight, layer.bias * scale)

    def _narrow(self, hidden: Tensor) -> Tensor:
        layer = self.mlp.c_proj
        if self._quick:
            hidden = F.silu(hidden, inplace=not torch.is_grad_enabled())
        else:
            hidden = self.mlp.gelu(hidden)
        return linear(hidden, layer.weight, layer.bias * self._scale)

    def _attend(self, q: Tensor, kv: Tensor) -> Tensor:
        # reshape, not unflatten: that of torch's ONNX exporter fixes the batch
        q, k, v = (part.reshape(-1, part.shape[1], self.attn.num_heads,
                                self.attn.head_dim).transpose(1, 2)
                   for part in (q, *kv.chunk(2, -1)))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return linear(out.flatten(2), self.attn.out_proj.weight,
                      self.attn.out_proj.bias)


def _once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _again(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function without random numbers, and again when its gradient is
    needed, as far as that needs it: the arguments alone are kept."""
    return checkpoint(function, *args, use_reentrant=False,
                      preserve_rng_state=False)


class FrameIntegration(nn.Module):
    """Multi-frame integration transformer (X-CLIP, Sec. 3.2).

    Args:
        frames: T.
        channels: E; a head has 64 of them.
        layers: Number of blocks.
        act_layer: Activation.
    """

    def __init__(self,
                 frames: int,
                 channels: int,
                 layers: int,
                 act_layer: type[nn.Module]) -> None:
        super().__init__()
        heads = max(channels // 64, 1)
        self.positional_embedding = nn.Parameter(
            torch.empty(1, frames, channels))
        self.resblocks = nn.Sequential(*(
            ResidualAttentionBlock(channels, heads, act_layer=act_layer)
            for _ in range(layers)))
        nn.init.trunc_normal_(self.positional_embedding, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Features of clips from those of their frames.

        Args:
            x: (B, T, E).

        Returns:
            (B, E).
        """
        return (x + self.resblocks(x + self.positional_embedding)).mean(1)


class _PromptAttention(nn.Module):
    """Cross attention of class names and patches, without biases of q, k, v.

    Args:
        channels: E.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, text: Tensor, patches: Tensor) -> Tensor:
        """(B, K, E) and (B, P, E) -> (B, K, E)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.q_proj, text), (self.k_proj, patches),
                             (self.v_proj, patches)))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))


class PromptBlock(nn.Module):
    """Cross attention and MLP, pre-norm.

    Args:
        channels: E.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.cross_attn = _PromptAttention(channels, heads)
        self.norm1, self.norm3 = LayerNorm(channels), LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), QuickGELU(), nn.Identity(),
            nn.Linear(4 * channels, channels))

    def forward(self, text: Tensor, patches: Tensor) -> Tensor:
        """Let the text features look at the patches.

        Args:
            text: (B, K, E).
            patches: (B, P, E).

        Returns:
            (B, K, E).
        """
        text = text + self.cross_attn(self.norm1(text), patches)
        return text + self.mlp(self.norm3(text))

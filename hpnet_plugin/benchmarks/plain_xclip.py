"""X-CLIP's video tower, written plainly after the paper and released code.

With the layout, the modules and the names of parameters that these have, so
that it loads the weights of :class:`hpnet_plugin.models.XCLIPVision`.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn


class QuickGELU(nn.Module):
    """OpenAI's activation."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """A block of a transformer, of CLIP's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module('c_fc', nn.Linear(width, 4 * width))
        self.mlp.add_module('gelu', QuickGELU())
        self.mlp.add_module('c_proj', nn.Linear(4 * width, width))

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of (L, N, W)."""
        return self.attn(x, x, x, need_weights=False)[0]

    def forward(self, x: Tensor) -> Tensor:
        """(L, N, W)."""
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class MessageBlock(Block):
    """A block whose frames exchange messages (X-CLIP, Sec. 3.2)."""

    def __init__(self, width: int, heads: int, frames: int) -> None:
        super().__init__(width, heads)
        self.frames = frames
        self.message_fc = nn.Linear(width, width)
        self.message_ln = nn.LayerNorm(width)
        self.message_attn = nn.MultiheadAttention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        """(L, B * T, W)."""
        length, batch, width = x.shape
        message = self.message_fc(x[0]).view(-1, self.frames, width)
        message = message.permute(1, 0, 2)
        normed = self.message_ln(message)
        message = message + self.message_attn(
            normed, normed, normed, need_weights=False)[0]
        message = message.permute(1, 0, 2).reshape(1, batch, width)
        x = torch.cat([x, message])
        x = (x + self.attend(self.ln_1(x)))[:length]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Blocks, under the name that they have in CLIP."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """(L, N, W)."""
        return self.resblocks(x)


class FrameTower(nn.Module):
    """The image tower of CLIP with messages."""

    def __init__(self, size: int, patch: int, width: int, layers: int,
                 channels: int, frames: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(
            torch.empty((size // patch)**2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer([
            MessageBlock(width, width // 64, frames) for _ in range(layers)])
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B * T, 3, H, W) to class tokens and patches."""
        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        first = self.class_embedding + x.new_zeros(len(x), 1, x.shape[-1])
        x = torch.cat([first, x], 1) + self.positional_embedding
        x = self.ln_pre(x).permute(1, 0, 2)
        x = self.transformer(x).permute(1, 0, 2)
        return self.ln_post(x[:, 0]) @ self.proj, x[:, 1:]


class FrameIntegration(nn.Module):
    """The multi-frame integration transformer."""

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(
            torch.empty(1, frames, channels))
        self.resblocks = nn.Sequential(Block(channels, channels // 64))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, E) to (B, E)."""
        out = (x + self.positional_embedding).permute(1, 0, 2)
        return (x + self.resblocks(out).permute(1, 0, 2)).mean(1)


class VideoTower(nn.Module):
    """Clips (B, T, 3, H, W) to features (B, E).

    Args:
        size: H and W.
        patch: Side of a patch.
        width: W of the blocks.
        layers: Number of blocks.
        channels: E.
        frames: T.
    """

    def __init__(self, size: int, patch: int, width: int, layers: int,
                 channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.visual = FrameTower(size, patch, width, layers, channels, frames)
        self.mit = FrameIntegration(frames, channels)

    def forward(self, imgs: Tensor) -> Tensor:
        """(B, T, 3, H, W) to (B, E)."""
        classes, _ = self.visual(imgs.flatten(0, 1))
        return self.mit(classes.view(-1, self.frames, classes.shape[-1]))

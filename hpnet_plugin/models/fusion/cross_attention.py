"""Cross attention of class names and joints (Table XII)."""
from __future__ import annotations

from mmaction.registry import MODELS
from torch import Tensor, nn

from ..backbones.smclm import StreamFeatures
from .text_fusion import TextFusion


@MODELS.register_module()
class CrossAttentionFusion(TextFusion):
    """Let each class's text look at the joints of the clip.

    F' = F_text + MHA(query=F_text, key=value=joints), both normed before.
    The paper names the fusion and gives no more; F_c is one vector a clip,
    over which attention would be constant, so the joints are taken before
    their mean. The last layer starts at zero: F' then equals F_text.

    Args:
        text_channels: C of the text features.
        feat_channels: S * D of the joints' features.
        head_channels: Channels of a head. Defaults to 64, CLIP's.
        init_cfg: Of mmengine's ``BaseModule``.
    """

    def __init__(self,
                 text_channels: int,
                 feat_channels: int,
                 head_channels: int = 64,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.norm_text = nn.LayerNorm(text_channels)
        self.norm_joints = nn.LayerNorm(feat_channels)
        self.attn = nn.MultiheadAttention(
            text_channels,
            max(text_channels // head_channels, 1),
            kdim=feat_channels,
            vdim=feat_channels,
            batch_first=True)
        nn.init.zeros_(self.attn.out_proj.weight)

    def _refined(self, text: Tensor, features: StreamFeatures) -> Tensor:
        joints = self.norm_joints(features.joints)
        query = self.norm_text(text).expand(len(joints), *text.shape[-2:])
        seen, _ = self.attn(query, joints, joints, need_weights=False)
        return text + seen

"""Feature-wise Linear Modulation (Perez et al., AAAI 2018), 1709.07871."""
from __future__ import annotations

from mmaction.registry import MODELS
from torch import Tensor, nn

from ..backbones.smclm import StreamFeatures
from .text_fusion import TextFusion


@MODELS.register_module()
class FiLM(TextFusion):
    """Scale and shift the text features by those of the clip (Table XII).

    F' = gamma(F_c) * F_text + beta(F_c), gamma and beta linear. They start
    at one and zero: F' then equals F_text.

    Args:
        text_channels: C of the text features.
        feat_channels: D of F_c.
        init_cfg: Of mmengine's ``BaseModule``.
    """

    def __init__(self,
                 text_channels: int,
                 feat_channels: int,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.gamma = nn.Linear(feat_channels, text_channels)
        self.beta = nn.Linear(feat_channels, text_channels)
        for layer, start in ((self.gamma, 1.), (self.beta, 0.)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, start)

    def _refined(self, text: Tensor, features: StreamFeatures) -> Tensor:
        feat = features.concat
        return self.gamma(feat)[:, None] * text + self.beta(feat)[:, None]

"""Feature-wise Linear Modulation (Perez et al., AAAI 2018), 1709.07871."""
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn


@MODELS.register_module()
class FiLM(BaseModule):
    """Scale and shift the text features by those of the clip (Table XII).

    F' = gamma(F_c) * F_text + beta(F_c), gamma and beta linear. They start
    at one and zero: F' then equals F_text.

    Args:
        text_channels (int): C of the text features.
        feat_channels (int): D of F_c.
        init_cfg (dict, optional): Of mmengine's ``BaseModule``.
    """

    def __init__(self, text_channels, feat_channels, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        self.gamma = nn.Linear(feat_channels, text_channels)
        self.beta = nn.Linear(feat_channels, text_channels)
        for layer, start in ((self.gamma, 1.), (self.beta, 0.)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, start)

    def forward(self, text, pooled):
        """Modulated text features.

        Args:
            text (Tensor): F_text, (K, C) or (B, K, C).
            pooled (PooledFeatures): Of :class:`SMCLM`, of B clips.

        Returns:
            Tensor: F', (B, K, C).
        """
        feat = pooled.concat
        return self.gamma(feat)[:, None] * text + self.beta(feat)[:, None]

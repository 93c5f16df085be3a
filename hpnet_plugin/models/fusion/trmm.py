"""Text Refinement Modulation Module (Sec. III-D of the HP-Net paper)."""
from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ..backbones.smclm import StreamFeatures
from .text_fusion import TextFusion

ETAS = ('outer', 'elementwise', 'text', None)
MLPS = ('plain', 'released')
INITS = ('identity', 'released')


@MODELS.register_module()
class TRMM(TextFusion):
    r"""Refine the text features of the classes by those of the clip.

    :math:`F'_{text} = F_{text} + \psi(F_c, F_{text}) + \eta(F_c)` (Eq. 7),
    :math:`\psi = P_1(F_c) \circ F_{text} + P_2(F_c)` (Eq. 8); paper and
    released code know three :math:`\eta`, see ``eta``.

    Args:
        text_channels: C of the text features.
        feat_channels: D of F_c.
        eta: Which one.

            - ``'outer'``: Algorithm 1, line 7, read literally.
              S = tanh(P3(F_c)[:, :, None] - P4(F_c)[:, None, :]), (B, C, D),
              and eta = S F_c / D, the same for every class.
            - ``'elementwise'``: Eq. 9, (P3(F_c) - P4(F_c)) * P(F_c), with a
              projection P of F_c to C channels.
            - ``'text'``: the released code, which takes no F_c:
              M = tanh(m3[:, None] - m4[None, :]), (C, C), with m3 and m4 the
              means of P3 and P4 over the classes' text features, and
              eta = F_text M^T, the same for every clip.
            - None: no eta. What is left is FiLM with a residual.

            Defaults to ``'outer'``.
        mlp: ``'plain'``: every P is Linear, ReLU, Linear; ``'released'``: P1
            and P2 are Linear, Linear, and P3 and P4 are Linear, Linear, ReLU.
            Defaults to ``'plain'``.
        init: ``'identity'``: the last layers start at zero, so that F' equals
            F_text and the match of text and video that was learnt before
            survives the first step; ``'released'``: torch's own
            initialisation. Defaults to ``'identity'``.
        init_cfg: Of mmengine's ``BaseModule``.

    Raises:
        ValueError: If an option is unknown, or ``mlp='released'`` would
            start at zero: its last ReLU would never let a gradient through.
    """

    def __init__(self,
                 text_channels: int,
                 feat_channels: int,
                 eta: str = 'outer',
                 mlp: str = 'plain',
                 init: str = 'identity',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        for name, value, known in (('eta', eta, ETAS), ('mlp', mlp, MLPS),
                                   ('init', init, INITS)):
            if value not in known:
                raise ValueError(
                    f'{name} of TRMM must be one of {known}, got {value!r}')
        if mlp == 'released' and init == 'identity' and eta is not None:
            raise ValueError(
                "mlp='released' ends P3 and P4 in a ReLU, which zero weights "
                "would keep shut for ever: set init='released', too")
        self.eta = eta
        self.feat_channels = feat_channels
        ends = []

        def project(channels_in: int, channels_out: int,
                    after: bool = False) -> nn.Sequential:
            first = nn.Linear(channels_in, text_channels)
            last = nn.Linear(text_channels, channels_out)
            ends.append(last)
            if mlp == 'plain':
                return nn.Sequential(first, nn.ReLU(), last)
            return nn.Sequential(first, last, *[nn.ReLU()] * after)

        c, d = text_channels, feat_channels
        self.gamma, self.beta = project(d, c), project(d, c)  # P1, P2
        if eta is not None:
            self.p3 = project(c if eta == 'text' else d, c, after=True)
            self.p4 = project(c if eta == 'text' else d,
                              d if eta == 'outer' else c, after=True)
        if eta == 'elementwise':
            self.project = nn.Linear(d, c)
        if init == 'identity':
            for last in ends:
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def psi(self, text: Tensor, feat: Tensor) -> Tensor:
        """Modulate the text features, psi of Eq. 8.

        Args:
            text: F_text, (K, C) or (B, K, C).
            feat: F_c, (B, D).

        Returns:
            (B, K, C).
        """
        return self.gamma(feat)[:, None] * text + self.beta(feat)[:, None]

    def refinement(self, text: Tensor, feat: Tensor) -> Tensor:
        """What is added to the text features, psi + eta.

        Args:
            text: F_text, (K, C) or (B, K, C).
            feat: F_c, (B, D).

        Returns:
            (B, K, C).
        """
        psi = self.psi(text, feat)
        if self.eta is None:
            return psi
        if self.eta == 'text':
            m3, m4 = self.p3(text).mean(-2), self.p4(text).mean(-2)
            relation = torch.tanh(m3[..., :, None] - m4[..., None, :])
            return psi + text @ relation.transpose(-1, -2)
        p3, p4 = self.p3(feat), self.p4(feat)
        if self.eta == 'elementwise':
            return psi + ((p3 - p4) * self.project(feat))[:, None]
        relation = torch.tanh(p3[:, :, None] - p4[:, None, :])
        eta = (relation @ feat[:, :, None]).squeeze(-1) / self.feat_channels
        return psi + eta[:, None]

    def _refined(self, text: Tensor, features: StreamFeatures) -> Tensor:
        return text + self.refinement(text, features.concat)

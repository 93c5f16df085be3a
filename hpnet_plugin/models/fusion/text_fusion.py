"""What all that refines text features has in common."""
from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from ..backbones.smclm import StreamFeatures


class TextFusion(BaseModule):
    """Refine the text features of the classes by those of a clip.

    Unless told otherwise, it refines nothing at first, so that a match of
    text and video that was learnt before survives the first step.
    """

    def _refined(self, text: Tensor, features: StreamFeatures) -> Tensor:
        raise NotImplementedError

    def forward(self, text: Tensor, features: StreamFeatures) -> Tensor:
        """Refined text features.

        Args:
            text: F_text, (K, C) or (B, K, C).
            features: Of :class:`SMCLM`, of B clips.

        Returns:
            F'_text, (B, K, C).
        """
        return self._refined(text, features)

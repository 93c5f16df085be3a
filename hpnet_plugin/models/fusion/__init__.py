from .cross_attention import CrossAttentionFusion
from .film import FiLM
from .text_fusion import TextFusion
from .trmm import TRMM

__all__ = ['CrossAttentionFusion', 'FiLM', 'TRMM', 'TextFusion']

from .cross_attention import CrossAttentionFusion
from .film import FiLM
from .trmm import TRMM

__all__ = ['CrossAttentionFusion', 'FiLM', 'TRMM']

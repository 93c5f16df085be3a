from .trmm_head import TRMMHead

__all__ = ['TRMMHead']

from .branch_head import BranchHead
from .trmm_head import TRMMHead

__all__ = ['BranchHead', 'TRMMHead']

from .ctrgcn import CTRGCN
from .smclm import SMCLM

__all__ = ['CTRGCN', 'SMCLM']

from .ctrgcn import CTRGCN
from .mixformer import SkeletonMixFormer
from .posec3d import C3DLight, X3DShallow
from .smclm import SMCLM

__all__ = ['C3DLight', 'CTRGCN', 'SMCLM', 'SkeletonMixFormer', 'X3DShallow']

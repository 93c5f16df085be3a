from .ctrgcn import CTRGCN
from .graph_backbone import GraphBackbone
from .mixformer import SkeletonMixFormer
from .posec3d import C3DLight, X3DShallow
from .smclm import SMCLM

__all__ = ['C3DLight', 'CTRGCN', 'GraphBackbone', 'SMCLM',
           'SkeletonMixFormer', 'X3DShallow']

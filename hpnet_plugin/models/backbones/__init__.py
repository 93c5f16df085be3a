from .ctrgcn import CTRGCN
from .graph_backbone import GraphBackbone
from .mixformer import SkeletonMixFormer
from .pose_and_statistics import PoseAndStatistics
from .posec3d import C3DLight, X3DShallow
from .segment_statistics import SegmentStatistics
from .smclm import SMCLM

__all__ = ['C3DLight', 'CTRGCN', 'GraphBackbone', 'SMCLM',
           'PoseAndStatistics', 'SegmentStatistics', 'SkeletonMixFormer',
           'X3DShallow']

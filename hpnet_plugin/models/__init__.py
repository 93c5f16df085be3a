from .backbones import (
    CTRGCN,
    SMCLM,
    GraphBackbone,
    SegmentStatistics,
    SkeletonMixFormer,
)
from .batch_preprocessor import BatchDataPreprocessor
from .clip import CLIPText, VideoPrompts, XCLIPVision
from .data_preprocessor import HPNetDataPreprocessor, MixupCutmix
from .front import ChannelGate, FitWhitening, Whitening
from .fusion import TRMM, CrossAttentionFusion, FiLM
from .heads import TRMMHead
from .mixing import MixClips
from .optim import FlatDecayFree
from .recognizers import XCLIPRecognizer

__all__ = [
    'BatchDataPreprocessor', 'CLIPText', 'CTRGCN', 'ChannelGate',
    'CrossAttentionFusion', 'FiLM', 'FitWhitening', 'FlatDecayFree',
    'GraphBackbone', 'HPNetDataPreprocessor', 'MixClips', 'MixupCutmix',
    'SMCLM', 'SegmentStatistics', 'SkeletonMixFormer', 'TRMM', 'TRMMHead',
    'VideoPrompts', 'Whitening', 'XCLIPRecognizer', 'XCLIPVision'
]

from .backbones import (
    CTRGCN,
    SMCLM,
    GraphBackbone,
    PoseAndStatistics,
    SegmentStatistics,
    SkeletonMixFormer,
)
from .batch_preprocessor import BatchDataPreprocessor
from .clip import CLIPText, VideoPrompts, XCLIPVision
from .data_preprocessor import HPNetDataPreprocessor, MixupCutmix
from .front import ChannelGate, FitWhitening, Whitening
from .fusion import TRMM, CrossAttentionFusion, FiLM
from .heads import BranchHead, TRMMHead
from .losses import SquaredLoss
from .mixing import MixClips
from .optim import FlatDecayFree
from .pretraining import PretrainMasked
from .recognizers import XCLIPRecognizer

__all__ = [
    'BatchDataPreprocessor', 'BranchHead', 'CLIPText', 'CTRGCN', 'ChannelGate',
    'CrossAttentionFusion', 'FiLM', 'FitWhitening', 'FlatDecayFree',
    'GraphBackbone', 'HPNetDataPreprocessor', 'MixClips', 'MixupCutmix',
    'PoseAndStatistics', 'PretrainMasked', 'SMCLM', 'SegmentStatistics',
    'SkeletonMixFormer', 'SquaredLoss', 'TRMM', 'TRMMHead', 'VideoPrompts',
    'Whitening', 'XCLIPRecognizer', 'XCLIPVision'
]

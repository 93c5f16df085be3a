from .backbones import CTRGCN, SMCLM, GraphBackbone, SkeletonMixFormer
from .batch_preprocessor import BatchDataPreprocessor
from .clip import CLIPText, VideoPrompts, XCLIPVision
from .data_preprocessor import HPNetDataPreprocessor, MixupCutmix
from .fusion import TRMM, CrossAttentionFusion, FiLM
from .heads import TRMMHead
from .optim import FlatDecayFree
from .recognizers import XCLIPRecognizer

__all__ = [
    'BatchDataPreprocessor', 'CLIPText', 'CTRGCN', 'CrossAttentionFusion',
    'FiLM', 'FlatDecayFree', 'GraphBackbone', 'HPNetDataPreprocessor',
    'MixupCutmix', 'SMCLM', 'SkeletonMixFormer', 'TRMM', 'TRMMHead',
    'VideoPrompts', 'XCLIPRecognizer', 'XCLIPVision'
]

from .augmentation import (
    DropFrames,
    DropJoints,
    FlipJoints,
    RandomTemporalCrop,
)
from .crops import LoadPersonCrops
from .extraction import PooledHeatmapExtraction
from .formatting import FormatPooledInput
from .loading import LoadPooledFeature
from .normalization import CentrePooled, NormalizeKeypoint
from .resampling import ResizeTemporal
from .streams import GenPooledStream

__all__ = [
    'CentrePooled', 'DropFrames', 'DropJoints', 'FlipJoints',
    'FormatPooledInput', 'GenPooledStream', 'LoadPersonCrops',
    'LoadPooledFeature', 'NormalizeKeypoint', 'PooledHeatmapExtraction',
    'RandomTemporalCrop', 'ResizeTemporal'
]

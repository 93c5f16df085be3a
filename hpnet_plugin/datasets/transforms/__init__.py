from .augmentation import (
    DropFrames,
    DropJoints,
    FlipJoints,
    RandomTemporalCrop,
)
from .colors import ClipColorJitter, ClipGrayscale
from .crops import LoadPersonCrops
from .extraction import PooledHeatmapExtraction
from .formatting import FormatPooledInput
from .heatmaps import GenerateHeatmapVolume
from .images import EachImage
from .joints import AppendKeypoint, RequireJoints
from .loading import LoadPooledFeature
from .normalization import CentrePooled, NormalizeKeypoint
from .resampling import ResizeTemporal, SampleSegments
from .rgbpose import MMDecodeCrops
from .streams import GenPooledStream
from .views import TemporalViews

__all__ = [
    'AppendKeypoint', 'CentrePooled', 'ClipColorJitter', 'ClipGrayscale',
    'DropFrames', 'DropJoints', 'EachImage', 'FlipJoints',
    'FormatPooledInput', 'GenPooledStream', 'GenerateHeatmapVolume',
    'LoadPersonCrops', 'LoadPooledFeature', 'MMDecodeCrops',
    'NormalizeKeypoint', 'PooledHeatmapExtraction', 'RandomTemporalCrop',
    'RequireJoints', 'ResizeTemporal', 'SampleSegments', 'TemporalViews'
]

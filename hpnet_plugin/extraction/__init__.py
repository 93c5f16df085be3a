"""From videos to a dataset folder: what does it, clip by clip."""
from .clips import ClipExtraction, ExtractedClip, Settings
from .dataset import write_dataset
from .run import Estimate, Extraction
from .workers import SetupError

__all__ = [
    'ClipExtraction', 'Estimate', 'ExtractedClip', 'Extraction', 'Settings',
    'SetupError', 'write_dataset'
]

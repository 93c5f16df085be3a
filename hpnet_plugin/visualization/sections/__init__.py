"""Sections of a report from what the commands leave behind."""
from ...lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    'calibration': ('calibration_sections', ),
    'clip': ('clip_section', 'moments_image'),
    'dataset': ('dataset_section', ),
    'explanation': ('explanation_section', ),
    'names': ('short_names', ),
    'scores': ('scores_sections', ),
    'training': ('training_section', )}
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
__all__ = [name for names in _NAMES.values() for name in names]

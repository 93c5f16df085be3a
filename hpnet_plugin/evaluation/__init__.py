"""Metrics, score files and the fusion of streams."""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    'per_class': ('PerClassAccuracy', )})
__all__ = ['PerClassAccuracy']

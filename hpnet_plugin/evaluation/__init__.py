"""Metrics, score files and the fusion of streams."""
from .per_class import PerClassAccuracy

__all__ = ['PerClassAccuracy']

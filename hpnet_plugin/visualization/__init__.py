"""Figures of the paper, overlays, and the report that holds them."""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    'report': ('Picture', 'Section', 'write_report')})
__all__ = ['Picture', 'Section', 'write_report']

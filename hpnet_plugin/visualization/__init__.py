"""Figures of the paper, overlays, and the report that holds them."""
from .report import Picture, Section, write_report

__all__ = ['Picture', 'Section', 'write_report']

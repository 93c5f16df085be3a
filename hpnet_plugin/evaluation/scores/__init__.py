"""Score files: the classification scores of a set of named clips.

Loading one never runs code from it: see ``hpnet_plugin/unpickling.py``.
"""
from .named_scores import (
    ScoreError,
    Scores,
    check_labels,
    listed,
    without_video_suffix,
)
from .reading import parse_spec, read_scores
from .writing import write_scores

__all__ = ['ScoreError', 'Scores', 'check_labels', 'listed', 'parse_spec',
           'read_scores', 'without_video_suffix', 'write_scores']

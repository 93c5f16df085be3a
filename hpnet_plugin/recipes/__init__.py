"""Configs, made from a dataset's facts and a few settings.

``compose('stream', stream='hp_j', net='ctrgcn', data_root='data/mine')``
returns a whole config as a dict. It holds its settings as top-level keys,
and :func:`recompose` makes it anew when one of them is changed, by a child
config or on the command line. Nothing here imports torch or mmaction2.
"""
from .compose import (
    RECIPES,
    changed_settings,
    compose,
    model_settings,
    recompose,
)
from .settings import Recipe, SettingError
from .streams import Kind

__all__ = ['RECIPES', 'Kind', 'Recipe', 'SettingError', 'changed_settings',
           'compose', 'model_settings', 'recompose']

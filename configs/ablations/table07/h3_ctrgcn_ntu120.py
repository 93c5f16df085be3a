# Table VII: H3, 192 channels of 16 x 12 cells.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', tap='backbone.stage4.0.branches.2'))

# Table IX: regions of 5 x 5 cells.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', tap='backbone.stage4.0.branches.1@5'))

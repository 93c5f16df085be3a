# Table VII: H1, 48 channels of 64 x 48 cells.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', tap='backbone.stage4.2.relu'))

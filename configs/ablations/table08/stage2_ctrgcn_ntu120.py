# Table VIII: stage 2, at the end of stage 3 of HRNet.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', tap='backbone.stage3.3.branches.1'))

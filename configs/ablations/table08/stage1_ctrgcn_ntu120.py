# Table VIII: stage 1, after stage 2 of HRNet.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', tap='backbone.stage2.0.branches.1'))

# Table VIII: HP-Net, stage 1.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('hpnet', benchmark='ntu120', tap='backbone.stage2.0.branches.1'))

# Table XIII: the whole frame in place of a detected person.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('hpnet', benchmark='ntu120_xset', data_root='data/ntu120_frame'))

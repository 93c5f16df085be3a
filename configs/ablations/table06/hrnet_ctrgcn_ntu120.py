# Table VI: features of HRNet with heatmaps, in a folder of their own.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', data_root='data/ntu120_hrnet'))

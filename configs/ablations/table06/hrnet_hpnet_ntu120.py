# Table VI: HP-Net on features of HRNet with heatmaps.
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('hpnet', benchmark='ntu120', data_root='data/ntu120_hrnet'))

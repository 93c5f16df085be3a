# NTU RGB+D 120, cross-subject: heatmap pooled features, motion of joints,
# CTR-GCN (Tables III and XVII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_jm', net='ctrgcn', benchmark='ntu120'))

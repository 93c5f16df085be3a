# NTU RGB+D 120, cross-setup: heatmap pooled features, motion of joints,
# CTR-GCN (Table XVII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_jm', net='ctrgcn', benchmark='ntu120_xset'))

# NTU RGB+D 120, cross-setup: heatmap pooled features, motion of bones, CTR-GCN
# (Table XVII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_bm', net='ctrgcn', benchmark='ntu120_xset'))

# NTU RGB+D 120, cross-setup: heatmap pooled features, joints, CTR-GCN (Table
# XVII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', net='ctrgcn', benchmark='ntu120_xset'))

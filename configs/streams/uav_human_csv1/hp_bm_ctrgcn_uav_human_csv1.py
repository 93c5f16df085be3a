# UAV-Human, cross-subject 1: heatmap pooled features, motion of bones, CTR-GCN
# (Table XVIII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose(
        'stream', stream='hp_bm', net='ctrgcn', benchmark='uav_human_csv1'))

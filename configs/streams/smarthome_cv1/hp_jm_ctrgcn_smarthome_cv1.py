# Toyota-Smarthome, cross-view 1: heatmap pooled features, motion of joints,
# CTR-GCN (Table XVIII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_jm', net='ctrgcn', benchmark='smarthome_cv1'))

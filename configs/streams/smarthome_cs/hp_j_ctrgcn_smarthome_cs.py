# Toyota-Smarthome, cross-subject: heatmap pooled features, joints, CTR-GCN
# (Table XVIII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', net='ctrgcn', benchmark='smarthome_cs'))

# NTU RGB+D 60, cross-subject: heatmap pooled features, motion of bones,
# CTR-GCN (Table XVII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_bm', net='ctrgcn', benchmark='ntu60_xsub'))

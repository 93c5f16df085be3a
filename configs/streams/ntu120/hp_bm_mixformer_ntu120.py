# NTU RGB+D 120, cross-subject: heatmap pooled features, motion of bones,
# Skeleton-MixFormer (Table III).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_bm', net='mixformer', benchmark='ntu120'))

# NTU RGB+D 120, cross-subject: heatmap pooled features, joints,
# Skeleton-MixFormer (Tables III and VI).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', net='mixformer', benchmark='ntu120'))

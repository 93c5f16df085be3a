# NTU RGB+D 120, cross-subject: 2D pose, joints, Skeleton-MixFormer (Table
# III).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='pose_j', net='mixformer', benchmark='ntu120'))

# NTU RGB+D 120, cross-subject: 2D pose, joints, CTR-GCN (Tables III and IV).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='pose_j', net='ctrgcn', benchmark='ntu120'))

# NTU RGB+D 120, cross-subject: 2D pose, motion of joints, CTR-GCN (Table III).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='pose_jm', net='ctrgcn', benchmark='ntu120'))

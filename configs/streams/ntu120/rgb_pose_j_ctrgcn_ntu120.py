# NTU RGB+D 120, cross-subject: colours around the joints and 2D pose, joints,
# CTR-GCN (Table XI).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose(
        'stream', stream='rgb_pose_j', net='ctrgcn', benchmark='ntu120'))

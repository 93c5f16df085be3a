# NTU RGB+D 120, cross-subject: 2D pose, bones, CTR-GCN (Table III).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='pose_b', net='ctrgcn', benchmark='ntu120'))

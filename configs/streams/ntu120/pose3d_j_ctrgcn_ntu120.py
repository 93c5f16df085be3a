# NTU RGB+D 120, cross-subject: 3D pose, joints, CTR-GCN (Table IV).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='pose3d_j', net='ctrgcn', benchmark='ntu120'))

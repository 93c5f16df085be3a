# NTU RGB+D 120, cross-subject: colours at the joints, joints, CTR-GCN (Table
# XI).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='rgb_j', net='ctrgcn', benchmark='ntu120'))

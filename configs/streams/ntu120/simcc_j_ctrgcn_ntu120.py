# NTU RGB+D 120, cross-subject: SimCC vectors, joints, CTR-GCN (Table IV).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='simcc_j', net='ctrgcn', benchmark='ntu120'))

# NTU RGB+D 120, cross-subject: heatmap pooled features, joints, CTR-GCN
# (Tables III, IV, VI, VII, VIII, IX, X, XI and XVII).
_base_ = '../../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('stream', stream='hp_j', net='ctrgcn', benchmark='ntu120'))

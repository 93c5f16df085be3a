# NTU RGB+D 120, cross-subject: PoseC3D, joint volumes.
_base_ = '../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(
    compose('posec3d', volumes='joint', net='slowonly', benchmark='ntu120'))

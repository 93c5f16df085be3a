# PoseC3D on any dataset folder or benchmark: --cfg-options data_root=data/mine,
# volumes=limb, net=x3dshallow, …; configs/posec3d/README.md has all settings.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('posec3d', volumes='joint', net='slowonly'))

# RGBPose-Conv3D on any dataset folder or benchmark, from person crops; settings
# as those of posec3d.py, and fusion.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('rgbpose'))

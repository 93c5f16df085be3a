# NTU RGB+D 60, cross-view: RGBPose-Conv3D on person crops.
_base_ = '../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('rgbpose', benchmark='ntu60_xview'))

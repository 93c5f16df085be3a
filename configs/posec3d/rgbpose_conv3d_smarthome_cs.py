# Toyota-Smarthome, cross-subject: RGBPose-Conv3D on person crops.
_base_ = '../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('rgbpose', benchmark='smarthome_cs'))

# RGBPose-Conv3D on the person crops of any dataset folder or benchmark:
# data_root=data/mine fusion=rgb_to_pose …
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('rgbpose'))

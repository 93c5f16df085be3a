# HP-Net on Toyota-Smarthome, cross-view 1.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('hpnet', benchmark='smarthome_cv1'))

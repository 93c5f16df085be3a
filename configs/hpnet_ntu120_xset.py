# HP-Net on NTU RGB+D 120, cross-setup.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('hpnet', benchmark='ntu120_xset'))

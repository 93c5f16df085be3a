# HP-Net on NTU RGB+D 60, cross-view.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('hpnet', benchmark='ntu60_xview'))

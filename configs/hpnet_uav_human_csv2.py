# HP-Net on UAV-Human, cross-subject 2.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('hpnet', benchmark='uav_human_csv2'))

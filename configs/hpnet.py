# HP-Net on any dataset folder: data_root=data/mine.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('hpnet'))

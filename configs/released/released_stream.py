# A stream of the released code: NTU RGB+D 120, cross-subject, or
# --cfg-options stream=pose_bm benchmark=smarthome_cs, data_root=data/mine, …
_base_ = '../_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('released_stream', stream='hp_j'))

# X-CLIP, text and person crops alone, on NTU RGB+D 120, cross-subject (Table
# XII).
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('xclip', benchmark='ntu120'))

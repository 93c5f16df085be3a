# Any stream, any graph network, any dataset folder: stream=pose_j
# net=mixformer data_root=data/mine.
_base_ = './_base_/default_runtime.py'

from hpnet_plugin.recipes import compose

globals().update(compose('stream'))

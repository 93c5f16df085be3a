# The released code: 2D pose in pixels, bone motion stream.
_base_ = './_base_/streams.py'

work_dir = 'work_dirs/pose_bm_ctrgcn_released_{{$HPNET_BENCHMARK:ntu120}}'
model = dict(backbone=_base_.pose.net)
train_dataloader = val_dataloader = test_dataloader = _base_.pose.bm

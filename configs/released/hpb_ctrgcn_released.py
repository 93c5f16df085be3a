# The released code: pooled features, bone stream.
_base_ = './_base_/streams.py'

work_dir = 'work_dirs/hpb_ctrgcn_released_{{$HPNET_BENCHMARK:ntu120}}'
model = dict(backbone=_base_.hp.net)
train_dataloader = val_dataloader = test_dataloader = _base_.hp.b

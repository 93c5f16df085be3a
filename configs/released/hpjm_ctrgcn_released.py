# The released code: pooled features, joint motion stream.
_base_ = './_base_/streams.py'

work_dir = 'work_dirs/hpjm_ctrgcn_released_{{$HPNET_BENCHMARK:ntu120}}'
model = dict(backbone=_base_.hp.net)
train_dataloader = val_dataloader = test_dataloader = _base_.hp.jm

_base_ = 'hpj_ctrgcn_ntu120_xsub.py'

pipeline = [
    *_base_.load_features,
    dict(type='GenPooledStream', stream='jm'),
    *_base_.pack_features,
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader

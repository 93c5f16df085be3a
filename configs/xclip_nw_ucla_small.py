# Text + RGB in small: HP-Net without pooled features.
_base_ = './hpnet_nw_ucla_small.py'

model = dict(topology=None, cls_head=dict(fusion=None))

rgb = [
    _base_.pack[0], _base_.pack[3],
    dict(_base_.pack_inputs, collect_keys=('imgs', ))
]
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(video='crops'),
        pipeline=[_base_.crops, *_base_.augment, *rgb]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        data_prefix=dict(video='crops'), pipeline=[_base_.middle, *rgb]))

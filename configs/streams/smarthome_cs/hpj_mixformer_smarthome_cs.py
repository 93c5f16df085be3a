# Heatmap pooled features, joint stream.
_base_ = [
    '../../_base_/models/mixformer.py', '../../_base_/streams/smarthome_cs.py',
    '../../_base_/schedules/sgd_65e.py'
]

model = dict(backbone=_base_.hp.net, cls_head=_base_.head)
train_dataloader = val_dataloader = test_dataloader = _base_.hp.j

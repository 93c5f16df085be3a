# 2D pose, joint stream.
_base_ = [
    '../../_base_/models/ctrgcn.py', '../../_base_/streams/smarthome_cv2.py',
    '../../_base_/schedules/sgd_65e.py'
]

model = dict(backbone=_base_.pose.net, cls_head=_base_.head)
train_dataloader = val_dataloader = test_dataloader = _base_.pose.j

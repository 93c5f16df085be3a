# UAV-Human, cross-subject 1: joint volumes.
_base_ = '../_base_/volumes.py'

model = dict(cls_head=dict(num_classes=155))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/uav_human', split='csv1_train_full')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/uav_human', split='csv1_test'))

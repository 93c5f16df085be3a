# NW-UCLA, cross-view: joint volumes.
_base_ = '../_base_/volumes.py'

model = dict(cls_head=dict(num_classes=10))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/nw_ucla', split='xview_train_full')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/nw_ucla', split='xview_test'))

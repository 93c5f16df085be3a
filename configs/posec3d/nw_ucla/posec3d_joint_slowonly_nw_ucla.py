# NW-UCLA: joint volumes.
_base_ = '../_base_/volumes.py'

model = dict(cls_head=dict(num_classes=10))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/nw_ucla', split='train')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/nw_ucla', split='test'))

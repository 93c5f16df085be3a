# NW-UCLA, cross-view: ten classes.
_base_ = './hpnet_ntu120.py'

model = dict(
    text=dict(classes='nw_ucla'),
    data_preprocessor=dict(blending=dict(num_classes=10)),
    cls_head=dict(num_classes=10))
train_dataloader = dict(
    dataset=dict(data_root='data/nw_ucla', split='xview_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/nw_ucla', split='xview_test'))

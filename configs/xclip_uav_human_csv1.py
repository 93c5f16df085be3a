# Text + RGB on UAV-Human, cross-subject 1.
_base_ = './xclip_ntu120.py'

model = dict(
    text=dict(classes='uav_human'),
    data_preprocessor=dict(blending=dict(num_classes=155)),
    cls_head=dict(num_classes=155))
train_dataloader = dict(
    dataset=dict(data_root='data/uav_human', split='csv1_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/uav_human', split='csv1_test'))

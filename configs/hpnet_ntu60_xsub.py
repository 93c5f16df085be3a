# NTU RGB+D 60, cross-subject.
_base_ = './hpnet_ntu120.py'

model = dict(
    text=dict(classes='ntu60'),
    data_preprocessor=dict(blending=dict(num_classes=60)),
    cls_head=dict(num_classes=60))
train_dataloader = dict(
    dataset=dict(data_root='data/ntu60', split='xsub_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu60', split='xsub_test'))

# NTU RGB+D 60, cross-subject.
_base_ = './ntu120.py'

num_classes = 60
head = dict(num_classes=num_classes, init_cfg=dict(std=(2 / num_classes)**0.5))
train_dataloader = dict(
    dataset=dict(data_root='data/ntu60', split='xsub_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu60', split='xsub_test'))

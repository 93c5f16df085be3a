# NTU RGB+D 120, cross-subject: joint volumes.
_base_ = '../_base_/volumes.py'

model = dict(cls_head=dict(num_classes=120))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/ntu120', split='xsub_train_full')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu120', split='xsub_test'))

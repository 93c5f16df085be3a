# Toyota-Smarthome, cross-view 1: joint volumes.
_base_ = '../_base_/volumes.py'

model = dict(cls_head=dict(num_classes=19))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/smarthome_cv', split='cv1_train_full')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome_cv', split='cv1_test'))

# Toyota-Smarthome, cross-subject: joint volumes.
_base_ = '../_base_/volumes.py'

model = dict(cls_head=dict(num_classes=31))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/smarthome', split='cs_train_full')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome', split='cs_test'))

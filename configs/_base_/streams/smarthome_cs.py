# Toyota-Smarthome, cross-subject.
_base_ = './ntu120.py'

num_classes = 31
head = dict(num_classes=num_classes, init_cfg=dict(std=(2 / num_classes)**0.5))
train_dataloader = dict(
    dataset=dict(data_root='data/smarthome', split='cs_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome', split='cs_test'))

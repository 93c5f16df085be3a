# Toyota-Smarthome, cross-view 1: labels of 19 classes, a folder of its own.
_base_ = './ntu120.py'

num_classes = 19
head = dict(num_classes=num_classes, init_cfg=dict(std=(2 / num_classes)**0.5))
train_dataloader = dict(
    dataset=dict(data_root='data/smarthome_cv', split='cv1_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome_cv', split='cv1_test'))

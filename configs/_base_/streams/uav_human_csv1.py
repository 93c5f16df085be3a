# UAV-Human, cross-subject 1.
_base_ = './ntu120.py'

num_classes = 155
head = dict(num_classes=num_classes, init_cfg=dict(std=(2 / num_classes)**0.5))
train_dataloader = dict(
    dataset=dict(data_root='data/uav_human', split='csv1_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/uav_human', split='csv1_test'))

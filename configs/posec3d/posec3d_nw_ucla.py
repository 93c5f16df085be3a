_base_ = './posec3d_ntu120.py'

model = dict(cls_head=dict(num_classes=10))

data_root = 'data/nw_ucla'
train_dataloader = dict(
    dataset=dict(dataset=dict(data_root=data_root, split='train')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root=data_root, split='test'))

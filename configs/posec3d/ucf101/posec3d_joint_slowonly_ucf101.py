# UCF101, split 1: joint volumes. Net, start and schedule are the toolbox's for
# UCF101.
_base_ = '../_base_/volumes.py'

model = dict(
    backbone=dict(stage_blocks=(3, 4, 6)), cls_head=dict(num_classes=101))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(data_root='data/ucf101', split='split1_train_full')))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ucf101', split='split1_test'))

train_cfg = dict(max_epochs=12)
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[9, 11], gamma=0.1, end=12)
]
# joint volumes of Kinetics-400
load_from = 'https://download.openmmlab.com/mmaction/v1.0/skeleton/posec3d/k400_posec3d-041f49c6.pth'  # noqa: E501

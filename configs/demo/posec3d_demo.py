# Stock PoseC3D for one epoch, small enough for a CPU: a sign of life.
_base_ = '../posec3d/ntu120/posec3d_joint_slowonly_ntu120.py'

model = dict(
    backbone=dict(base_channels=16),
    cls_head=dict(in_channels=256, num_classes=8))

few = dict(clip_len=16)
train = _base_.train_dataloader.dataset.dataset.pipeline
val = _base_.val_dataloader.dataset.pipeline
loader = dict(num_workers=0, persistent_workers=False)
data_root = 'work_dirs/demo/data'
train_dataloader = dict(
    **loader,
    dataset=dict(
        times=1,
        dataset=dict(
            data_root=data_root,
            split='train',
            pipeline=[dict(train[0], **few), *train[1:]])))
val_dataloader = test_dataloader = dict(
    **loader,
    batch_size=16,
    dataset=dict(
        data_root=data_root,
        split='test',
        pipeline=[dict(val[0], **few), *val[1:]]))

train_cfg = dict(max_epochs=1)
# one GPU's share of the stock rate
optim_wrapper = dict(optimizer=dict(lr=0.2 / 8))
randomness = dict(seed=0)

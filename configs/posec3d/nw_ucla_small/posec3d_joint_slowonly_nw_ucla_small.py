# NW-UCLA in small: joint volumes of half the size, nets of a quarter of the
# width, 20 epochs, for a CPU.
_base_ = '../nw_ucla/posec3d_joint_slowonly_nw_ucla.py'

model = dict(
    backbone=dict(base_channels=8, stage_blocks=(2, 2, 2)),
    cls_head=dict(in_channels=128))
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    **loader,
    dataset=dict(
        times=1, dataset=dict(_base_.half_joint.train, split='train')))
val_dataloader = dict(
    **loader, dataset=dict(_base_.half_joint.val, split='test'))
test_dataloader = dict(
    **loader, dataset=dict(_base_.half_joint.test, split='test'))

train_cfg = dict(max_epochs=20, val_interval=10)
# the toolbox's rate for one of its eight GPUs
optim_wrapper = dict(optimizer=dict(lr=0.2 / 8))
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=20, convert_to_iter_based=True)
]
auto_scale_lr = dict(base_batch_size=16)

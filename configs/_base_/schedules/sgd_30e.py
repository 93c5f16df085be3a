# For small datasets, in batches of 16.
_base_ = './sgd_65e.py'

train_cfg = dict(max_epochs=30)

optim_wrapper = dict(optimizer=dict(lr=0.05))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.2, begin=0, end=5),
    dict(type='CosineAnnealingLR', eta_min=0, T_max=25, begin=5, end=30)
]

auto_scale_lr = dict(base_batch_size=16)

# For small nets on small datasets, on a CPU, in batches of 16.
_base_ = './sgd_30e.py'

train_cfg = dict(max_epochs=20, val_interval=10)

param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, begin=0, end=3),
    dict(type='CosineAnnealingLR', eta_min=0, T_max=17, begin=3, end=20)
]

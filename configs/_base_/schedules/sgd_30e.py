# The paper's schedule, shortened for small datasets.
_base_ = './sgd_65e.py'

train_cfg = dict(max_epochs=30)

param_scheduler = [
    dict(type='LinearLR', start_factor=0.2, begin=0, end=5),
    dict(type='MultiStepLR', milestones=[18, 26], gamma=0.1)
]

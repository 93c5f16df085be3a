# For small datasets
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=30, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.05, momentum=0.9, weight_decay=4e-4, nesterov=True))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.1, begin=0, end=3,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=27, begin=3, end=30,
        convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)

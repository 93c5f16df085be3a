# For small models from scratch on small datasets, in batches of 16.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=10)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(flat_decay_mult=0.))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        T_max=15,
        begin=5,
        end=20,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(enable=False, base_batch_size=16)

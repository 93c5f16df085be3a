# The paper's, for batches of 64.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=65, val_interval=5)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-4, nesterov=True))

param_scheduler = [
    # 0.02, 0.04, 0.06, 0.08, 0.1
    dict(type='LinearLR', start_factor=0.2, begin=0, end=5),
    dict(type='MultiStepLR', milestones=[35, 55], gamma=0.1)
]

auto_scale_lr = dict(enable=False, base_batch_size=64)

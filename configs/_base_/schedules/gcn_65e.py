# The schedule of all streams of the paper: one GPU, batch 64
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=65, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-4, nesterov=True))
param_scheduler = [
    # lr * (epoch + 1) / 5 in the first five epochs
    dict(type='LinearLR', start_factor=0.2, begin=0, end=4),
    dict(type='MultiStepLR', milestones=[35, 55], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=64)

# The paper's, for 64 clips an update: 8 a step, 8 steps an update.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=30, val_interval=5)

optim_wrapper = dict(
    type='OptimWrapper',
    accumulative_counts=8,
    optimizer=dict(
        type='AdamW', lr=8e-6, betas=(0.9, 0.98), eps=1e-3, weight_decay=1e-3),
    paramwise_cfg=dict(
        flat_decay_mult=0.,
        # the pretrained towers at the base rate; what is new, the faster
        custom_keys={
            'positional_embedding': dict(decay_mult=0.),
            'message_': dict(lr_mult=10),
            'backbone.mit': dict(lr_mult=10),
            'backbone.mit.positional_embedding': dict(
                lr_mult=10, decay_mult=0.),
            'prompts': dict(lr_mult=10),
            'topology': dict(lr_mult=1e4),
            'cls_head.fusion': dict(lr_mult=1e4),
            'cls_head.classifiers': dict(lr_mult=1e4),
        }))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-6,
        begin=0,
        end=5,
        convert_to_iter_based=True),
    # the floor is one for all groups
    dict(
        type='CosineAnnealingLR',
        eta_min=8e-8,
        T_max=25,
        begin=5,
        end=30,
        convert_to_iter_based=True)
]

# of a step on one GPU; what is gathered is counted by nobody
auto_scale_lr = dict(enable=False, base_batch_size=8)

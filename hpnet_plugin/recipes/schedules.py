"""How long and at which rates models learn, as functions of the epochs.

==========  ======================  ===================================
schedule    streams (SGD)           HP-Net (AdamW)
==========  ======================  ===================================
``paper``   65 epochs, batches of   30 epochs from pretrained weights, 8
            64, rate 0.1, a tenth   clips a step, 64 an update
            of it at 35 and 55
``short``   30 epochs, batches of   as ``paper``
            16, rate 0.05, cosine
``small``   20 epochs, batches of   20 epochs from scratch, batches of
            16, rate 0.05, cosine   16
==========  ======================  ===================================
"""
from __future__ import annotations

from typing import Any, NamedTuple

SCHEDULES = ('paper', 'short', 'small')
EPOCHS = dict(
    stream=dict(paper=65, short=30, small=20),
    hpnet=dict(paper=30, short=30, small=20))


class Schedule(NamedTuple):
    """A schedule.

    Attributes:
        config (dict): ``train_cfg``, ``optim_wrapper``, ``param_scheduler``
            and ``auto_scale_lr``.
        batch_size (int): Clips a step.
    """
    config: dict[str, Any]
    batch_size: int


def sgd(name: str, epochs: int | None = None) -> Schedule:
    """Schedule of the streams.

    Args:
        name: One of ``SCHEDULES``.
        epochs: Another number of epochs: the rates rise and
            fall at the same fractions of it.

    Returns:
        See there.
    """
    usual = EPOCHS['stream'][name]
    epochs = epochs or usual
    warm = _share(epochs, 3 if name == 'small' else 5, usual)
    if name == 'paper':
        rate, batch_size = 0.1, 64
        fall = dict(
            type='MultiStepLR',
            milestones=[_share(epochs, part, usual) for part in (35, 55)],
            gamma=0.1)
    else:
        rate, batch_size = 0.05, 16
        fall = _cosine(epochs, warm, 0)
    rise = dict(type='LinearLR', start_factor=1 / warm, begin=0, end=warm)
    return _schedule(
        dict(
            type='OptimWrapper',
            optimizer=dict(
                type='SGD',
                lr=rate,
                momentum=0.9,
                weight_decay=4e-4,
                nesterov=True)),
        # one epoch of warm-up would start at the full rate
        [rise] * (warm > 1) + [fall] * (epochs > warm),
        epochs,
        10 if name == 'small' else 5,
        batch_size)


def adamw(name: str, epochs: int | None = None) -> Schedule:
    """Schedule of HP-Net and X-CLIP.

    Args:
        name: One of ``SCHEDULES``.
        epochs: See :func:`sgd`.

    Returns:
        See there.
    """
    usual = EPOCHS['hpnet'][name]
    epochs = epochs or usual
    warm = _share(epochs, 5, usual)
    small = name == 'small'
    optim_wrapper, batch_size = (_from_scratch(), 16) if small else \
        (_from_pretrained(), 8)
    # the floor is one for all groups
    schedulers = [
        dict(
            type='LinearLR',
            start_factor=0.01 if small else 1e-6,
            begin=0,
            end=warm,
            convert_to_iter_based=True),
        dict(
            _cosine(epochs, warm, 0 if small else 8e-8),
            convert_to_iter_based=True)
    ]
    return _schedule(optim_wrapper, schedulers[:1 + (epochs > warm)], epochs,
                     10 if small else 5, batch_size)


def _from_pretrained() -> dict[str, Any]:
    """The paper's, for 64 clips an update: 8 a step, 8 steps an update."""
    return dict(
        type='OptimWrapper',
        # no decay of biases and norms, at whatever rate
        constructor='FlatDecayFree',
        accumulative_counts=8,
        optimizer=dict(
            type='AdamW',
            lr=8e-6,
            betas=(0.9, 0.98),
            eps=1e-3,
            weight_decay=1e-3,
            fused=True),
        paramwise_cfg=dict(
            # the pretrained towers at the base rate; what is new, faster
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


def _from_scratch() -> dict[str, Any]:
    """For small models on small datasets."""
    return dict(
        type='OptimWrapper',
        constructor='FlatDecayFree',
        optimizer=dict(
            type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
        # what mmengine needs to look at parameters one by one
        paramwise_cfg=dict(flat_decay_mult=0.))


def _share(epochs: int, part: int, whole: int) -> int:
    """The same fraction of other epochs, in whole epochs."""
    return max(1, round(epochs * part / whole))


def _cosine(epochs: int, begin: int, floor: float) -> dict[str, Any]:
    return dict(
        type='CosineAnnealingLR',
        eta_min=floor,
        T_max=epochs - begin,
        begin=begin,
        end=epochs)


def _schedule(optim_wrapper: dict[str, Any],
              param_scheduler: list[dict[str, Any]], epochs: int,
              val_interval: int, batch_size: int) -> Schedule:
    return Schedule(
        dict(
            train_cfg=dict(
                type='EpochBasedTrainLoop',
                max_epochs=epochs,
                val_interval=min(val_interval, epochs)),
            optim_wrapper=optim_wrapper,
            param_scheduler=param_scheduler,
            # of a step on one GPU; what is gathered is not counted
            auto_scale_lr=dict(enable=False, base_batch_size=batch_size)),
        batch_size)

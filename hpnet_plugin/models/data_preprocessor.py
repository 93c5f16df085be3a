"""Batches of several modalities, on the device."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.models.data_preprocessors import MultiModalDataPreprocessor
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor
from torch.distributions.beta import Beta

from .batch_preprocessor import cast_batch
from .labels import check_labels
from .precision import full_precision

MODALITIES = dict(rgb='imgs', pooled='pooled_feat')


@MODELS.register_module()
class HPNetDataPreprocessor(MultiModalDataPreprocessor):
    """Prepare each modality, then blend samples across all of them.

    Args:
        preprocessors: Input key to the config of its
            ``ActionDataPreprocessor``.
        blending: Config of :class:`MixupCutmix`. Defaults to None.
    """

    def __init__(self, preprocessors: dict[str, dict],
                 blending: dict | None = None) -> None:
        super().__init__(preprocessors)
        self.blending = None if blending is None else MODELS.build(blending)

    def cast_data(self, data: Any) -> Any:
        """Move a batch to the device, inputs in one piece where they are.

        Args:
            data: ``inputs`` and ``data_samples``, or a part of them.

        Returns:
            The same there.
        """
        return cast_batch(data, self.device, super().cast_data)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Stack, normalise, and blend where the model is being trained.

        Args:
            data: ``inputs`` (dict of lists of tensors) and ``data_samples``.
            training: Whether to blend. Defaults to False.

        Returns:
            ``inputs`` (dict of tensors) and ``data_samples``.
        """
        # float16 features are no business of a bfloat16 autocast
        with full_precision(self.device):
            data = super().forward(data, training)
        if training and self.blending is not None:
            data['inputs'], data['data_samples'] = self.blending(
                data['inputs'], data['data_samples'])
        return data


@MODELS.register_module()
class MixupCutmix:
    """Blend the samples of a batch by mixup (1710.09412) or CutMix.

    One of the two a batch, one ratio a batch, one partner a sample, and the
    same for every modality: mixup blends images and features alike; CutMix
    (1905.04899) pastes a box of the partner's images, and as large a part of
    its joints. Labels become distributions.

    Args:
        num_classes: K.
        mixup_alpha: Of mixup's Beta distribution; 0 for CutMix only. Defaults
            to 0.8.
        cutmix_alpha: Of CutMix's; 0 for mixup only. Defaults to 1.
        switch_prob: How often CutMix is taken where both may be. Defaults to
            0.5.
        mix: Modalities that are blended. Defaults to ``('rgb', 'pooled')``;
            the released code blends ``('rgb', )``.

    Raises:
        ValueError: If nothing would be blended.
    """

    def __init__(self,
                 num_classes: int,
                 mixup_alpha: float = 0.8,
                 cutmix_alpha: float = 1.,
                 switch_prob: float = 0.5,
                 mix: Sequence[str] = ('rgb', 'pooled')) -> None:
        if not mix or set(mix) - set(MODALITIES):
            raise ValueError(f'mix must be some of {tuple(MODALITIES)}, '
                             f'got {tuple(mix)}')
        if mixup_alpha <= 0 and cutmix_alpha <= 0:
            raise ValueError('neither mixup_alpha nor cutmix_alpha is above '
                             '0: leave the blending out')
        self.num_classes = num_classes
        self.mixup_alpha, self.cutmix_alpha = mixup_alpha, cutmix_alpha
        self.switch_prob = switch_prob
        self.keys = tuple(MODALITIES[name] for name in mix)

    def __call__(self, inputs: dict[str, Tensor],
                 data_samples: list[ActionDataSample]
                 ) -> tuple[dict[str, Tensor], list[ActionDataSample]]:
        """Blend a batch.

        Args:
            inputs: ``imgs`` (B, T, 3, H, W) and ``pooled_feat`` (B, 1, M, T',
                V, C), or one of them.
            data_samples: With ``gt_label``, (1,).

        Returns:
            Blended inputs, and the samples with labels (K,).

        Raises:
            ValueError: If a label is no class.
        """
        check_labels(data_samples, self.num_classes)
        labels = F.one_hot(
            # pyrefly: ignore[missing-attribute]  set with the label
            torch.cat([sample.gt_label for sample in data_samples]),
            self.num_classes).float()
        partner = torch.randperm(len(labels))
        cut = self.cutmix_alpha > 0 and (self.mixup_alpha <= 0 or
                                         np.random.rand() < self.switch_prob)
        alpha = self.cutmix_alpha if cut else self.mixup_alpha
        kept = Beta(alpha, alpha).sample().item()
        blended = dict(inputs)
        if cut:
            box = None
            if 'imgs' in self.keys and 'imgs' in inputs:
                box, kept = _random_box(inputs['imgs'].shape[-2:], kept)
            for key in self.keys:
                if key in inputs:
                    blended[key] = _paste(inputs[key], partner, key, box, kept)
        else:
            for key in self.keys:
                if key in inputs:
                    blended[key] = torch.lerp(inputs[key][partner],
                                              inputs[key], kept)
        for sample, label in zip(
                data_samples, kept * labels + (1 - kept) * labels[partner]):
            sample.set_gt_label(label)
        return blended, data_samples


def _random_box(size: Sequence[int], kept: float
                ) -> tuple[tuple[slice, slice], float]:
    """Box of about (1 - kept) of an image, and what it really leaves."""
    height, width = size
    side = (1 - kept)**0.5
    y, x = np.random.randint(height), np.random.randint(width)
    top, bottom = (int(np.clip(round(y + sign * side * height / 2), 0, height))
                   for sign in (-1, 1))
    left, right = (int(np.clip(round(x + sign * side * width / 2), 0, width))
                   for sign in (-1, 1))
    area = (bottom - top) * (right - left)
    return (slice(top, bottom), slice(left, right)), 1 - area / height / width


def _paste(value: Tensor, partner: Tensor, key: str,
           box: tuple[slice, slice] | None, kept: float) -> Tensor:
    """Put a part of each sample's partner into a copy of the sample."""
    value, other = value.clone(), value[partner]
    if key == 'imgs':
        where = (Ellipsis, *(box or ()))
    else:
        joints = value.shape[-2]
        where = (Ellipsis,
                 torch.randperm(joints)[:round((1 - kept) * joints)],
                 slice(None))
    value[where] = other[where]
    return value

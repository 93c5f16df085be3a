"""Clips of a batch that change each other, or are changed by chance."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor
from torch.distributions.beta import Beta

from .labels import check_labels

LEAST = 1e-6  # deviation of a channel that can be divided by
CLIP = 1, 2, 3, 4  # all axes but clips and channels


@MODELS.register_module()
class MixClips:
    """Mix clips of a batch, each of one tensor: features, joints, or both.

    ``blending`` of :class:`BatchDataPreprocessor`. What is random is drawn on
    the CPU, from torch's generator, which ``EpochSeedHook`` seeds for each
    epoch: batches of one seed are mixed alike on any device, also after a
    training was resumed. With several processes each mixes its own clips.
    Frames in which a person is absent, all zero, stay so but for mixup and
    CutMix. The steps come in the order of the arguments.

    Args:
        num_classes: K.
        same_class: Alpha of the Beta distribution: each clip is blended with
            another one of its class, where the batch has one and both have
            the person; labels stay. Defaults to 0, not used, like all.
        exchange: Chance that a clip gets the mean of another one, over time
            and joints, of each channel.
        style: Chance that it gets mean and deviation (arXiv 2010.05785).
        offset: Deviation of what is added to each channel of a clip, in
            deviations of the channel in the batch.
        channels: Chance that a channel of a clip is zero, and all others as
            much larger (arXiv 1411.4280).
        mixup: Alpha of mixup (arXiv 1710.09412): one ratio and one order of
            partners a batch, for clips and labels, as in its authors' code.
        cutmix: Alpha of CutMix (arXiv 1905.04899) in time: a stretch of
            frames is that of a partner, one stretch a batch. With mixup it
            is one of the two, evenly.
        features: Leading channels that are pooled features, which ``exchange``
            to ``channels`` change. Defaults to None: all.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self,
                 num_classes: int,
                 same_class: float = 0.,
                 exchange: float = 0.,
                 style: float = 0.,
                 offset: float = 0.,
                 channels: float = 0.,
                 mixup: float = 0.,
                 cutmix: float = 0.,
                 features: int | None = None) -> None:
        for name, value in dict(same_class=same_class, offset=offset,
                                mixup=mixup, cutmix=cutmix).items():
            if not value >= 0:
                raise ValueError(f'{name} must be 0 or more, got {value}')
        for name, value in dict(exchange=exchange, style=style,
                                channels=channels).items():
            if not 0 <= value <= 1 or name == 'channels' and value == 1:
                raise ValueError(f'{name} must be a chance, got {value}')
        self.num_classes = num_classes
        self.same_class, self.exchange, self.style = (
            same_class, exchange, style)
        self.offset, self.channels = offset, channels
        self.mixup, self.cutmix = mixup, cutmix
        self.features = features

    def __call__(self, clips: Tensor, data_samples: list[ActionDataSample]
                 ) -> tuple[Tensor, list[ActionDataSample]]:
        """Mix a batch.

        Args:
            clips: (N, views, M, T, V, C) float.
            data_samples: With ``gt_label``, (1,).

        Returns:
            Mixed clips, and the samples, with labels (K,) where labels are
            mixed.

        Raises:
            ValueError: If a label is no class.
        """
        check_labels(data_samples, self.num_classes)
        labels = torch.cat(
            # pyrefly: ignore[missing-attribute]  set with the label
            [sample.gt_label for sample in data_samples])
        if self.same_class:
            clips = blend_same_class(clips, labels, self.same_class)
        clips = self._appearance(clips)
        if self.mixup or self.cutmix:
            soft = F.one_hot(labels, self.num_classes).float()
            cut = self.cutmix and (
                not self.mixup or torch.rand(()).item() < .5)
            clips, soft = cut_in_time(clips, soft, self.cutmix) if cut else \
                blend(clips, soft, self.mixup)
            for sample, label in zip(data_samples, soft):
                sample.set_gt_label(label)
        return clips, data_samples

    def _appearance(self, clips: Tensor) -> Tensor:
        """Change the pooled features alone."""
        if not (self.exchange or self.style or self.offset or self.channels):
            return clips
        feat = clips[..., :self.features]
        rest = clips[..., feat.shape[-1]:]
        there = present(clips)
        if self.exchange:
            feat = exchange(feat, there, self.exchange)
        if self.style:
            feat = exchange(feat, there, self.style, deviation=True)
        if self.offset:
            feat = shift(feat, there, self.offset)
        if self.channels:
            kept = (torch.rand(len(feat), feat.shape[-1])
                    >= self.channels).to(feat)
            feat = feat * spread(kept / (1 - self.channels))
        return torch.cat([feat, rest], -1)


def present(clips: Tensor) -> Tensor:
    """Frames in which a person is there.

    Args:
        clips: (N, views, M, T, V, C).

    Returns:
        (N, views, M, T, 1, 1) bool.
    """
    return (clips != 0).flatten(4).any(4)[..., None, None]


def spread(values: Tensor) -> Tensor:
    """A value a clip and channel, (N, C), for all people, frames and joints.

    Args:
        values: (N, C).

    Returns:
        (N, 1, 1, 1, 1, C).
    """
    return values[:, None, None, None, None]


def blend(clips: Tensor, labels: Tensor, alpha: float
          ) -> tuple[Tensor, Tensor]:
    """Blend clips and labels with those of partners, by one ratio.

    Args:
        clips: (N, ...).
        labels: (N, K) float.
        alpha: Of the Beta distribution of the ratio.

    Returns:
        Both, blended.
    """
    kept = Beta(alpha, alpha).sample().item()
    partner = torch.randperm(len(clips)).to(clips.device)
    return (torch.lerp(clips[partner], clips, kept),
            torch.lerp(labels[partner], labels, kept))


def cut_in_time(clips: Tensor, labels: Tensor, alpha: float
                ) -> tuple[Tensor, Tensor]:
    """Replace a stretch of frames by that of partners.

    Args:
        clips: (N, views, M, T, V, C).
        labels: (N, K) float.
        alpha: Of the Beta distribution of the share that is left.

    Returns:
        Both; labels by what is really left.
    """
    frames = clips.shape[3]
    length = round((1 - Beta(alpha, alpha).sample().item()) * frames)
    start = int(torch.randint(frames - length + 1, ()))
    partner = torch.randperm(len(clips)).to(clips.device)
    mixed = clips.clone()
    stretch = slice(start, start + length)
    mixed[:, :, :, stretch] = clips[partner][:, :, :, stretch]
    return mixed, torch.lerp(labels[partner], labels, 1 - length / frames)


def blend_same_class(clips: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """Blend each clip with another one of its class, if there is one.

    Args:
        clips: (N, views, M, T, V, C).
        labels: (N, ).
        alpha: Of the Beta distribution of each clip's ratio.

    Returns:
        The blended clips; frames that one of the two does not have are left.
    """
    labels = labels.cpu()
    same = (labels[:, None] == labels).fill_diagonal_(False)
    partner = torch.where(
        same, torch.rand(same.shape), -1.).argmax(1).to(clips.device)
    kept = Beta(alpha, alpha).sample((len(clips), ))
    kept = torch.where(same.any(1), kept, 1.).to(clips)
    there = present(clips)
    return torch.where(
        there & there[partner],
        torch.lerp(clips[partner], clips, kept.view(-1, 1, 1, 1, 1, 1)),
        clips)


def exchange(feat: Tensor, there: Tensor, chance: float,
             deviation: bool = False) -> Tensor:
    """Give clips the mean of another one, of each channel.

    Args:
        feat: (N, views, M, T, V, C).
        there: Of :func:`present`.
        chance: That a clip gets it.
        deviation: Whether it gets the deviation as well. Defaults to False.

    Returns:
        The same shape.
    """
    count = there.sum(CLIP) * feat.shape[4]  # (N, 1)
    mean = feat.sum(CLIP) / count.clamp(min=1)
    partner = torch.randperm(len(feat)).to(feat.device)
    taken = (torch.rand(len(feat)) < chance).to(feat.device)[:, None]
    # a clip without anyone has no mean to give or take
    taken = spread(taken & (count > 0) & (count[partner] > 0))
    moved = feat - spread(mean)
    if deviation:
        spreads = ((moved * there).square().sum(CLIP)
                   / count.clamp(min=1)).sqrt()
        moved = moved * spread(
            spreads[partner] / spreads.clamp(min=LEAST))
    return torch.where(taken & there, moved + spread(mean[partner]), feat)


def shift(feat: Tensor, there: Tensor, size: float) -> Tensor:
    """Add a random number to each channel of each clip.

    Args:
        feat: (N, views, M, T, V, C).
        there: Of :func:`present`.
        size: Its deviation, in deviations of the channel in the batch.

    Returns:
        The same shape.
    """
    axes = (0, *CLIP)
    count = (there.sum(axes) * feat.shape[4]).clamp(min=1)
    mean = feat.sum(axes) / count
    deviation = (((feat - mean) * there).square().sum(axes) / count).sqrt()
    noise = torch.randn(len(feat), feat.shape[-1]).to(feat)
    return torch.where(there, feat + spread(size * deviation * noise), feat)

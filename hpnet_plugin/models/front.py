"""What stands between the input of a graph network and its first layer."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmaction.registry import HOOKS, MODELS
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ..datasets.sampling import Draw, seed_of
from .precision import full_precision

CLIPS = 2000  # of the training split that a whitening is fitted on, at most


def build_front(modules: Sequence[dict], channels: int
                ) -> tuple[nn.Sequential, int]:
    """Modules before the first layer of a graph network.

    Args:
        modules: Their configs.
        channels: Channels of the input.

    Returns:
        (..., C) -> (..., C'), and C'.
    """
    found = nn.Sequential()
    for config in modules:
        module = MODELS.build(dict(config, in_channels=channels))
        channels = module.out_channels
        found.append(module)
    return found, channels


def balance(parts: Sequence[int], channels: int) -> Tensor:
    """Deviations of channels for which all parts have the same variance.

    Args:
        parts: Channels of each part, in their order.
        channels: All channels, C.

    Returns:
        (C, ), whose squares sum to C, and to C / P in each of P parts.

    Raises:
        ValueError: If a part has no channels, or they are not C together.
    """
    if sum(parts) != channels or min(parts, default=0) < 1:
        raise ValueError(f'parts of {list(parts)} channels are not the '
                         f'{channels} channels of the input')
    share = channels / len(parts)
    return torch.cat([torch.full((size, ), (share / size)**.5)
                      for size in parts])


class ScaledNorm(nn.Module):
    """A batch norm of each channel, which gives it a deviation of its own.

    Args:
        scale: Deviations, (C, ).
    """

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(len(scale))
        with torch.no_grad():
            self.norm.weight.copy_(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise.

        Args:
            x: (..., C).

        Returns:
            The same shape.
        """
        return self.norm(x.reshape(-1, x.shape[-1])).view(x.shape)


@MODELS.register_module()
class ChannelGate(nn.Module):
    """Weigh each channel by a number from 0 to 2 that is learnt.

    A channel that does not help can be closed. All start at 1.

    Args:
        in_channels: C.

    Attributes:
        out_channels: C.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_channels = in_channels
        self.weight = nn.Parameter(torch.zeros(in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Weigh.

        Args:
            x: (..., C).

        Returns:
            The same shape.
        """
        return x * (2 * torch.sigmoid(self.weight))


@MODELS.register_module()
class Whitening(nn.Module):
    """Principal components of pooled features, each of variance 1.

    What it computes with is fitted by :class:`FitWhitening` when a training
    begins, and stands in the checkpoint. Frames without the person, all zero,
    stay zero.

    Args:
        in_channels: C.
        channels: Components, D.
        features: Leading channels that are pooled features; the others are
            handed on behind the components. Defaults to None: all.

    Attributes:
        out_channels: D and the channels that are handed on.

    Raises:
        ValueError: If there are more components than features.
    """

    def __init__(self, in_channels: int, channels: int,
                 features: int | None = None) -> None:
        super().__init__()
        self.features = in_channels if features is None else features
        if not 1 <= channels <= self.features <= in_channels:
            raise ValueError(
                f'{channels} components of {self.features} features among '
                f'{in_channels} channels: there must be one at least, and no '
                'more than features')
        self.out_channels = channels + in_channels - self.features
        self.mean: Tensor
        self.components: Tensor
        self.fitted: Tensor
        self.register_buffer('mean', torch.zeros(self.features))
        self.register_buffer('components',
                             torch.zeros(channels, self.features))
        self.register_buffer('fitted', torch.zeros(()))

    def fit(self, mean: Tensor, covariance: Tensor) -> None:
        """Take the first components of a distribution.

        Args:
            mean: (F, ) of the features.
            covariance: (F, F).
        """
        values, vectors = torch.linalg.eigh(covariance.double())
        count = len(self.components)
        values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
        # the sign of a component is nobody's: that of its largest part is +
        largest = vectors.gather(0, vectors.abs().argmax(0)[None])
        vectors = vectors * largest.sign()
        # what does not vary is not blown up
        floor = values[0].clamp(min=1e-12) * 1e-6
        scaled = vectors / values.clamp(min=floor).sqrt()
        self.mean.copy_(mean)
        self.components.copy_(scaled.T)
        self.fitted.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Project.

        Args:
            x: (..., C).

        Returns:
            (..., out_channels).
        """
        feat, rest = x[..., :self.features], x[..., self.features:]
        there = (feat != 0).any(-1, keepdim=True)
        with full_precision(x.device):
            found = nn.functional.linear(
                feat.float() - self.mean, self.components)
        return torch.cat([(found * there).to(rest.dtype), rest], -1)


@HOOKS.register_module()
class FitWhitening(Hook):
    """Fit each :class:`Whitening` of a model when its training begins.

    On at most 2,000 clips of the training split, evenly spread, as the
    pipeline gives them in the first epoch. A training that goes on, or starts
    from weights that were fitted, keeps what it has.
    """

    def before_train(self, runner: Runner) -> None:
        """Fit.

        Args:
            runner: The training.
        """
        model: Any = runner.model
        if is_model_wrapper(model):
            model = model.module
        found = [module for module in model.modules()
                 if isinstance(module, Whitening) and not module.fitted]
        if not found:
            return
        loader: Any = runner.train_dataloader
        mean, covariance, count = moments(
            loader.dataset, runner.seed, found[0].features)
        for module in found:
            module.fit(mean, covariance)
            for value in (module.mean, module.components):
                broadcast(value)
        MMLogger.get_current_instance().info(
            f'features are whitened by {count:,} joints of the training '
            f'split: {len(found[0].components)} components of '
            f'{found[0].features} channels')


def moments(dataset: Any, seed: int, features: int
            ) -> tuple[Tensor, Tensor, int]:
    """Mean and covariance of the features of a dataset.

    Args:
        dataset: Gives inputs (views, M, T, V, C).
        seed: Of what is random in its pipeline.
        features: Leading channels that are looked at, F.

    Returns:
        (F, ) and (F, F), float64, of the joints that are there, and how
        many.

    Raises:
        ValueError: If nobody is there.
    """
    numbers = range(0, len(dataset), -(-len(dataset) // CLIPS))
    total = torch.zeros(features, dtype=torch.float64)
    products = torch.zeros(features, features, dtype=torch.float64)
    count = 0
    for number in numbers:
        clip = dataset[Draw(number, seed_of(seed, 0, number))]['inputs']
        rows = clip[..., :features].reshape(-1, features).double()
        rows = rows[(rows != 0).any(1)]
        total += rows.sum(0)
        products += rows.T @ rows
        count += len(rows)
    if not count:
        raise ValueError('no clip of the training split has features that '
                         'are not zero: nothing can be whitened')
    mean = total / count
    return mean, products / count - torch.outer(mean, mean), count

"""Pre-training without labels: a graph network fills in masked joints."""
from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from mmaction.registry import HOOKS
from mmengine.dist import all_reduce, all_reduce_params, get_rank
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ..datasets.sampling import seed_of, set_seed
from .backbones.graph_backbone import GraphBackbone
from .precision import full_precision

# From this number on, epochs of the sampler belong to the pre-training: the
# training sees its own stretches of clips in its own order.
FIRST = 1_000_000
RISE = .05  # share of the steps in which the learning rate rises
LEAST = 1e-6  # variance of a channel that can be divided by


class MaskedJoints(nn.Module):
    """Fills in joints that a graph network was not shown.

    Joints are masked in all frames of a clip, since the same joint a few
    frames away would tell nearly all. What a linear layer on the network's
    last features says of them is compared with the input, each channel of
    mean 0 and variance 1 in the batch, on average over the frames that one of
    the network's stands for.

    Args:
        net: The network.
        ratio: Share of the joints that are masked.
    """

    def __init__(self, net: GraphBackbone, ratio: float) -> None:
        super().__init__()
        self.net, self.ratio = net, ratio
        # starts at zero, and so the same in all processes
        self.decoder = nn.Linear(net.out_channels, net.input_shape[-1])
        nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            x: (N, M, T, V, C).

        Returns:
            The share of the masked joints' variance that is not explained:
            1 for a network that knows nothing. 0 where nobody is there.
        """
        n, m, _, v, _ = x.shape
        there = (x != 0).any(-1, keepdim=True).to(x.dtype)
        # drawn on the CPU: the same on each device
        masked = (torch.rand(n, m, 1, v, 1) < self.ratio).to(x.device)
        guess = self.net(x.masked_fill(masked, 0)).permute(0, 1, 3, 4, 2)
        guess = self.decoder(guess)
        frames = guess.shape[2]
        weight = _pooled(there, frames)
        truth = _pooled(_standardised(x, there) * there, frames)
        truth = truth / weight.clamp(min=LEAST)
        weight = weight * masked
        return (weight * (guess - truth)**2).sum() / \
            (weight * truth**2).sum().clamp(min=LEAST)


def _standardised(x: Tensor, there: Tensor) -> Tensor:
    """Each channel with mean 0 and variance 1 over the joints there are."""
    axes, count = (0, 1, 2, 3), there.sum().clamp(min=1)
    centred = x - (x * there).sum(axes) / count
    variance = (centred**2 * there).sum(axes) / count
    return centred * (variance > LEAST) / variance.clamp(min=LEAST).sqrt()


def _pooled(x: Tensor, frames: int) -> Tensor:
    """Means (N, M, T', V, C) of stretches of (N, M, T, V, C)."""
    n, m, t, v, c = x.shape
    found = F.adaptive_avg_pool1d(
        x.permute(0, 1, 3, 4, 2).reshape(n * m, v * c, t), frames)
    return found.view(n, m, v, c, frames).permute(0, 1, 4, 2, 3)


@HOOKS.register_module()
class PretrainMasked(Hook):
    """Pre-train the graph network of a model when its training begins.

    Random joints of each clip are masked, and the network has to tell from
    the others what was there (masked autoencoders, arXiv 2111.06377; of
    skeletons, arXiv 2209.02399). No label is read. Then the training begins
    from the network's weights. A training that is resumed goes on without
    it; one that is stopped in the middle of it begins anew.

    Args:
        epochs: How long. Defaults to 20.
        ratio: Share of the joints that are masked. Defaults to 0.5.
        lr: Highest learning rate of AdamW; it falls as a cosine. Defaults to
            1e-3.
        decay: Weight decay. Defaults to 0.05.

    Raises:
        ValueError: If nothing or everything would be masked.
    """

    def __init__(self, epochs: int = 20, ratio: float = .5, lr: float = 1e-3,
                 decay: float = .05) -> None:
        if not 0 < ratio < 1:
            raise ValueError(f'ratio={ratio}: give a share of the joints '
                             'above 0 and below 1')
        self.epochs, self.ratio, self.lr, self.decay = epochs, ratio, lr, decay

    def before_train(self, runner: Runner) -> None:
        """Pre-train, unless the training goes on.

        Args:
            runner: The training.

        Raises:
            ValueError: If the backbone is no graph network of this package.
        """
        if runner.iter:
            return
        model: Any = runner.model
        if is_model_wrapper(model):
            model = model.module
        if not isinstance(model.backbone, GraphBackbone):
            raise ValueError(
                f'PretrainMasked: {type(model.backbone).__name__} cannot be '
                'pre-trained; CTRGCN and SkeletonMixFormer can')
        model.train()
        loader: Any = runner.train_dataloader
        filler = MaskedJoints(model.backbone, self.ratio).to(
            next(model.backbone.parameters()))
        optimizer = torch.optim.AdamW(filler.parameters(), self.lr,
                                      weight_decay=self.decay)
        steps = self.epochs * len(loader)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _share(step, steps))
        logger, began = MMLogger.get_current_instance(), time.monotonic()
        for epoch in range(self.epochs):
            _begin_epoch(loader, runner.seed, FIRST + epoch)
            losses = list(self._epoch(loader, model.data_preprocessor, filler,
                                      optimizer, scheduler))
            loss = torch.tensor(losses, dtype=torch.float64).mean()
            all_reduce(loss, 'mean')
            left = (time.monotonic() - began) / (epoch + 1) * (
                self.epochs - epoch - 1)
            logger.info(
                f'pre-training, epoch {epoch + 1} of {self.epochs}: '
                f'{100 * loss:.1f} % of what masked joints were is not '
                f'told by the others; {left:.0f} s left')
        optimizer.zero_grad()

    def _epoch(self, loader: Any, preprocessor: Any, filler: MaskedJoints,
               optimizer: Any, scheduler: Any) -> Iterator[float]:
        """Train for an epoch; the loss of each step."""
        for data in loader:
            with full_precision(preprocessor.device):
                x = preprocessor(data, False)['inputs']
                loss = filler(x.flatten(0, 1).to(filler.decoder.weight.dtype))
                optimizer.zero_grad()
                loss.backward()
                all_reduce_params([p.grad for p in filler.parameters()
                                   if p.grad is not None], op='mean')
            optimizer.step()
            scheduler.step()
            yield loss.item()


def _begin_epoch(loader: Any, seed: int, epoch: int) -> None:
    """Seed the order of the clips, and what is drawn in this process."""
    for sampler in (loader.sampler, loader.batch_sampler.sampler):
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
    own = seed_of(seed, epoch, get_rank())
    set_seed(own)
    torch.manual_seed(own)


def _share(step: int, steps: int) -> float:
    """The learning rate of a step, as a share of the highest."""
    rise = max(1., RISE * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    return .5 + .5 * math.cos(math.pi * (step - rise) / max(1, steps - rise))

"""Train and measure the tiny pose net on synthetic people."""
from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from .crops import Crop, make_crop

if TYPE_CHECKING:
    from torch import Tensor

LIMBS = slice(5, 17)  # shoulders to ankles in COCO-17
TAP = 'backbone.stage4.0.branches.1'  # what the paper pools, and the demo


class CropDataset(Dataset):
    """Endless chance, repeatable: crop i depends on (seed, i) alone.

    Args:
        length: number of crops.
        seed: training and test need different ones.
        jitter: see :func:`make_crop`.
        codec (optional): mmpose codec; given, crops come as samples that
            the net trains on, else as :class:`Crop`.
        size: width and height of a crop in pixels.
    """

    def __init__(self,
                 length: int,
                 seed: int,
                 jitter: float,
                 codec: Any = None,
                 size: tuple[int, int] = (96, 128)) -> None:
        self.length, self.seed, self.jitter = length, seed, jitter
        self.codec, self.size = codec, size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        rng = np.random.default_rng([self.seed, index])
        crop = make_crop(rng, self.size, jitter=self.jitter)
        if self.codec is None:
            return crop
        from mmengine.structures import InstanceData, PixelData
        from mmpose.structures import PoseDataSample
        target = self.codec.encode(crop.joints[None],
                                   crop.inside[None].astype(np.float32))
        sample = PoseDataSample(
            gt_fields=PixelData(
                heatmaps=torch.from_numpy(target['heatmaps'])),
            gt_instance_labels=InstanceData(
                keypoint_weights=torch.from_numpy(
                    target['keypoint_weights'])))
        return dict(inputs=to_input(crop.image), data_samples=sample)


def to_input(image: np.ndarray) -> Tensor:
    """(h, w, 3) RGB to the (3, h, w) BGR tensor that mmpose's nets take."""
    return torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())


@torch.no_grad()
def find_joints(model: Any, images: list[np.ndarray]) -> np.ndarray:
    """Joints that a top-down heatmap net of mmpose finds in crops.

    Args:
        model: a net from ``mmpose.apis.init_model``.
        images: (h, w, 3) uint8 RGB crops.

    Returns:
        np.ndarray: (N, 17, 2) pixels of the crop.
    """
    from mmpose.structures import PoseDataSample
    model.eval()
    found = []
    for start in range(0, len(images), 64):
        part = images[start:start + 64]
        batch = model.data_preprocessor(
            dict(inputs=[to_input(image) for image in part],
                 data_samples=[PoseDataSample() for _ in part]))
        heatmaps = model(batch['inputs'], None)
        found += [one.keypoints[0] for one in model.head.decode(heatmaps)]
    return np.stack(found)


def pck(model: nn.Module, crops: Iterable[Crop], share: float = .1
        ) -> np.ndarray:
    """Share of limb joints found near their place, in percent.

    Args:
        model: a net from ``mmpose.apis.init_model``.
        crops: pictures with their truth.
        share: how near, in heights of the person's box.

    Returns:
        np.ndarray: (12,), shoulders to ankles, hidden joints included, those
        out of the crop not.
    """
    crops = list(crops)
    joints = find_joints(model, [crop.image for crop in crops])
    truth = np.stack([crop.joints for crop in crops])
    reach = share * np.array([crop.box_height for crop in crops])
    near = np.linalg.norm(joints - truth, axis=-1) <= reach[:, None]
    inside = np.stack([crop.inside for crop in crops])
    hits = (near & inside)[:, LIMBS].sum(0)
    return 100 * hits / inside[:, LIMBS].sum(0)


class Appearance(nn.Module):
    """Read small patches of the picture off a feature map, linearly.

    Real pose nets know what things look like, from ImageNet. A net that has
    only ever looked for joints learns to see through clothes and things in
    hands, and its features are as blind as its joints. As pre-training is
    out of reach here, the map is asked to keep its cells' colours meanwhile.

    Args:
        net: the pose net; its input is normalised pictures.
        tap: path of the module whose output is the map.
        channels: of the map.
        detail: colours a side of a cell.
    """

    def __init__(self,
                 net: nn.Module,
                 tap: str,
                 channels: int,
                 detail: int = 2) -> None:
        super().__init__()
        self.read = nn.Conv2d(channels, 3 * detail**2, 1)
        self.detail = detail
        self.hook = net.get_submodule(tap).register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.map = output

    def forward(self, pictures: Tensor) -> Tensor:
        """Mean squared error; pictures (N, 3, H, W) as the net got them."""
        h, w = self.map.shape[-2:]
        target = F.adaptive_avg_pool2d(
            pictures, (h * self.detail, w * self.detail))
        return F.mse_loss(self.read(self.map),
                          F.pixel_unshuffle(target, self.detail))


def train(config: str, steps: int, batch: int, lr: float, seed: int,
          workers: int, log: Callable = print) -> nn.Module:
    """Train a top-down heatmap net of mmpose on synthetic people.

    The map that the demo pools is asked to keep appearance as well, see
    :class:`Appearance`.

    Args:
        config: config file of the net, with ``codec`` and ``model``.
        steps: optimiser steps.
        batch: crops a step.
        lr: highest learning rate of AdamW; it rises for a tenth of
            the steps and falls as a cosine.
        seed: of the weights and the crops.
        workers: processes that draw; 0 draws in this one.
        log: gets a line of text now and then.

    Returns:
        The trained net.
    """
    from mmengine.dataset import pseudo_collate
    from mmpose.apis import init_model
    from mmpose.registry import KEYPOINT_CODECS

    torch.manual_seed(seed)
    model: Any = init_model(config, device='cpu')
    # init_model leaves PyTorch's own start, from which heatmaps do not learn
    model.init_weights()
    model.train()
    loader = DataLoader(
        CropDataset(steps * batch, seed, 1.,
                    KEYPOINT_CODECS.build(model.cfg.codec),
                    model.cfg.codec.input_size),
        batch, num_workers=workers, collate_fn=pseudo_collate)
    channels = model.get_submodule(TAP)[-1].out_channels
    appearance = Appearance(model, TAP, channels)
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *appearance.parameters()], lr, weight_decay=.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=steps, pct_start=.1)
    begin = time.time()
    for step, data in enumerate(loader, 1):
        data = model.data_preprocessor(data, training=True)
        losses = model(**data, mode='loss')
        seen = appearance(data['inputs'])
        optimizer.zero_grad()
        (losses['loss_kpt'] + seen).backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            log(f'step {step}/{steps}  loss {losses["loss_kpt"]:.4f}  '
                f'appearance {seen:.4f}  {time.time() - begin:.0f} s')
    appearance.hook.remove()
    return model.eval()


def save_weights(model: nn.Module, path: str | os.PathLike[str], **meta: Any
                 ) -> None:
    """Save a net's weights in half precision; the file appears whole.

    Loading copies them into the net's own float32 parameters.

    Args:
        model: the net.
        path: the checkpoint.
        meta: plain values to keep with it.
    """
    state = {key: value.half() if value.is_floating_point() else value
             for key, value in model.state_dict().items()}
    part = f'{os.fspath(path)}.part'
    torch.save(dict(meta=meta, state_dict=state), part)
    os.replace(part, path)

"""What a model costs: parameters, multiply-adds, memory, time (Table X)."""
from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.flop_counter import FlopCounterMode, bmm_flop

from ..estimation.devices import device_of
from .synthetic import write_synthetic

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor, nn

# of the modules' names; what no rule names goes by its first word
PARTS = (
    (r'backbone\..*message_', 'messages between frames'),
    (r'backbone\.mit', 'frame integration'),
    (r'text\.', 'text tower'),
    (r'topology\.models\.(\d+)', 'topology model {}'),
    (r'cls_head\.fusion', 'fusion'),
    (r'cls_head\.classifiers', 'auxiliary classifiers'),
)
ONCE = 'text tower'


class Part(NamedTuple):
    """A part of a model.

    Attributes:
        params: Parameters.
        trained: Those of them that are trained.
        macs: Multiply-adds of a forward of one clip.
    """
    params: int
    trained: int
    macs: int


class Cost(NamedTuple):
    """Cost of a model.

    Attributes:
        parts: By name.
        activations: Bytes that a training step on one clip keeps for
            the backward pass, in float32.
        once: Whether the text tower is frozen: its multiply-adds are
            spent once a list of classes and not counted in ``total``.
        inputs: Bytes of what a clip's pipeline hands to the model.
    """
    parts: dict[str, Part]
    activations: int
    once: bool
    inputs: int

    @property
    def total(self) -> Part:
        """The whole model, for one clip."""
        parts = self.parts.values()
        spared = self.parts[ONCE].macs if self.once else 0
        return Part(
            sum(part.params for part in parts),
            sum(part.trained for part in parts),
            sum(part.macs for part in parts) - spared)


def model_cost(cfg: Config) -> Cost:
    """Cost of the model of a training config.

    A clip of noise goes through the pipeline of validation, or of the test
    where nothing is validated, so that the inputs have the shapes of the
    config; the model runs on torch's meta device, which computes shapes and
    nothing else.

    Args:
        cfg: A training config on ``PoseDataset`` or
            ``PooledDataset``; its data folders are changed.

    Returns:
        Matrix products and convolutions are counted.
    """
    model, batch = _one_clip(cfg, 'meta')
    model = model.to('meta').train()
    inputs = _map(model.data_preprocessor(batch)['inputs'],
                  lambda tensor: tensor.to('meta'))

    own = {p.untyped_storage()._cdata for p in model.parameters()}
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    counter = flop_counter()
    with counter, torch.autograd.graph.saved_tensors_hooks(
            keep, lambda tensor: tensor):
        # held until all is counted: freed storages' places are taken again
        outputs = model(inputs, mode='tensor', stage='head')
    del outputs

    macs: dict[str, int] = defaultdict(int)
    params: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, flops in _exclusive(counter, model).items():
        macs[part_of(name)] += flops // 2
    for name, p in model.named_parameters():
        params[part_of(name)][0] += p.numel()
        params[part_of(name)][1] += p.numel() * p.requires_grad
    parts = {name: Part(params[name][0], params[name][1], macs[name])
             for name in dict.fromkeys([*params, *macs])
             if params[name][0] or macs[name]}
    frozen = getattr(getattr(model, 'text', None), 'frozen', False)
    sizes = []
    _map(batch['inputs'], lambda clips: sizes.append(clips[0].nbytes))
    return Cost(parts, sum(kept.values()), frozen, sum(sizes))


def flop_counter() -> FlopCounterMode:
    """A counter of matrix products and convolutions.

    Returns:
        Torch's, which also counts products that are added in place, and those
        of oneDNN (:mod:`hpnet_plugin.models.linear`).
    """
    def added(_: Tensor, *factors: Tensor, **kwargs: Any) -> int:
        return bmm_flop(*factors, **kwargs)

    def linear(x: Tensor, weight: Tensor, *_: Any, **kwargs: Any) -> int:
        return 2 * x.numel() * len(weight)

    for count in (added, linear):
        count._get_raw = True  # pyrefly: ignore[missing-attribute]
    return FlopCounterMode(display=False, custom_mapping={
        torch.ops.aten.baddbmm_: added,
        torch.ops.mkldnn._linear_pointwise: linear})


def clips_per_second(cfg: Config, device: str = 'cpu', seconds: float = 3.
                     ) -> float:
    """How many clips a model tests in a second, one after the other.

    The forward pass alone, of clips that lie ready, in float32, as torch is
    set up (threads).

    Args:
        cfg: See :func:`model_cost`.
        device: Where the model runs. Defaults to ``'cpu'``.
        seconds: How long to measure, after a first pass. Defaults to
            3.

    Returns:
        Clips a second, of one view each.
    """
    model, batch = _one_clip(cfg)
    model = model.to(device_of(device)).eval()
    inputs = model.data_preprocessor(batch)['inputs']

    def passes(number: int) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            for _ in range(number):
                # a copy: the toolbox's recognizers change what they get
                model(_map(inputs, torch.Tensor.clone), mode='tensor',
                      stage='head')
        if torch.device(device).type == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter() - start

    passes(1)
    number = max(1, round(seconds / passes(1)))
    return number / passes(number)


def _one_clip(cfg: Config, device: str = 'cpu'
              ) -> tuple[Any, dict[str, Any]]:
    """The model of a config, and a batch of a clip of noise.

    On the meta device no weights are drawn, which would take most of the
    time.
    """
    with DefaultScope.overwrite_default_scope('mmaction'), \
            tempfile.TemporaryDirectory() as folder:
        write_synthetic(cfg, folder, clips=1)
        loader = cfg.get('val_dataloader') or cfg.test_dataloader
        dataset = DATASETS.build(loader.dataset)
        batch = pseudo_collate([dataset[0]])
        with torch.device(device):
            return MODELS.build(cfg.model), batch


def _map(inputs: Any, function: Callable[[Tensor], Any]) -> Any:
    """Apply a function to the input, or to each of several modalities."""
    if isinstance(inputs, dict):
        return {key: function(value) for key, value in inputs.items()}
    return function(inputs)


def part_of(name: str) -> str:
    """Part that a module or a parameter belongs to.

    Args:
        name: Of a module or a parameter, with dots.

    Returns:
        A name of a row of the cost table.
    """
    for pattern, part in PARTS:
        match = re.match(pattern, name + '.')
        if match:
            return part.format(*match.groups())
    return name.split('.')[0]


def _exclusive(counter: FlopCounterMode, model: nn.Module) -> dict[str, int]:
    """Flops of each module without those of the modules it calls."""
    root = type(model).__name__
    totals = {name: sum(counts.values())
              for name, counts in counter.get_flop_counts().items()
              if name == root or name.startswith(root + '.')}
    alone = dict(totals)
    for name, flops in totals.items():
        parent = name
        while '.' in parent:
            parent = parent.rpartition('.')[0]
            if parent in totals:
                alone[parent] -= flops
                break
    return {name[len(root) + 1:] or 'model': flops
            for name, flops in alone.items()}

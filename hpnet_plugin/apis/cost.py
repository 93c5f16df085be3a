"""What a model costs: parameters, multiply-adds, memory (Table X)."""
import re
import tempfile
from collections import defaultdict
from typing import NamedTuple

import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.flop_counter import FlopCounterMode

from .synthetic import write_synthetic

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
        params (int): Parameters.
        trained (int): Those of them that are trained.
        macs (int): Multiply-adds of a forward of one clip.
    """
    params: int
    trained: int
    macs: int


class Cost(NamedTuple):
    """Cost of a model.

    Attributes:
        parts (dict[str, Part]): By name.
        activations (int): Bytes that a training step on one clip keeps for
            the backward pass, in float32.
        once (bool): Whether the text tower is frozen: its multiply-adds are
            spent once a list of classes and not counted in ``total``.
    """
    parts: dict
    activations: int
    once: bool

    @property
    def total(self):
        """Part: The whole model, for one clip."""
        parts = self.parts.values()
        spared = self.parts[ONCE].macs if self.once else 0
        return Part(
            sum(part.params for part in parts),
            sum(part.trained for part in parts),
            sum(part.macs for part in parts) - spared)


def model_cost(cfg):
    """Cost of the model of a training config.

    A clip of noise goes through the validation pipeline, so that the inputs
    have the shapes of the config; the model runs on torch's meta device,
    which computes shapes and nothing else.

    Args:
        cfg (Config): A training config on ``PoseDataset``; its data folders
            are changed.

    Returns:
        Cost: Matrix products and convolutions are counted.
    """
    with DefaultScope.overwrite_default_scope('mmaction'), \
            tempfile.TemporaryDirectory() as folder:
        write_synthetic(cfg, folder, clips=1)
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
        batch = pseudo_collate([dataset[0]])
        model = MODELS.build(cfg.model)
    inputs = model.data_preprocessor(batch)['inputs']
    model = model.to('meta').train()
    inputs = {key: value.to('meta') for key, value in inputs.items()} \
        if isinstance(inputs, dict) else inputs.to('meta')

    own = {p.untyped_storage()._cdata for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(
            keep, lambda tensor: tensor):
        # held until all is counted: freed storages' places are taken again
        outputs = model(inputs, mode='tensor', stage='head')
    del outputs

    macs, params = defaultdict(int), defaultdict(lambda: [0, 0])
    for name, flops in _exclusive(counter, model).items():
        macs[part_of(name)] += flops // 2
    for name, p in model.named_parameters():
        params[part_of(name)][0] += p.numel()
        params[part_of(name)][1] += p.numel() * p.requires_grad
    parts = {name: Part(*params[name], macs[name])
             for name in dict.fromkeys([*params, *macs])
             if params[name][0] or macs[name]}
    frozen = getattr(getattr(model, 'text', None), 'frozen', False)
    return Cost(parts, sum(kept.values()), frozen)


def part_of(name):
    """str: Part that a module or a parameter belongs to."""
    for pattern, part in PARTS:
        match = re.match(pattern, name + '.')
        if match:
            return part.format(*match.groups())
    return name.split('.')[0]


def _exclusive(counter, model):
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

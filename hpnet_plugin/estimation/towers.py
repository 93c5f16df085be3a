"""Image nets of open_clip and timm, with weights or without."""
from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .tap_names import TIMM, NetName, parse_net
from .taps import TapError
from .token_maps import MapShapes

COARSEST = 32  # pixels a cell of the smallest map of usual CNNs


class Tower(NamedTuple):
    """An image net whose weights are still to be loaded.

    Attributes:
        model: Images (N, 3, h, w) in; what it gives is of no interest.
        size: Width and height of its input.
        mean: Of the colours 0 to 1 that it was trained with.
        std: Likewise.
        shapes: Turns outputs of its layers into feature maps.
        adapt: The library's own renaming of published weights, if it has one.
    """
    model: nn.Module
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shapes: MapShapes
    adapt: Any = None


class _Visual(nn.Module):
    """The image tower of a model, with the names that it has there."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Any:
        return self.visual(images)


def build_tower(net: NetName) -> Tower:
    """Build an image net without weights.

    Args:
        net: Its name.

    Returns:
        The net, in eval mode on the CPU.

    Raises:
        TapError: If the library has no such model or tag.
    """
    build = _of_timm if net.library == 'timm' else _of_open_clip
    tower = build(net)
    tower.model.eval().requires_grad_(False)
    return tower


def is_model(text: str) -> bool:
    """Whether a text names an image net.

    Args:
        text: Any.

    Returns:
        True for a name of timm's, and for one that open_clip knows.
    """
    if text.startswith(TIMM):
        return True
    if text.endswith(('.py', '.onnx')) and '=' not in text:
        return False
    import open_clip
    return parse_net(text).model in open_clip.list_models()


def weights_of(net: NetName) -> tuple[str, ...]:
    """Where the library has the weights of a tag.

    Args:
        net: The name of an image net.

    Returns:
        A repository of the Hugging Face Hub and names of files, of which the
        first that is there will do; empty if the net has no tag, or the
        library does not say.

    Raises:
        TapError: If the library has no such model or tag.
    """
    source = _source(net)
    if not net.tag:
        return ()
    if net.library == 'timm':
        hub = source.get('hf_hub_id')
        file = source.get('hf_hub_filename') or 'pytorch_model.bin'
    else:
        hub, _, file = str(source.get('hf_hub') or '').rpartition('/')
        file = file or 'open_clip_pytorch_model.bin'
    return (hub, *_names_of(file)) if hub else ()


def _source(net: NetName) -> dict[str, Any]:
    """What the library says of a tag; of timm's without one, of the usual."""
    if net.library == 'timm':
        import timm
        from timm.models import get_pretrained_cfg
        if not timm.is_model(net.model):
            raise TapError(_unknown(f'timm has no model {net.model!r}',
                                    net.model, timm.list_models()))
        try:
            found = get_pretrained_cfg(_full(net))
        except RuntimeError:
            raise TapError(_unknown(
                f'timm has no weights {net.tag!r} of {net.model}', net.tag,
                [name.partition('.')[2] for name in
                 timm.list_pretrained(f'{net.model}.*')])) from None
        return {} if found is None else dict(vars(found))
    import open_clip
    if not open_clip.get_model_config(net.model):
        raise TapError(_unknown(
            f'open_clip has no model {net.model!r}', net.model,
            open_clip.list_models())
            + f'. Models of timm are named {TIMM}MODEL.TAG')
    tags = open_clip.list_pretrained_tags_by_model(net.model)
    if net.tag and net.tag not in tags:
        raise TapError(_unknown(
            f'open_clip has no weights {net.tag!r} of {net.model}', net.tag,
            tags))
    return open_clip.get_pretrained_cfg(net.model, net.tag) \
        if net.tag else {}


def _of_open_clip(net: NetName) -> Tower:
    import open_clip
    from open_clip.model import CLIPVisionCfg, _build_vision_tower
    source = _source(net)
    config = open_clip.get_model_config(net.model) or {}
    vision = CLIPVisionCfg(**config['vision_cfg'])
    vision.timm_model_pretrained = False
    mean, std = _colours(net, source)
    visual = _build_vision_tower(
        config['embed_dim'], vision,
        source.get('quick_gelu', config.get('quick_gelu', False)))
    size = vision.image_size
    height, width = (size, size) if isinstance(size, int) else size
    trunk = getattr(visual, 'trunk', None)
    prefix = int(hasattr(visual, 'class_embedding')) if trunk is None \
        else getattr(trunk, 'num_prefix_tokens', 0)
    return Tower(
        _Visual(visual), (width, height), mean, std,
        MapShapes((width, height), prefix, _has_channels_last(trunk)))


def _colours(net: NetName, source: Mapping[str, Any]
             ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, which belong to the weights."""
    import open_clip
    usual = (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    if source:
        return (tuple(map(float, source.get('mean') or usual[0])),
                tuple(map(float, source.get('std') or usual[1])))
    tags = open_clip.list_pretrained_tags_by_model(net.model)
    of_tags = {(tuple(map(float, found.get('mean') or usual[0])),
                tuple(map(float, found.get('std') or usual[1]))) for found in (
                    open_clip.get_pretrained_cfg(net.model, tag)
                    for tag in tags)}
    if len(of_tags) > 1 and net.file:
        raise TapError(
            f'{net.title}: published weights of {net.model} were trained with '
            'different means and standard deviations of the colours; say '
            f'which by a tag, {net.model}/TAG=FILE, with one of '
            f'{", ".join(tags)}')
    return of_tags.pop() if of_tags else usual


def _of_timm(net: NetName) -> Tower:
    import timm
    from timm.data import resolve_model_data_config
    source = _source(net)
    model = timm.create_model(_full(net), pretrained=False, num_classes=0)
    facts = resolve_model_data_config(model)
    height, width = facts['input_size'][1:]
    if not source.get('fixed_input_size', True):
        # of a net that takes any size: whole cells of its smallest map
        height, width = (-(-side // COARSEST) * COARSEST
                         for side in (height, width))
    return Tower(
        model, (width, height), tuple(facts['mean']), tuple(facts['std']),
        MapShapes((width, height), getattr(model, 'num_prefix_tokens', 0),
                  _has_channels_last(model)),
        _filter_of(timm.model_entrypoint(net.model).__module__))


def _full(net: NetName) -> str:
    return f'{net.model}.{net.tag}' if net.tag else net.model


def _filter_of(module: str) -> Any:
    """What timm does to weights that others have published."""
    import sys
    place: ModuleType = sys.modules[module]
    return getattr(place, 'checkpoint_filter_fn',
                   getattr(place, '_filter_fn', None))


def _names_of(file: str) -> tuple[str, ...]:
    """Of weights in a repository, the safetensors file first."""
    stem, dot, suffix = file.rpartition('.')
    if suffix == 'safetensors':
        return file,
    safe = {'pytorch_model': 'model',
            'open_clip_pytorch_model': 'open_clip_model'}.get(stem, stem)
    return f'{safe}{dot}safetensors', file


def _has_channels_last(model: nn.Module | None) -> bool:
    return str(getattr(model, 'output_fmt', '')).endswith('NHWC')


def _unknown(text: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 3, 0)
    return text + (f'; the closest: {", ".join(close)}' if close else '')


def tags_of(net: NetName) -> list[str]:
    """Published weights of a model.

    Args:
        net: Its name.

    Returns:
        Names of the net with each of their tags.
    """
    if net.library == 'timm':
        import timm
        return [TIMM + name for name in timm.list_pretrained(
            f'{net.model}.*')]
    import open_clip
    return [f'{net.model}/{tag}' for tag in
            open_clip.list_pretrained_tags_by_model(net.model)]


def grey(tower: Tower) -> Tensor:
    """An image of the mean colour, as the net takes it.

    Args:
        tower: The net.

    Returns:
        (1, 3, h, w).
    """
    return torch.zeros(1, 3, tower.size[1], tower.size[0])

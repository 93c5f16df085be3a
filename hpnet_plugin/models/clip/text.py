"""Text tower of CLIP (Radford et al., ICML 2021), arXiv 2103.00020."""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ...compat.hooks import after
from ..precision import full_precision
from .arch import clip_arch


@MODELS.register_module()
class CLIPText(BaseModule):
    """Text features of the class names, F_text (Eq. 6), by open_clip.

    While the tower is frozen, or in eval mode without gradients, they are
    computed once, in the precision of its weights whatever autocast says, and
    again when the class names, the weights or the device change. Only what is
    written through ``.data`` escapes notice, of a tower that is not frozen
    until the mode is set again.

    Args:
        classes: Class names in label order: a list, a file with a name a line,
            or one of the benchmarks' names; see
            :func:`hpnet_plugin.datasets.classes.read_classes`.
        arch: See :func:`clip_arch`. Defaults to ``'ViT-B-16'``.
        templates: Prompts with one ``{}`` each, or a file with one a line. The
            features of a single one are raw. Of several, the direction is that
            of open_clip's zero-shot classifier (each normalised, then
            averaged) and the length is their mean raw length, so that later
            modules see the usual scale. Defaults to the name itself, as HP-Net
            and X-CLIP have it.
        frozen: Whether the tower is left as it is, always in eval mode.
            Defaults to True.
        quick_gelu: OpenAI's and X-CLIP's weights need it. Defaults to True.
        init_cfg: Of mmengine's ``BaseModule``.

    Attributes:
        classes: Class names.
        templates: Templates.
        tokens: Of each template and, within, of each class, (templates * K,
            L).
        embed_dim: E.

    Raises:
        ValueError: If a template has not one ``{}``, a prompt is too long,
            or the tower cannot tell two class names apart.
    """

    tokens: Tensor

    def __init__(self,
                 classes: str | Sequence[str],
                 arch: str | dict[str, Any] = 'ViT-B-16',
                 templates: str | Sequence[str] = ('{}', ),
                 frozen: bool = True,
                 quick_gelu: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        # takes most of a second
        from open_clip.transformer import QuickGELU, TextTransformer
        self.embed_dim, _, sizes = clip_arch(arch)
        self.tower = TextTransformer(
            sizes.context_length, sizes.vocab_size, sizes.width, sizes.heads,
            sizes.layers, sizes.mlp_ratio, output_dim=self.embed_dim,
            act_layer=QuickGELU if quick_gelu else nn.GELU)
        self.frozen = frozen
        if frozen:
            self.tower.requires_grad_(False).eval()
        self.register_buffer('tokens', None, persistent=False)
        # what was used, its stamps, and the features
        self._cache: tuple[list[Tensor], list[tuple], Tensor] | None = None
        self.set_classes(classes, templates)

    def set_classes(self, classes: str | Sequence[str],
                    templates: str | Sequence[str] | None = None) -> None:
        """Take other class names, for zero-shot or few-shot evaluation.

        Args:
            classes: As above.
            templates: As above. Defaults to None: those that are there.

        Raises:
            ValueError: As above; the old ones stay.
        """
        from open_clip.tokenizer import SimpleTokenizer

        from ...datasets.classes import read_classes
        classes = read_classes(
            classes if isinstance(classes, str) else list(classes))
        templates = self.templates if templates is None else \
            _read_templates(templates)
        length = self.tower.context_length
        tokenizer = SimpleTokenizer(context_length=length)
        # not format: a template may have other braces as well
        prompts = [template.replace('{}', name) for template in templates
                   for name in classes]
        codes = [tuple(tokenizer.encode(prompt)) for prompt in prompts]
        for prompt, code in zip(prompts, codes):
            if len(code) + 2 > length:
                raise ValueError(
                    f'{prompt!r} is {len(code) + 2} tokens long, the text '
                    f'tower takes {length}: shorten the class name or the '
                    'template')
        first = {}
        for name, code in zip(classes, codes):
            if first.setdefault(code, name) != name:
                raise ValueError(
                    f'class names {first[code]!r} and {name!r} are the same '
                    'to the text tower, which knows no capitals and no '
                    'double spaces: rename one')
        # inference tensors do not count their changes
        with torch.inference_mode(False):
            self.tokens = tokenizer(prompts).to(
                self.tower.positional_embedding.device)
        self.classes, self.templates = classes, templates

    def train(self, mode: bool = True) -> CLIPText:
        """Set the mode; a frozen tower stays in eval mode.

        Args:
            mode: Whether to train. Defaults to True.

        Returns:
            The module itself.
        """
        super().train(mode)
        if self.frozen:
            self.tower.eval()
        else:  # hooks exchange weights through .data before a validation
            self._cache = None
        return self

    def forward(self) -> Tensor:
        """Text features of the classes.

        Returns:
            F_text (K, E), not normalised.
        """
        fixed = self.frozen or not (self.training or torch.is_grad_enabled())
        return self._cached() if fixed else self._encode()

    def _cached(self) -> Tensor:
        used = [self.tokens, *self.tower.parameters()]
        stamps = [_stamp(x) for x in used]
        if self._cache is None or self._cache[1] != stamps:
            with torch.inference_mode(False), torch.no_grad(), \
                    full_precision(self.tokens.device):
                # it holds what was used: no other tensor may get its id
                self._cache = used, stamps, self._encode()
        return self._cache[2]

    def _encode(self) -> Tensor:
        features = self.tower(self.tokens)
        if len(self.templates) == 1:
            return features
        features = features.unflatten(0, (len(self.templates), -1))
        length = features.norm(dim=-1, keepdim=True).mean(0)
        mean = F.normalize(features, dim=-1).mean(0)
        return F.normalize(mean, dim=-1) * length

    def __getstate__(self) -> dict[str, Any]:
        return dict(super().__getstate__(), _cache=None)


def _keep_out_of_graphs() -> None:
    CLIPText._cached = torch.compiler.disable(CLIPText._cached)


# a decorator would import torch's compiler, a second in which nobody compiles
after('torch._dynamo', _keep_out_of_graphs)


def _read_templates(templates: str | Sequence[str]) -> list[str]:
    """Templates of a list or a file, each with one ``{}``."""
    if not isinstance(templates, str):
        found = list(templates)
    elif osp.isfile(templates):
        with open(templates, encoding='utf-8') as file:
            found = [line.strip() for line in file if line.strip()]
    else:
        found = [templates]
    wrong = [template for template in found if template.count('{}') != 1]
    if wrong or not found:
        raise ValueError(
            (f'template {wrong[0]!r} needs one {{}} for the class name'
             if wrong else f'no template in {templates!r}')
            + ': give templates like "a video of {}", or a file with one a '
            'line')
    return found


def _stamp(tensor: Tensor) -> tuple[object, ...]:
    """What differs if a tensor was changed in place, moved or replaced."""
    # load_state_dict and optimizers write in place and count up _version
    version = None if tensor.is_inference() else tensor._version
    return (id(tensor), version, tensor.data_ptr(), tensor.dtype,
            tensor.device)

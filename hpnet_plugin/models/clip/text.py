"""Text tower of CLIP (Radford et al., ICML 2021), arXiv 2103.00020."""
import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import QuickGELU, TextTransformer
from torch import nn
from torch.nn import functional as F

from .arch import clip_arch


@MODELS.register_module()
class CLIPText(BaseModule):
    """Text features of the class names, F_text (Eq. 6), by open_clip.

    While the tower is frozen they are computed once, in float32, and again
    when the class names, the weights or the device change.

    Args:
        classes (str | Sequence[str]): Class names in label order: a list, a
            file with a name a line, or one of the benchmarks' names; see
            :func:`hpnet_plugin.datasets.classes.class_names`.
        arch (str | dict): See :func:`clip_arch`. Defaults to ``'ViT-B-16'``.
        templates (str | Sequence[str]): Prompts with one ``{}`` each, or a
            file with one a line. Of several, the features are averaged as
            open_clip's zero-shot classifier does, each normalised before;
            the result keeps their mean length. Defaults to the name itself,
            as HP-Net and X-CLIP have it.
        frozen (bool): Whether the tower is left as it is. Defaults to True.
        quick_gelu (bool): OpenAI's and X-CLIP's weights need it. Defaults to
            True.
        init_cfg (dict, optional): Of mmengine's ``BaseModule``.

    Attributes:
        classes (list[str]): Class names.
        embed_dim (int): E.

    Raises:
        ValueError: If a template has not one ``{}``, or a prompt is too long.
    """

    def __init__(self,
                 classes,
                 arch='ViT-B-16',
                 templates=('{}', ),
                 frozen=True,
                 quick_gelu=True,
                 init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        sizes = clip_arch(arch)
        self.embed_dim = sizes['embed_dim']
        cfg = dict(dict(context_length=77, vocab_size=49408, width=512,
                        heads=8, layers=12), **sizes['text_cfg'])
        self.tower = TextTransformer(
            output_dim=self.embed_dim,
            act_layer=QuickGELU if quick_gelu else nn.GELU, **cfg)
        self.frozen = frozen
        if frozen:
            self.tower.requires_grad_(False).eval()
        self.register_buffer('tokens', None, persistent=False)
        self._cache = None
        self.set_classes(classes, templates)

    def set_classes(self, classes, templates=None):
        """Take other class names, for zero-shot or few-shot evaluation.

        Args:
            classes (str | Sequence[str]): As above.
            templates (str | Sequence[str], optional): As above. Defaults to
                None: those that are there.
        """
        from ...datasets.classes import class_names
        self.classes = class_names(classes)
        if isinstance(templates, str) and '{}' not in templates:
            with open(templates, encoding='utf-8') as file:
                templates = [line.strip() for line in file if line.strip()]
        if templates is not None:
            self.templates = [templates] if isinstance(templates, str) \
                else list(templates)
        for template in self.templates:
            if template.count('{}') != 1:
                raise ValueError(f'template {template!r} needs one {{}} '
                                 'for the class name')
        length = self.tower.context_length
        tokenizer = SimpleTokenizer(context_length=length)
        prompts = [template.format(name) for template in self.templates
                   for name in self.classes]
        for prompt in prompts:
            number = len(tokenizer.encode(prompt)) + 2
            if number > length:
                raise ValueError(f'{prompt!r} is {number} tokens long, the '
                                 f'text tower takes {length}')
        device = self.tower.positional_embedding.device
        self.tokens = tokenizer(prompts).to(device)

    def train(self, mode=True):
        """A frozen tower stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.tower.eval()
        return self

    def forward(self):
        """Text features of the classes.

        Returns:
            Tensor: F_text (K, E), not normalised.
        """
        return self._cached() if self.frozen else self._encode()

    @torch.compiler.disable
    def _cached(self):
        weights = list(self.tower.parameters())
        # in-place changes, those of load_state_dict too, count up _version
        state = (self.tokens, self.tokens._version, weights[0].dtype,
                 weights[0].device, [w._version for w in weights])
        if self._cache is None or self._cache[0][0] is not state[0] or \
                self._cache[0][1:] != state[1:]:
            with torch.inference_mode(False), torch.no_grad(), \
                    torch.autocast(self.tokens.device.type, enabled=False):
                self._cache = state, self._encode()
        return self._cache[1]

    def _encode(self):
        features = self.tower(self.tokens)
        if len(self.templates) == 1:
            return features
        features = features.unflatten(0, (len(self.templates), -1))
        length = features.norm(dim=-1, keepdim=True).mean(0)
        mean = F.normalize(features, dim=-1).mean(0)
        return F.normalize(mean, dim=-1) * length

    def __getstate__(self):
        return dict(self.__dict__, _cache=None)

"""X-CLIP as Microsoft published it, and its towers, which are CLIP's."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmaction.registry import MODELS
from torch import Tensor, nn

from .kind import LOAD_FROM, Kind, count_blocks

# CLIP models that OpenAI released and X-CLIP builds on
ARCHS = ('ViT-B-32', 'ViT-B-16', 'ViT-L-14', 'ViT-L-14-336')
# names in HP-Net that no file of CLIP or X-CLIP has
HPNET_PARTS = ('topology.*', 'cls_head.fusion.*', 'cls_head.classifiers.*')

CLIP_RULES = {
    r'(visual\..+)': r'backbone.\1',
    r'((?:transformer|token_embedding|ln_final)\..+)': r'text.tower.\1',
    r'(positional_embedding|text_projection)': r'text.tower.\1',
    r'logit_scale': 'cls_head.logit_scale',
}
XCLIP_RULES = {**CLIP_RULES, r'(mit\..+)': r'backbone.\1'}
CLIP_NEEDS = ('visual.conv1.weight', 'visual.positional_embedding',
              'visual.proj', 'visual.transformer.resblocks.0.ln_1.weight',
              'transformer.resblocks.0.ln_1.weight', 'positional_embedding',
              'token_embedding.weight')
XCLIP_NEEDS = (*CLIP_NEEDS, 'mit.positional_embedding',
               'mit.resblocks.0.ln_1.weight')


def clip_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Sizes of CLIP's towers, by open_clip's names.

    Args:
        state: Weights. Heads have 64 channels, as in all of :data:`ARCHS`.

    Returns:
        The config of open_clip's model.
    """
    width, _, patch, _ = state['visual.conv1.weight'].shape
    patches = len(state['visual.positional_embedding']) - 1
    length, text_width = state['positional_embedding'].shape
    return dict(
        embed_dim=state['visual.proj'].shape[1],
        vision_cfg=dict(
            image_size=math.isqrt(patches) * patch,
            layers=count_blocks(
                state, r'visual\.transformer\.resblocks\.(\d+)'),
            width=width,
            patch_size=patch),
        text_cfg=dict(
            context_length=length,
            vocab_size=len(state['token_embedding.weight']),
            width=text_width,
            heads=text_width // 64,
            layers=count_blocks(state, r'transformer\.resblocks\.(\d+)')))


def xclip_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of a recogniser with the sizes of CLIP's or X-CLIP's weights.

    Args:
        state: The weights.

    Returns:
        Of the model's config.
    """
    import open_clip
    sizes = clip_sizes(state)
    arch = next((name for name in ARCHS
                 if open_clip.get_model_config(name) == sizes), sizes)
    backbone: dict[str, Any] = dict(arch=arch)
    options = dict(backbone=backbone, text=dict(arch=arch))
    if 'mit.positional_embedding' in state:
        backbone.update(
            num_frames=state['mit.positional_embedding'].shape[1],
            mit_layers=count_blocks(state, r'mit\.resblocks\.(\d+)'))
    if 'prompts_visual_proj' in state:
        options['prompts'] = dict(
            type='VideoPrompts',
            layers=count_blocks(state, r'prompts_generator\.decoder\.(\d+)'))
    return options


def build_recognizer(options: Mapping[str, Any]) -> nn.Module:
    """The recogniser that is to load CLIP, X-CLIP or HP-Net.

    Args:
        options: Of its config.

    Returns:
        The model.
    """
    head = options.get('cls_head', dict(num_classes=1))
    classes = [str(n) for n in range(head['num_classes'])]
    return MODELS.build(
        dict(
            type='XCLIPRecognizer',
            backbone=dict(type='XCLIPVision', **options['backbone']),
            text=dict(type='CLIPText', classes=classes, **options['text']),
            topology=options.get('topology'),
            prompts=options.get('prompts'),
            cls_head=dict(type='TRMMHead', **head)))


KIND = Kind(
    what='X-CLIP',
    rules={
        **XCLIP_RULES,
        r'prompts_generator\.(.+)': r'prompts.\1',
        r'prompts_(visual_.+)': r'prompts.\1',
    },
    left_out={
        'prompts_.+': 'video-specific prompts, which HP-Net does without; '
        '--prompts keeps them'
    },
    needs=XCLIP_NEEDS,
    options=xclip_options,
    build=build_recognizer,
    fresh=HPNET_PARTS,
    use=LOAD_FROM)

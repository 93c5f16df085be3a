"""CLIP of OpenAI or open_clip, by file or by model and tag."""
from __future__ import annotations

import difflib
from typing import Any

from .kind import LOAD_FROM, ConversionError, Kind
from .xclip_weights import (
    CLIP_NEEDS,
    CLIP_RULES,
    HPNET_PARTS,
    build_recognizer,
    xclip_options,
)

KIND = Kind(
    what='CLIP of OpenAI or open_clip',
    rules=CLIP_RULES,
    left_out={
        'input_resolution|context_length|vocab_size': 'sizes, no weights',
        r'(.+\.)?attn_mask': 'the causal mask, a constant',
    },
    needs=CLIP_NEEDS,
    options=xclip_options,
    build=build_recognizer,
    fresh=('backbone.visual.transformer.resblocks.*.message_*',
           'backbone.mit.*', *HPNET_PARTS),
    use=LOAD_FROM)


def download_clip(name: str) -> tuple[str, dict[str, Any]]:
    """Download a model of open_clip.

    Only its file: open_clip would run what it loads, see
    :mod:`hpnet_plugin.conversion.torchscript`.

    Args:
        name: ``MODEL:TAG``, such as ``ViT-B-16:openai``.

    Returns:
        The file, and the options of both towers.

    Raises:
        ConversionError: If open_clip knows no such model and tag.
    """
    import open_clip
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg
    model, tag = name.split(':', 1)
    sizes = open_clip.get_model_config(model)
    source = get_pretrained_cfg(model, tag)
    if not sizes or not source:
        known = [f'{m}:{t}' for m, t in open_clip.list_pretrained()]
        close = difflib.get_close_matches(name, known, 3, 0.3)
        raise ConversionError(
            f'{name}: no such file, and open_clip knows no such model and '
            f'tag; the closest are {close}')
    gelu = source.get('quick_gelu', sizes.get('quick_gelu', False))
    return download_pretrained(source), dict(arch=model, quick_gelu=gelu)

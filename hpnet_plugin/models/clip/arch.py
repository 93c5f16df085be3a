"""Sizes of the towers, as open_clip's own config classes."""
from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from open_clip import CLIPTextCfg, CLIPVisionCfg

# what else open_clip's configs may set makes another network: poolers, layer
# scale, tokenizers
VISION = ('layers', 'width', 'head_width', 'mlp_ratio', 'patch_size',
          'image_size')
TEXT = ('context_length', 'vocab_size', 'width', 'heads', 'layers',
        'mlp_ratio')


def clip_arch(arch: str | dict[str, Any]
              ) -> tuple[int, CLIPVisionCfg, CLIPTextCfg]:
    """Sizes of a CLIP model.

    Args:
        arch: Name of one of open_clip's models, or a dict of the form of its
            model configs: ``embed_dim``, ``vision_cfg`` and ``text_cfg``.

    Returns:
        Channels E of the embedding, and open_clip's configs of both towers.

    Raises:
        ValueError: If open_clip has no such model, or it is not built of
            OpenAI's plain ViT and text transformer.
    """
    import open_clip
    if isinstance(arch, str):
        name, sizes = repr(arch), open_clip.get_model_config(arch)
        if sizes is None:
            close = difflib.get_close_matches(
                arch, open_clip.list_models(), 3, 0.3)
            raise ValueError(f'open_clip has no model {arch!r}; the closest '
                             f'are {close}')
    else:
        name, sizes = 'of the config', arch
    missing = {'embed_dim', 'vision_cfg', 'text_cfg'} - set(sizes)
    if missing:
        raise ValueError(f'arch {name} lacks {sorted(missing)}, it has '
                         f'{sorted(sizes)}')
    other = sorted({*sizes['vision_cfg']} - {*VISION} |
                   {*sizes['text_cfg']} - {*TEXT})
    layers = sizes['vision_cfg'].get('layers')
    if other or isinstance(layers, (list, tuple)):
        raise ValueError(
            f'arch {name} is not a CLIP of a plain ViT and text transformer: '
            + (f'it has {other}' if other else
               f'layers of its image tower are {layers}')
            + '. Take one like ViT-B-16, ViT-B-32, ViT-L-14 or ViT-L-14-336')
    return (sizes['embed_dim'], open_clip.CLIPVisionCfg(**sizes['vision_cfg']),
            open_clip.CLIPTextCfg(**sizes['text_cfg']))

"""Sizes of the towers, by open_clip's names."""
import difflib

VISION = dict(
    layers=12, width=768, head_width=64, patch_size=16, image_size=224,
    mlp_ratio=4.)
TEXT = dict(
    context_length=77, vocab_size=49408, width=512, heads=8, layers=12,
    mlp_ratio=4.)


def clip_arch(arch: str | dict) -> dict:
    """Sizes of a CLIP model.

    Args:
        arch: Name of one of open_clip's models, or a dict of
            the form of its model configs: ``embed_dim``, ``vision_cfg`` and
            ``text_cfg``.

    Returns:
        dict: Of that form, with open_clip's defaults filled in.

    Raises:
        ValueError: If open_clip has no such model, or it is not built of
            OpenAI's plain ViT and text transformer.
    """
    import open_clip
    name, sizes = 'of the config', arch
    if isinstance(arch, str):
        name, sizes = repr(arch), open_clip.get_model_config(arch)
        if sizes is None:
            close = difflib.get_close_matches(
                arch, open_clip.list_models(), 3, 0.3)
            raise ValueError(f'open_clip has no model {arch!r}; the closest '
                             f'are {close}')
    missing = {'embed_dim', 'vision_cfg', 'text_cfg'} - set(sizes)
    if missing:
        raise ValueError(f'arch {name} lacks {sorted(missing)}, it has '
                         f'{sorted(sizes)}')
    # what is not a size is another network: poolers, layer scale, tokenizers
    other = sorted({*sizes['vision_cfg']} - {*VISION} |
                   {*sizes['text_cfg']} - {*TEXT})
    vision = dict(VISION, **sizes['vision_cfg'])
    if other or not isinstance(vision['layers'], int):
        raise ValueError(
            f'arch {name} is not a CLIP of a plain ViT and text transformer: '
            + (f'it has {other}' if other else
               f'layers of its image tower are {vision["layers"]}')
            + '. Take one like ViT-B-16, ViT-B-32, ViT-L-14 or ViT-L-14-336')
    return dict(embed_dim=sizes['embed_dim'], vision_cfg=vision,
                text_cfg=dict(TEXT, **sizes['text_cfg']))

"""Sizes of the towers, by open_clip's names."""
import difflib


def clip_arch(arch):
    """Sizes of a CLIP model.

    Args:
        arch (str | dict): Name of one of open_clip's models, or a dict of
            the form of its model configs: ``embed_dim``, ``vision_cfg`` and
            ``text_cfg``.

    Returns:
        dict: Of that form.

    Raises:
        ValueError: If open_clip has no such model, or it is no plain ViT.
    """
    import open_clip
    name, sizes = arch, arch
    if isinstance(arch, str):
        sizes = open_clip.get_model_config(arch)
        if sizes is None:
            known = open_clip.list_models()
            close = difflib.get_close_matches(arch, known, 3, 0.3)
            raise ValueError(f'open_clip has no model {arch!r}; the closest '
                             f'are {close}')
    missing = {'embed_dim', 'vision_cfg', 'text_cfg'} - set(sizes)
    vision, text = sizes.get('vision_cfg', {}), sizes.get('text_cfg', {})
    if missing or not isinstance(vision.get('layers', 12), int) or \
            'timm_model_name' in vision or 'hf_model_name' in text:
        raise ValueError(
            f'arch {name} is no CLIP with a ViT of its own'
            + (f': it lacks {sorted(missing)}' if missing else ''))
    return sizes

"""The config that a changed config means, and where its results go."""
from __future__ import annotations

import os.path as osp
import re
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ..own_files import short_name
from .checks import refuse_unknown_keys
from .compose import RECIPES, changed_settings, recompose


def current_config(cfg: dict | Config) -> Config:
    """A config in which changed settings have taken effect.

    Args:
        cfg: A config, with whatever was changed in it.

    Returns:
        The same, composed anew if settings were changed. Its work
        folder is then called after them too, if it was called after the
        config's file.

    Raises:
        SettingError: If a setting does not exist or cannot be.
        ConfigError: If a key is misspelt.
    """
    cfg = cfg if isinstance(cfg, Config) else Config(cfg)
    before = cfg.to_dict()
    refuse_unknown_keys(before)
    after = recompose(before)
    if after is before:
        return cfg
    default = _default_work_dir(cfg.filename)
    if default and osp.normpath(after.get('work_dir') or '') == default:
        after['work_dir'] = default + _suffix(changed_settings(before))
    return Config(after, filename=cfg.filename)


def _default_work_dir(filename: str | None) -> str | None:
    """Where mmaction2's tools put what a config makes."""
    if not filename:
        return None
    return osp.join('work_dirs', osp.splitext(osp.basename(filename))[0])


def _suffix(changed: Mapping[str, Any]) -> str:
    """Names of what was changed, for a folder's name.

    Not of the epochs: a longer run continues where a shorter one ended.
    """
    words = []
    for name in sorted(changed, key=_ORDER.index):
        value = changed[name]
        if name == 'data_root' and value:
            words.append(osp.basename(osp.normpath(value)))
        elif name != 'epochs':
            words.append(f'{name}{value}' if isinstance(value, int)
                         else short_name(str(value)))
    return ''.join('_' + re.sub(r'[^\w.@-]+', '_', word).strip('_')
                   for word in words)


_ORDER = ['recipe', *dict.fromkeys(
    name for recipe in RECIPES.values() for name in recipe.defaults())]

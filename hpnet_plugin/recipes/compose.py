"""From settings to a config, and to another one when settings change."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ..facts import Facts
from ..own_files import OwnFileError
from . import hpnet, posec3d, released, streams
from .merge import merge3, own, same
from .settings import (
    Recipe,
    SettingError,
    Source,
    checked,
    find_facts,
    resolved,
)

if TYPE_CHECKING:
    from .reading import ConfigLike

# A new recipe is registered here, by its module.
RECIPES: dict[str, Recipe] = {
    **streams.RECIPES, **hpnet.RECIPES, **posec3d.RECIPES, **released.RECIPES}


def compose(recipe: str, **settings: Any) -> dict[str, Any]:
    """Make a config.

    Args:
        recipe: ``'stream'``, ``'hpnet'``, … : a key of ``RECIPES``.
        **settings: Of this recipe; see its entry.

    Returns:
        The config, all but what ``configs/_base_/default_runtime.py``
        holds. ``recipe`` and the settings are keys of it; a setting that is
        None is the dataset's. ``composed`` records what it was made with.

    Raises:
        SettingError: If a setting does not exist or cannot be.
    """
    settings = checked(RECIPES, recipe, settings)
    return _compose(recipe, settings, find_facts(settings))


def _compose(recipe: str, settings: Mapping[str, Any],
             source: Source) -> dict[str, Any]:
    facts, stored, benchmark = source
    try:
        config = RECIPES[recipe].build(
            resolved(settings, facts, stored), facts)
    except OwnFileError as error:
        raise SettingError(str(error)) from error
    quiet = [name for name in RECIPES[recipe].checks
             if settings[name] == RECIPES[recipe].settings[name][0]]
    record = dict({name: value for name, value in settings.items()
                   if name not in quiet}, recipe=recipe, benchmark=benchmark)
    # a benchmark's facts are found by its name
    composed = dict(record, facts=asdict(facts) if stored else None)
    # default_runtime.py has load_from as well, which would seem to be a
    # change made by hand
    return own({'load_from': None, **config, **record, 'composed': composed})


def recompose(config: dict[str, Any]) -> dict[str, Any]:
    """Follow the settings that were changed since a config was composed.

    The config is composed anew with them, and what else was changed by hand
    is laid over the result: dicts are merged key by key, anything else is
    replaced as a whole. ``train_cfg.max_epochs`` counts as the setting
    ``epochs``.

    Args:
        config: A config, whole.

    Returns:
        The config that its settings describe; the same dict if none
        was changed or it was not composed.

    Raises:
        SettingError: If a setting does not exist or cannot be.
    """
    record = config.get('composed')
    if not record:
        return config
    recipe = record['recipe']
    record, source = _composed_of(record)
    old = _compose(recipe, record, source)
    changed = changed_settings(config)
    epochs = (config.get('train_cfg') or {}).get('max_epochs')
    if 'epochs' not in changed and 'epochs' in record and epochs not in (
            None, old['train_cfg']['max_epochs']):
        changed['epochs'] = epochs
    if not changed:
        return config
    wanted = changed.pop('recipe', recipe)
    kept = {name: value for name, value in record.items()
            if wanted in RECIPES and name in RECIPES[wanted].defaults()}
    settings = checked(RECIPES, wanted, {**kept, **changed})
    new = _compose(wanted, settings, find_facts(settings, source.facts))
    record = new['composed']
    return {**merge3(old, config, new), 'composed': record,
            **{name: record[name] for name in record if name != 'facts'}}


def as_composed(config: ConfigLike) -> dict[str, Any] | None:
    """What a config was before anything was changed in it by hand.

    Args:
        config: A config, whole.

    Returns:
        The config; None if it was not composed.

    Raises:
        SettingError: If its settings cannot be.
    """
    record = config.get('composed')
    if not record:
        return None
    recipe = record['recipe']
    return _compose(recipe, *_composed_of(record))


def model_settings(config: ConfigLike) -> dict[str, Any]:
    """Settings that give the same model on another dataset.

    Args:
        config: A config, whole.

    Returns:
        What the config's own dataset said of people, frames, features
        and size; empty if the config was not composed.

    Raises:
        SettingError: If its settings cannot be.
    """
    record = config.get('composed')
    if not record:
        return {}
    settings, source = _composed_of(record)
    found = resolved(settings, source.facts, source.stored)
    taps = found['taps']
    if taps:
        found['tap'] = taps[0] if len(taps) == 1 else list(taps)
    return {name: found[name] for name in
            ('people', 'frames', 'size', 'schedule', 'tap')
            if name in settings and found.get(name) is not None}


def _composed_of(record: Mapping[str, Any]) -> tuple[dict[str, Any], Source]:
    """Settings of a record of a composed config, and its dataset."""
    record = dict(record)
    facts = record.pop('facts')
    settings = checked(RECIPES, record.pop('recipe'), record)
    source = Source(_recorded(facts), True, settings.get('benchmark')) \
        if facts else find_facts(settings)
    return settings, source


def changed_settings(config: ConfigLike) -> dict[str, Any]:
    """Settings of a config that are not those that it was composed with.

    Args:
        config: The config.

    Returns:
        Name to value; empty if it was not composed.
    """
    record = config.get('composed')
    if not record:
        return {}
    recipe = RECIPES.get(record['recipe'])
    # those of its recipe that it has not are at their default
    record = {**(recipe.defaults() if recipe else {}), **record}
    return {name: config[name] for name, value in record.items()
            if name != 'facts' and name in config
            and not same(config[name], value)}


def _recorded(facts: Mapping[str, Any]) -> Facts:
    """The facts as they were when the config was composed."""
    known = {field.name for field in fields(Facts)}
    values = {key: value for key, value in facts.items() if key in known}
    if values['classes'] is not None:
        values['classes'] = tuple(values['classes'])
    return Facts(**values)

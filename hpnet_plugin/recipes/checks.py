"""What a config says against itself and against its dataset folder."""
from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..datasets.clips import count
from ..facts import Facts, FactsError, benchmark_facts
from .compose import RECIPES
from .reading import PHASES, folder_datasets, graph_net_of, num_classes, walk
from .settings import read_folder

if TYPE_CHECKING:
    from .reading import ConfigLike

# what mmengine's Runner and mmaction2's tools read, beside what is composed
RUNNER_KEYS = (
    'model', 'work_dir', 'train_dataloader', 'val_dataloader',
    'test_dataloader', 'train_cfg', 'val_cfg', 'test_cfg', 'auto_scale_lr',
    'optim_wrapper', 'param_scheduler', 'val_evaluator', 'test_evaluator',
    'default_hooks', 'custom_hooks', 'data_preprocessor', 'load_from',
    'resume', 'launcher', 'env_cfg', 'log_processor', 'log_level',
    'visualizer', 'vis_backends', 'default_scope', 'randomness',
    'experiment_name', 'custom_imports', 'runner_type', 'sync_bn', 'compile',
    'model_wrapper_cfg', 'find_unused_parameters', 'tta_model',
    'tta_pipeline')
RESEMBLANCE = 0.85  # of two keys, one of which must be misspelt


class ConfigError(ValueError):
    """A config that says two things; the message names both."""


def refuse_unknown_keys(config: ConfigLike) -> None:
    """Raise an error if a key of a config is a known one misspelt.

    Settings of other recipes are refused as well: they would do nothing.

    Args:
        config: The config.

    Raises:
        ConfigError: Names the key, and the closest.
    """
    record = config.get('composed') or {}
    recipe = RECIPES.get(record.get('recipe', ''))
    known = {*RUNNER_KEYS, *record, *(recipe.defaults() if recipe else ()),
             'composed'} - {'facts'}
    foreign = set()
    if record:
        foreign = {name for recipe in RECIPES.values()
                   for name in recipe.defaults()} - known
    for key in config:
        if key in foreign:
            raise ConfigError(
                f'{key}: recipe {record["recipe"]!r} has no such setting, '
                f'it has {", ".join(sorted(set(record) - {"facts"}))}')
        if key not in known and not key.startswith('_'):
            close = difflib.get_close_matches(key, known, 1, RESEMBLANCE)
            if close:
                raise ConfigError(
                    f'{key}: there is no such key, and it would be ignored; '
                    f'the closest is {close[0]!r}. Call a variable of your '
                    'own something else')


def refuse_disagreements(config: ConfigLike,
                         phases: Iterable[str] = PHASES) -> None:
    """Raise an error if a config disagrees with itself or with its folder.

    Args:
        config: The config.
        phases: Whose datasets are looked at.

    Raises:
        ConfigError: Names every disagreement, with both values.
    """
    found = disagreements(config, phases)
    if found:
        raise ConfigError('this config does not fit its data:\n- '
                          + '\n- '.join(found))


def disagreements(config: ConfigLike,
                  phases: Iterable[str] = PHASES) -> list[str]:
    """Where a config disagrees with itself or with its dataset folder.

    Args:
        config: A config on ``PoseDataset`` or ``PooledDataset``;
            others are not looked at. Folders that are not there are passed
            over: see :func:`~hpnet_plugin.recipes.inputs.missing_inputs`.
        phases: Whose datasets are looked at.

    Returns:
        A sentence for each.
    """
    found = _of_people(config, phases) + _of_blending(config)
    for dataset in folder_datasets(config, phases):
        root = dataset.get('data_root') or ''
        try:
            facts = read_folder(root)
        except FileNotFoundError:
            continue
        except FactsError as error:
            found.append(str(error))
            continue
        found += _of_classes(config, facts)
        people = _persons(dataset)
        if config.get('composed') and people and people > facts.people:
            found.append(
                f'{root} holds {count(facts.people, "person", "people")} a '
                f'clip, the config reads {people}: set people={facts.people}')
    return list(dict.fromkeys(found))


def _persons(dataset: Mapping[str, Any]) -> int | None:
    """People that a pipeline gives to the graph network."""
    for step in walk(dataset['pipeline']):
        if step['type'] == 'FormatPooledInput':
            return step.get('num_person')
    return None


def _of_people(config: ConfigLike, phases: Iterable[str]) -> list[str]:
    net = graph_net_of(config)
    expected = net.get('num_person')
    return [
        f'FormatPooledInput has num_person={people}, {net["type"]} has '
        f'num_person={expected}: change both by people={people}'
        for people in map(_persons, folder_datasets(config, phases))
        if people and expected and people != expected]


def _of_blending(config: ConfigLike) -> list[str]:
    blending = (config['model'].get('data_preprocessor') or {}).get('blending')
    there = (blending or {}).get('num_classes')
    here = num_classes(config)
    if there is None or here is None or there == here:
        return []
    return [f'model.data_preprocessor.blending has num_classes={there}, '
            f'model.cls_head has {here}']


def _of_classes(config: ConfigLike, facts: Facts) -> list[str]:
    here = num_classes(config)
    if facts.classes is None or here is None:
        return []
    there, root = len(facts.classes), facts.folder
    named = facts.classes != tuple(map(str, range(there)))
    # without names, the highest label is all that is known
    if there > here or named and there < here:
        return [f'{root} has {there} classes, model.cls_head.num_classes is '
                f'{here}: set data_root={root}, which sets it, or '
                f'model.cls_head.num_classes={there}']
    names = class_names_of(config)
    if not named or names is None:
        return []
    if len(names) != there:
        return [f'{root} has {there} classes, the config has names of '
                f'{len(names)}: set data_root={root}, which sets both']
    for label, (mine, its) in enumerate(zip(names, facts.classes)):
        if mine != its:
            return [f'class {label} is {its!r} in {root} and {mine!r} in the '
                    f'config: set data_root={root}, which takes the '
                    "folder's names, or correct the folder's classes"]
    return []


def class_names_of(config: ConfigLike) -> Sequence[str] | None:
    """Class names that a config was made for.

    Args:
        config: The config.

    Returns:
        Names in label order; None if nothing says them.
    """
    text = config['model'].get('text')
    if text:
        from ..datasets.classes import read_classes
        try:
            return read_classes(text['classes'])
        except ValueError:
            return None  # the text tower will say it
    record = config.get('composed')
    if not record:
        return None
    if record['facts']:
        return record['facts']['classes']
    if not record.get('benchmark'):
        return None
    return benchmark_facts(record['benchmark']).classes

"""Settings: their names, their values, and what follows from them."""
from __future__ import annotations

import functools
import os
import os.path as osp
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ..benchmark_files import benchmark_key, closest
from ..facts import FILE, Facts, FactsError, benchmark_facts, read_facts
from ..own_files import is_own_name
from ..remote import is_url
from .schedules import SCHEDULES

SIZES = ('full', 'small')
# settings of every recipe; None: what the facts say
COMMON = dict(
    benchmark='ntu120',
    data_root=None,
    size=None,
    schedule=None,
    epochs=None,
    people=None,
    frames=None,
    tap=None)


class SettingError(ValueError):
    """A setting that does not exist or cannot be; the message says why."""


class Recipe(NamedTuple):
    """How configs of one family are made.

    Attributes:
        build (Callable): Makes the config of *settings* and *facts*. The
            settings are those of the recipe, and the common ones without any
            None: ``people``, ``frames``, ``size``, ``schedule``, ``taps``
            (tuple of names, that of the facts unless ``tap`` says others)
            and ``channels`` (int, of these taps together). Only ``epochs``
            may be None: the schedule knows its own.
        settings (dict): The recipe's own settings, name to a tuple of
            allowed values, the default first.
        takes (tuple[str, ...]): Those of ``COMMON`` that it takes.
        own (tuple[str, ...]): Those of ``settings`` that may also be a name
            in a file of the user's own, ``FILE.py:NAME``.
        checks (dict): Those of ``settings`` that no tuple can list, to a
            function of the value that raises a ``SettingError``. A config
            has them only where they are not the default, so that one that
            was made before they were there is the same.
    """
    build: Callable[[Mapping[str, Any], Facts], dict[str, Any]]
    settings: dict[str, tuple] = {}
    takes: tuple[str, ...] = tuple(COMMON)
    own: tuple[str, ...] = ()
    checks: dict[str, Callable[[Any], object]] = {}

    def defaults(self) -> dict[str, Any]:
        """Every setting with its default.

        Returns:
            Name to value; None is what the dataset says.
        """
        return {**{name: values[0] for name, values in self.settings.items()},
                **{name: COMMON[name] for name in self.takes}}


def class_names(facts: Facts) -> tuple[str, ...]:
    """Class names of a dataset.

    Args:
        facts: The dataset.

    Returns:
        Names in label order.

    Raises:
        SettingError: If it has no labels, so that nothing can be trained.
    """
    if facts.classes is None:
        raise SettingError(f'{facts.folder} has no labels')
    return facts.classes


def checked(recipes: Mapping[str, Recipe], recipe: str,
            given: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting, of those that are given.

    Args:
        recipes: Name to recipe.
        recipe: The recipe's name.
        given: Settings; the others have their defaults.

    Returns:
        All settings of the recipe.

    Raises:
        SettingError: If there is no such recipe, setting or value.
    """
    if recipe not in recipes:
        raise SettingError(f'no recipe {recipe!r}' + closest(recipe, recipes))
    entry = recipes[recipe]
    settings = entry.defaults()
    for name, value in given.items():
        if name not in settings:
            raise SettingError(f'recipe {recipe!r} has no setting {name!r}'
                               + closest(name, settings))
        allowed = entry.settings.get(name) or _ALLOWED.get(name)
        if name in entry.own and is_own_name(value):
            allowed = None
        if name in entry.checks:
            entry.checks[name](value)
            allowed = None
        if allowed and value not in allowed and (
                value is not None or name in entry.settings):
            own = ', or FILE.py:NAME of a file of your own' \
                if name in entry.own else ''
            raise SettingError(f'{name}={value!r}: there is no such {name}'
                               + closest(str(value), map(str, allowed)) + own)
        if name in ('people', 'frames', 'epochs') and value is not None and (
                not isinstance(value, int) or value < 1):
            raise SettingError(f'{name}={value!r}: give a whole number, 1 or '
                               'more')
        settings[name] = value
    return settings


_ALLOWED = dict(size=SIZES, schedule=SCHEDULES)


class Source(NamedTuple):
    """What a config is made from.

    Attributes:
        facts (Facts): The dataset.
        stored (bool): Whether the facts are those of a folder that is there,
            so that no other features can be had.
        benchmark (str, optional): The setting ``benchmark``, if anything was
            taken from it.
    """
    facts: Facts
    stored: bool
    benchmark: str | None


def find_facts(settings: Mapping[str, Any],
               known: Facts | None = None) -> Source:
    """The facts that a config is made from.

    Those of the dataset folder where ``data_root`` names one, else those of
    the benchmark. A folder that is not there yet is taken for the
    benchmark's. A folder that holds the benchmark keeps the benchmark's
    choice of splits: one folder serves all protocols.

    Args:
        settings: Settings of a recipe.
        known: What the config was made from before; a
            folder without labels keeps its classes.

    Returns:
        The facts, and where they come from.

    Raises:
        SettingError: If neither a benchmark nor a folder is given, or there
            is no such benchmark.
        FactsError: If the folder's facts are damaged.
        RemoteError: If the folder is at a URL and cannot be fetched.
    """
    name, root = settings.get('benchmark'), settings.get('data_root')
    try:
        benchmark = benchmark_facts(name) if name else None
    except FactsError as error:
        raise SettingError(f'benchmark={name!r}: {error}') from None
    name = name and benchmark_key(name)
    if not root:
        if benchmark is None:
            raise SettingError('give data_root=FOLDER, a dataset folder of '
                               'hpnet extract, or benchmark=NAME')
        return Source(benchmark, False, name)
    if is_url(root):
        from ..mirrors import local_folder
        root = local_folder(root)
    try:
        facts = replace(read_folder(root), folder=root)
    except FileNotFoundError as error:
        if benchmark is None:
            raise SettingError(f'data_root={root!r}: {error}') from None
        return Source(replace(benchmark, folder=root), False, name)
    if facts.classes is None:
        return _unlabelled(facts, known or benchmark, name)
    if benchmark and facts.benchmark and facts.classes == benchmark.classes \
            and set(benchmark.use.values()) <= set(facts.splits):
        return Source(
            replace(benchmark, folder=root, taps=facts.taps,
                    people=facts.people, splits=facts.splits), True, name)
    return Source(facts, True, None)


def _unlabelled(facts: Facts, source: Facts | None,
                name: str | None) -> Source:
    """A folder for predictions, with the classes of what it is tested by."""
    if source is None or source.classes is None:
        raise SettingError(
            f'data_root={facts.folder!r} has no labels, and no benchmark '
            'says what its classes are')
    return Source(replace(facts, classes=source.classes), True, name)


def read_folder(root: str) -> Facts:
    """Facts of a dataset folder, read again only if it has changed.

    Args:
        root: The folder.

    Returns:
        Its facts.

    Raises:
        FileNotFoundError: If it is no dataset folder.
        FactsError: If its facts are damaged.
    """
    stamps = tuple(_stamp(osp.join(root, name))
                   for name in (FILE, 'annotations.pkl', 'classes.txt'))
    return _read_folder(root, osp.abspath(root), stamps)


@functools.lru_cache(8)
def _read_folder(root: str, place: str, stamps: tuple) -> Facts:
    return read_facts(root)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def resolved(settings: Mapping[str, Any], facts: Facts,
             stored: bool) -> dict[str, Any]:
    """Settings without None, as a recipe's function takes them.

    Args:
        settings: All settings of a recipe.
        facts: The dataset.
        stored: Whether the facts are those of a folder that is there,
            so that no other taps can be had.

    Returns:
        See :class:`Recipe`.

    Raises:
        SettingError: If there is no such tap.
    """
    found = dict(settings)
    for name in ('people', 'frames', 'size'):
        if found.get(name) is None:
            found[name] = getattr(facts, name)
    if found.get('schedule') is None:
        fitting = facts.schedule if facts.schedule != 'small' else 'short'
        found['schedule'] = 'small' if found['size'] == 'small' else fitting
    tap = found.get('tap')
    if tap is None:
        found['taps'] = tuple(facts.taps)[:1]
    else:
        found['taps'] = (tap, ) if isinstance(tap, str) else tuple(tap)
    found['widths'] = tuple(
        _channels(name, facts, stored) for name in found['taps'])
    found['channels'] = sum(found['widths'])
    return found


def _channels(tap: str, facts: Facts, stored: bool) -> int:
    """Channels of a tap; tap@3 and tap@5 have those of the tap."""
    for name in (tap, *(() if stored else (tap.split('@')[0], ))):
        if name in facts.taps:
            return facts.taps[name]
    where = facts.folder if stored else facts.name
    raise SettingError(f'tap={tap!r}: {where} has no such features'
                       + closest(tap, facts.taps))

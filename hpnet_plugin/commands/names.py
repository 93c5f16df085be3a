"""What ``hpnet train NAME`` means: a config, and settings of it."""
from __future__ import annotations

import difflib
import os.path as osp
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..config_text import OTHER_FORMATS, refuse_other_formats
from ..own_files import is_own_name, short_name
from ..places import configs_folder
from ..recipes import RECIPES

# parts of configs that are no configs themselves
PARTS = ('_base_', 'pose', 'detectors')
# folders of recipes for any dataset, whose names begin with the folder
FAMILIES = ('small', )


class UnknownNameError(ValueError):
    """A name that stands for no config; the message has the closest."""


class Named(NamedTuple):
    """A config.

    Attributes:
        path (str): The file.
        name (str): What folders of its results are called after.
        settings (dict): What the name says of the recipe: its stream.
        recipe (str, optional): The recipe of a generic config.
    """
    path: str
    name: str
    settings: Mapping[str, Any] = {}
    recipe: str | None = None


def short_names() -> dict[str, tuple[str, dict[str, Any]]]:
    """Names of recipes and streams, to the recipe and what they set of it."""
    names = {recipe: (recipe, {}) for recipe in RECIPES
             if recipe != 'stream' and not recipe.startswith('released')}
    for stream in RECIPES['stream'].settings['stream']:
        names[stream] = 'stream', dict(stream=stream)
    return names


def config_files() -> dict[str, Path]:
    """Names of this package's config files, without suffix, to the files."""
    folder = configs_folder()
    return {path.stem: path for path in sorted(folder.rglob('*.py'))
            if not {*PARTS, *FAMILIES} & set(path.relative_to(folder).parts)}


def family_files() -> dict[str, Path]:
    """Names such as ``'small/hp_j'`` to the files."""
    folder = configs_folder()
    return {f'{family}/{path.stem}': path for family in FAMILIES
            for path in sorted((folder / family).glob('*.py'))}


def find_config(name: str) -> Named:
    """The config that a name stands for.

    Args:
        name: A short name (``'hp_j'``, ``'hpnet'``, ``'small/hp_j'``), or
            ``'FILE.py:KIND_j'``, a stream of one's own; the name of one
            of this package's config files; a path; or
            ``'mmaction::PATH'``, a config of an installed package.

    Raises:
        UnknownNameError: If it stands for none.
        UnreadableConfigError: If it is a file of YAML or JSON, or has one
            as its base.
    """
    stem = Path(name).stem
    if name.endswith(('.py', *OTHER_FORMATS)) and osp.isfile(name):
        refuse_other_formats(name)
        return Named(name, stem)
    if '::' in name:
        return Named(_installed(name), stem)
    if is_own_name(name):
        return Named(str(configs_folder() / 'stream.py'), short_name(name),
                     dict(stream=name), 'stream')
    short = short_names()
    if name in short:
        recipe, settings = short[name]
        return Named(str(configs_folder() / f'{recipe}.py'), name, settings,
                     recipe)
    families = family_files()
    if name in families:
        return Named(str(families[name]), name.replace('/', '_'),
                     recipe='stream')
    files = config_files()
    if stem in files and osp.basename(name) in (stem, f'{stem}.py'):
        return Named(str(files[stem]), stem)
    close = difflib.get_close_matches(stem, [*short, *files], 4, .5)
    close += difflib.get_close_matches(name, [*families], 2, .8)
    raise UnknownNameError(
        f'{name}: neither a file, nor a config of this package, nor one of '
        f'{", ".join(short)}'
        + (f'; closest: {", ".join(close)}' if close else ''))


def _installed(name: str) -> str:
    """File of a config of an installed package, such as mmaction's."""
    package, path = name.split('::', 1)
    spec = find_spec(package)
    if spec is None or not spec.origin:
        raise UnknownNameError(f'{name}: there is no package {package}')
    folder = Path(spec.origin).parent / '.mim/configs'
    if not path.endswith('.py'):
        path += '.py'
    if (folder / path).is_file():
        return str(folder / path)
    known = [file.relative_to(folder).as_posix()
             for file in folder.rglob('*.py')]
    close = difflib.get_close_matches(path, known, 3, .5)
    raise UnknownNameError(
        f'{name}: {folder} has no such config'
        + (f'; closest: {", ".join(close)}' if close else ''))

"""A study as a file: what is trained, on which folds, and what is compared.

::

    title: Pose and pooled features
    data_root: data/mine        # a dataset folder of hpnet extract
    clips:                      # how a clip's name tells its group
      pattern: '_s(?P<group>\\d+)_.*_l(?P<variant>\\d+)'
    # or, beside this file, a JSON object of clip to group, or to
    # {"group": …, "variant": …, "take": …}
    #  file: groups.json
    variants: {train: [0], test: [0, 1]}
    folds: [[6, 7], [1, 2], [4]]   # groups that are tested
    held_back: {groups: [3, 5], variants: [2]}
    seeds: 3                    # 0, 1, 2; or a list
    fractions: [10, 25, 50, 100]   # percent of the training clips
    options: size=small         # of every row
    rows:
    - name: pose
      options: stream=pose_j    # settings and --cfg-options of a recipe
    - name: features
      options: stream=hp_j
      cost: one pose net more   # shown as it is
      final: true               # may be run on what is held back
    - name: both
      sum: [pose, features]     # their scores, added
    compare:
    - [features, pose]          # gain of the first over the second
"""
from __future__ import annotations

import os.path as osp
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..benchmark_files import closest

KEYS = ('title', 'data_root', 'clips', 'variants', 'folds', 'held_back',
        'seeds', 'fractions', 'options', 'rows', 'compare')
NEEDED = ('data_root', 'clips', 'folds', 'rows')
ROW_KEYS = ('name', 'recipe', 'options', 'sum', 'cost', 'final')
WHOLE = 100  # percent


class StudyError(ValueError):
    """A study that cannot be made; the message says why."""


@dataclass(frozen=True)
class StudyRow:
    """A row of a study: what is trained, or the sum of other rows.

    Attributes:
        name: Of the table, and of the folder of its runs.
        recipe: A recipe of :mod:`hpnet_plugin.recipes`.
        options: ``--cfg-options``, settings of the recipe among them.
        sum: Names of the rows whose scores are added.
        cost: What it costs beside its training, in words.
        final: Whether it may be run on what is held back.
    """
    name: str
    recipe: str = 'stream'
    options: tuple[str, ...] = ()
    sum: tuple[str, ...] = ()
    cost: str = ''
    final: bool = False

    @property
    def stem(self) -> str:
        """Its name as that of a folder."""
        return re.sub(r'[^\w.+=@-]+', '_', self.name)


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes:
        path: The file.
        title: What is compared.
        data_root: The dataset folder.
        pattern: Regular expression that finds group and variant in a name.
        groups_file: A JSON file that says them instead.
        train_variants: Variants that train; none of names without variants.
        test_variants: Variants that test.
        folds: Groups that are tested, a fold each.
        held_groups: Groups of no fold.
        held_variants: Variants of no fold.
        seeds: Of the trainings.
        fractions: Percents of the training clips, ascending, 100 the last.
        rows: In order.
        compare: Names of two rows each.
    """
    path: Path
    title: str
    data_root: str
    pattern: str | None
    groups_file: str | None
    train_variants: tuple[str, ...]
    test_variants: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    held_groups: tuple[str, ...]
    held_variants: tuple[str, ...]
    seeds: tuple[int, ...]
    fractions: tuple[int, ...]
    rows: tuple[StudyRow, ...]
    compare: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> StudyRow:
        """A row by its name."""
        return next(row for row in self.rows if row.name == name)

    def trained(self, row: StudyRow) -> list[StudyRow]:
        """The rows that are trained for a row.

        Args:
            row: Any row.

        Returns:
            Itself, or those that it is the sum of.
        """
        if not row.sum:
            return [row]
        return list(dict.fromkeys(
            part for name in row.sum for part in self.trained(self[name])))


def plain(value: object) -> str:
    """A group or a variant as it is compared: 3, '3' and '03' are one.

    Args:
        value: Of a YAML or JSON file, or of a clip's name.

    Returns:
        Text; numbers without zeros before them.
    """
    text = str(value).strip()
    return str(int(text)) if text.isdecimal() else text


def read_study(path: str | Path, data_root: str | None = None) -> Study:
    """Read a study file.

    Args:
        path: The file.
        data_root: Another dataset folder than it says.

    Returns:
        The study.

    Raises:
        StudyError: If it is not as it should be; names the key, what was
            found and what is expected.
        OSError: If it cannot be read.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise StudyError(f'{path} is no YAML file: {error}') from None
    check = _Check(str(path))
    check.keys(content, 'the study', KEYS, NEEDED)
    clips = content['clips']
    check.keys(clips, 'clips', ('pattern', 'file'))
    check(len(clips) == 1, 'clips', clips, 'either pattern or file')
    variants = content.get('variants') or {}
    check.keys(variants, 'variants', ('train', 'test'),
               ('train', 'test') if variants else ())
    held = content.get('held_back') or {}
    check.keys(held, 'held_back', ('groups', 'variants'),
               ('groups',) if held else ())
    rows = _rows(check, content)
    study = Study(
        path=path,
        title=check.text(content, 'title', path.stem),
        data_root=data_root or check.text(content, 'data_root', ''),
        pattern=_pattern(check, clips.get('pattern'), bool(variants)),
        groups_file=clips.get('file') and osp.join(
            path.parent, check.text(clips, 'file', '')),
        train_variants=check.names(variants.get('train', []),
                                   'variants.train'),
        test_variants=check.names(variants.get('test', []), 'variants.test'),
        folds=_folds(check, content['folds']),
        held_groups=check.names(held.get('groups', []), 'held_back.groups'),
        held_variants=check.names(held.get('variants', []),
                                  'held_back.variants'),
        seeds=_seeds(check, content.get('seeds', 1)),
        fractions=_fractions(check, content.get('fractions', [WHOLE])),
        rows=rows,
        compare=_compare(check, content.get('compare', []), rows))
    _refuse_overlap(check, study)
    return study


class _Check:
    """Raises a StudyError that names the file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, right: object, key: str, found: object,
                 expected: str) -> None:
        if not right:
            raise StudyError(f'{self.path}: {key} is {found!r:.80}; expected '
                             f'{expected}')

    def keys(self, item: Any, what: str, known: tuple[str, ...],
             needed: tuple[str, ...] = ()) -> None:
        self(isinstance(item, dict), what, item,
             f'a mapping with keys such as {known[0]}')
        for key in item:
            if key not in known:
                raise StudyError(f'{self.path}: {what} has no key {key!r}'
                                 + closest(str(key), known))
        for key in needed:
            if key not in item:
                raise StudyError(f'{self.path}: {what} lacks {key!r}')

    def text(self, item: Mapping, key: str, default: str) -> str:
        value = item.get(key, default)
        self(isinstance(value, str) and (value or default == value), key,
             value, 'a text')
        return value

    def words(self, value: Any, key: str) -> list[str | int]:
        self(isinstance(value, list) and all(
            isinstance(one, (str, int)) and not isinstance(one, bool)
            for one in value), key, value, 'a list of names or numbers')
        return value

    def names(self, value: Any, key: str) -> tuple[str, ...]:
        found = tuple(map(plain, self.words(value, key)))
        self(len(set(found)) == len(found), key, value, 'each name once')
        return found


def _pattern(check: _Check, pattern: Any, variants: bool) -> str | None:
    if pattern is None:
        return None
    expected = 'a regular expression with (?P<group>…)' + \
        ' and (?P<variant>…)' * variants
    check(isinstance(pattern, str), 'clips.pattern', pattern, expected)
    try:
        named = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise StudyError(f'{check.path}: clips.pattern {pattern!r} is no '
                         f'regular expression ({error})') from None
    check('group' in named and ('variant' in named) == variants,
          'clips.pattern', pattern,
          expected + ' and variants: {train: …, test: …}'
          * (not variants and 'variant' in named))
    return pattern


def _folds(check: _Check, folds: Any) -> tuple[tuple[str, ...], ...]:
    check(isinstance(folds, list) and folds, 'folds', folds,
          'a list of lists of groups, such as [[1, 2], [3]]')
    found = tuple(check.names(fold, f'fold {i}')
                  for i, fold in enumerate(folds, 1))
    check(all(found), 'folds', folds, 'at least one group a fold')
    return found


def _seeds(check: _Check, seeds: Any) -> tuple[int, ...]:
    if type(seeds) is int:
        seeds = list(range(seeds))
    check(isinstance(seeds, list) and seeds and len(set(map(str, seeds)))
          == len(seeds) and all(type(s) is int and s >= 0 for s in seeds),
          'seeds', seeds, 'a number of seeds, or a list of them')
    return tuple(seeds)


def _fractions(check: _Check, fractions: Any) -> tuple[int, ...]:
    check(isinstance(fractions, list) and all(
        type(part) is int and 0 < part <= WHOLE for part in fractions)
        and WHOLE in fractions and len(set(fractions)) == len(fractions),
        'fractions', fractions, 'whole percents, 100 among them')
    return tuple(sorted(fractions))


def _options(check: _Check, value: Any, key: str) -> tuple[str, ...]:
    check(isinstance(value, (str, list)), key, value,
          "KEY=VALUE …, such as 'stream=hp_j size=small'")
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise StudyError(f'{check.path}: {key} is {value!r} ({error})'
                         ) from None
    for word in words:
        check(isinstance(word, str) and re.match(r'[\w.]+=', word), key,
              word, 'KEY=VALUE')
        name = word.partition('=')[0]
        check(name not in ('data_root', 'benchmark', 'work_dir'), key, word,
              'no other dataset or folder: the study says them')
    return tuple(words)


def _rows(check: _Check, content: Mapping) -> tuple[StudyRow, ...]:
    common = _options(check, content.get('options', ''), 'options')
    check(isinstance(content['rows'], list) and content['rows'], 'rows',
          content['rows'], 'a list of rows')
    rows: dict[str, StudyRow] = {}
    for item in content['rows']:
        check.keys(item, 'a row', ROW_KEYS, ('name',))
        name = str(item['name'])
        key = f'row {name!r}'
        parts = tuple(map(str, check.words(item.get('sum', []),
                                          f'sum of {key}')))
        check(name.strip() and name.isprintable(), 'name', name, 'a name')
        check(name not in rows, 'name', name, 'a name that no row has')
        check(bool(parts) != ('options' in item), key, item,
              'either options, which are trained, or sum')
        check(not parts or 'recipe' not in item, key, item,
              'no recipe of a sum')
        for part in parts:
            check(part in rows, f'sum of {key}', part, 'a row above it')
        check(type(item.get('final', False)) is bool, f'final of {key}',
              item.get('final'), 'true or false')
        rows[name] = StudyRow(
            name, check.text(item, 'recipe', 'stream'), () if parts else (
                *common, *_options(check, item['options'],
                                   f'options of {key}')),
            parts, check.text(item, 'cost', ''), item.get('final', False))
    stems = [row.stem.lower() for row in rows.values()]
    check(len(set(stems)) == len(stems), 'names of rows', [*rows],
          'names that differ in letters or digits')
    return tuple(rows.values())


def _compare(check: _Check, pairs: Any, rows: tuple[StudyRow, ...]
             ) -> tuple[tuple[str, str], ...]:
    check(isinstance(pairs, list), 'compare', pairs, 'pairs of rows')
    known = [row.name for row in rows]
    found = []
    for pair in pairs:
        check(isinstance(pair, list) and len(pair) == 2, 'a pair of compare',
              pair, 'two names of rows')
        for name in map(str, pair):
            if name not in known:
                raise StudyError(f'{check.path}: compare names {name!r}, '
                                 'which is no row' + closest(name, known))
        found.append((str(pair[0]), str(pair[1])))
    return tuple(found)


def _refuse_overlap(check: _Check, study: Study) -> None:
    """A group is tested once, and what is held back by no fold."""
    tested = [group for fold in study.folds for group in fold]
    for group in tested:
        check(tested.count(group) == 1, 'folds', [*study.folds],
              f'group {group!r} in one fold')
        check(group not in study.held_groups, 'folds', [*study.folds],
              f'no group that is held back, as {group!r} is')
    for key in ('train', 'test'):
        for variant in getattr(study, f'{key}_variants'):
            check(variant not in study.held_variants, f'variants.{key}',
                  variant, 'no variant that is held back')
    check(not study.held_variants or study.train_variants,
          'held_back.variants', [*study.held_variants],
          'variants: {train: …, test: …} beside it')

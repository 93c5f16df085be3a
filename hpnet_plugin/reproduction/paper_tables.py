"""The paper's tables as data: rows, the numbers it prints, what makes them.

A table is a folder of ``configs/ablations`` with a ``table.yml``::

    title: What the table compares
    benchmarks:             # the first is the default
      ntu120: {metric: top1}
    weights: {hpnet: 6}     # of rows in a fusion, 1 if not named; or
                            # "published": those of the benchmark's facts
    softmax: [hpnet]        # rows that are fused as probabilities
    rows:
      - id: hp_j            # a recipe and its settings; a setting may differ
        name: HPJ           # by benchmark: tap: {ntu120: …, nw_ucla: …}
        recipe: stream
        settings: {stream: hp_j, net: ctrgcn}
        published: {ntu120: 86.1}
      - id: film            # what no setting says, as --cfg-options do
        recipe: hpnet
        options: {model.cls_head.fusion.type: FiLM}
      - id: both            # scores of other rows, added
        fuse: [hp_j, hp_b]
      - id: writing         # one class of another row
        of: hp_j
        class: 12           # number from 1, or name
      - id: dark            # another row on a list of clips
        of: hp_j
        clips: FILE
      - id: parameters      # parameters, M, or multiply-adds, G
        recipe: …
        cost: parameters    # or macs
      - id: pixels          # another way to the number of a row above
        recipe: …
        published: hp_j
      - id: other           # only published

    per_class:              # many rows of "of" and "class" in short
      - benchmark: ntu120
        rows: [pose_j, hp_j]
        published: {12: [64.0, 71.3]}
        also: {pixels: pose_j}  # beside the numbers of another
"""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import basename
from pathlib import Path
from typing import Any

import yaml

from ..benchmark_files import benchmark_key
from ..facts import benchmark_facts

ROMAN = {f'{ten * "X"}{one}': 10 * ten + unit
         for ten in (0, 1)
         for unit, one in enumerate(('', 'I', 'II', 'III', 'IV', 'V', 'VI',
                                     'VII', 'VIII', 'IX'))
         if 10 * ten + unit}
METRICS = ('top1', 'top5', 'mean_class_accuracy')
TABLE_KEYS = {'title', 'note', 'benchmarks', 'weights', 'softmax', 'rows',
              'per_class'}
ROW_KEYS = {'id', 'name', 'recipe', 'settings', 'options', 'published',
            'fuse', 'of', 'class', 'clips', 'cost', 'benchmarks'}
COSTS = ('parameters', 'macs')
PUBLISHED = 'published'
Item = Mapping[str, Any]  # of the file


class TableError(ValueError):
    """A table that cannot be used; the message says why."""


@dataclass(frozen=True)
class Row:
    """A row of a table, for one benchmark.

    Attributes:
        id: Name in the table.
        name: What it shows.
        published: The paper's number, of the table's
            ``reference``.
        beside: Id of the row whose number that is, if the
            paper does not have this one.
        recipe: A recipe of :mod:`hpnet_plugin.recipes`.
        settings: Of the recipe, ``benchmark`` among them.
        options: Dotted keys of the config to values.
        fuse: Id, weight and whether it is fused as probability,
            of each row that is added.
        of: Id of the row that is looked at.
        label: Its class, from 0 or by name.
        clips: File of the clips that are looked at, in the
            table's folder.
        cost: One of ``COSTS``.
    """
    id: str
    name: str
    published: float | None = None
    beside: str | None = None
    recipe: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    fuse: tuple[tuple[str, float, bool], ...] = ()
    of: str | None = None
    label: int | str | None = None
    clips: str | None = None
    cost: str | None = None

    @property
    def stem(self) -> str:
        """A name of the training, the same for the same training."""
        settings = dict(self.settings)
        parts = [settings.pop(key) for key in ('stream', 'volumes', 'net')
                 if key in settings]
        if self.recipe != 'stream':
            parts.insert(0, self.recipe)
        benchmark = settings.pop('benchmark', None)
        if 'data_root' in settings:
            settings['data_root'] = basename(settings['data_root'])
        changes = [
            f'{key.rpartition(".")[2]}-{_text(value).strip("[]")}'
            for key, value in (*settings.items(), *self.options.items())]
        stem = '_'.join(map(str, [*parts, benchmark, *changes]))
        return ''.join(c if c.isalnum() or c in '._-@' else '-' for c in stem)

    @property
    def arguments(self) -> tuple[str, ...]:
        """``--cfg-options`` that make it of its recipe."""
        return tuple(f'{key}={_text(value)}' for key, value in (
            *self.settings.items(), *self.options.items()))


@dataclass(frozen=True)
class Table:
    """A table for one benchmark.

    Attributes:
        number: Of the paper.
        title: What it compares.
        note: What one must know to read it.
        benchmark: One of those that the table has.
        benchmarks: All of them.
        reference: The benchmark that the published numbers are of: the
            same where the paper has it, else the table's first.
        metric: One of ``METRICS``.
        rows: In order.
        folder: Where it is from.
    """
    number: int
    title: str
    note: str
    benchmark: str
    benchmarks: tuple[str, ...]
    reference: str
    metric: str
    rows: tuple[Row, ...]
    folder: Path

    def __getitem__(self, row: str) -> Row:
        """By its id."""
        return next(r for r in self.rows if r.id == row)


def table_number(name: str | int) -> int:
    """The number of a table.

    Args:
        name: ``'9'``, ``'IX'`` or ``'table09'``.

    Returns:
        1 or more.

    Raises:
        TableError: If it is none of these.
    """
    text = str(name).strip().upper().removeprefix('TABLE').strip('_ ')
    if text in ROMAN:
        return ROMAN[text]
    if text.isdecimal():
        return int(text)
    raise TableError(f'{name!r} names no table: say 9, IX or table09')


def list_tables(configs: str | Path) -> dict[int, Path]:
    """The tables that there are.

    Args:
        configs: The folder of configs.

    Returns:
        Number to folder, in order of the numbers.
    """
    folders = sorted(Path(configs, 'ablations').glob('table[0-9][0-9]'))
    return {int(folder.name[5:]): folder for folder in folders
            if (folder / 'table.yml').is_file()}


def read_table(configs: str | Path, name: str | int,
               benchmark: str | None = None) -> Table:
    """Read a table.

    Args:
        configs: The folder of configs.
        name: See :func:`table_number`.
        benchmark: Defaults to the table's first.

    Returns:
        For that benchmark.

    Raises:
        TableError: If there is no such table or benchmark, or the file is not
            as it should be; names what is wrong.
    """
    tables, number = list_tables(configs), table_number(name)
    if number not in tables:
        raise TableError(f'there is no table {name}; there are '
                         f'{", ".join(map(str, tables))}')
    path = tables[number] / 'table.yml'
    with open(path, encoding='utf-8') as file:
        content = yaml.safe_load(file)
    _check_keys(path, content, TABLE_KEYS, ('title', 'benchmarks', 'rows'))
    known = content['benchmarks']
    benchmark = benchmark_key(benchmark or next(iter(known)))
    if benchmark not in known:
        raise TableError(f'table {number} has no benchmark {benchmark!r}; it '
                         f'has {", ".join(known)}')
    metric = known[benchmark]['metric']
    if metric not in METRICS:
        raise TableError(f'{path}: metric must be one of {METRICS}, '
                         f'got {metric!r}')
    items = {}
    for item in content['rows']:
        _check_keys(path, item, ROW_KEYS, ('id', ))
        if item['id'] in items:
            raise TableError(f'{path}: ids of rows must be unique, '
                             f'{item["id"]!r} is not')
        items[item['id']] = item
    reference = benchmark if _is_published(content, benchmark) else \
        next(iter(known))
    weights = _weights(content, benchmark)
    rows = [_row(path, items, item, benchmark, reference, weights,
                 content.get('softmax', ()))
            for item in items.values()
            if benchmark in item.get('benchmarks', known)]
    rows += _per_class(content, rows, benchmark)
    ids = {row.id for row in rows}
    for row in rows:
        for other in (*(part for part, _, _ in row.fuse), row.of):
            if other is not None and other not in ids:
                raise TableError(f'{path}: row {row.id!r} is made of '
                                 f'{other!r}, which is no row')
    return Table(number, content['title'], content.get('note', '').strip(),
                 benchmark, tuple(known), reference, metric, tuple(rows),
                 path.parent)


def _is_published(content: Item, benchmark: str) -> bool:
    numbers = [item['published'] for item in content['rows']
               if isinstance(item.get('published'), dict)]
    return any(benchmark in found for found in numbers) or any(
        block['benchmark'] == benchmark
        for block in content.get('per_class', ()))


def _weights(content: Item, benchmark: str) -> Mapping[str, float]:
    weights = content.get('weights', {})
    return benchmark_facts(benchmark).fusion if weights == PUBLISHED \
        else weights


def _row(path: Path, items: Mapping[str, Item], item: Item, benchmark: str,
         reference: str, weights: Mapping[str, float],
         softmax: Collection[str]) -> Row:
    """A row as the file has it, for a benchmark."""
    cost = item.get('cost')
    if cost is not None and cost not in COSTS:
        raise TableError(f'{path}: cost of row {item["id"]!r} must be one of '
                         f'{COSTS}, got {cost!r}')
    published, beside = item.get('published', {}), None
    if isinstance(published, str):
        beside, published = published, items.get(published, {}).get(
            'published')
        if not isinstance(published, dict):
            raise TableError(f'{path}: row {item["id"]!r} has the number of '
                             f'{beside!r}, which has none')
    settings = {key: _of_benchmark(value, benchmark) for key, value in
                item.get('settings', {}).items()}
    if item.get('recipe'):
        settings['benchmark'] = benchmark
    label = item.get('class')
    return Row(
        id=item['id'],
        name=item.get('name', item['id']),
        published=published.get(reference),
        beside=beside,
        recipe=item.get('recipe'),
        settings=settings,
        options=item.get('options', {}),
        fuse=tuple((part, float(weights.get(part, 1)), part in softmax)
                   for part in item.get('fuse', ())),
        of=item.get('of'),
        label=label - 1 if isinstance(label, int) else label,
        clips=item.get('clips'),
        cost=cost)


def _of_benchmark(value: object, benchmark: str) -> object:
    return value[benchmark] if isinstance(value, dict) else value


def _per_class(content: Item, rows: list[Row],
               benchmark: str) -> Iterator[Row]:
    """Rows of single classes, written in short."""
    names = {row.id: row.name for row in rows}
    for block in content.get('per_class', ()):
        if block['benchmark'] != benchmark:
            continue
        for label, numbers in block['published'].items():
            found = dict(zip(block['rows'], numbers))
            beside = block.get('also', {})
            for of in (*found, *beside):
                yield Row(
                    id=f'{of}:{label}', name=f'{label}, {names.get(of, of)}',
                    published=found[beside.get(of, of)],
                    beside=of in beside and f'{beside[of]}:{label}' or None,
                    of=of,
                    label=label - 1 if isinstance(label, int) else label)


def _text(value: object) -> str:
    """A value as ``--cfg-options`` takes it."""
    return f'[{",".join(map(str, value))}]' \
        if isinstance(value, (list, tuple)) else str(value)


def _check_keys(path: Path, item: Item, allowed: set[str],
                needed: Sequence[str]) -> None:
    for key in needed:
        if not isinstance(item, dict) or key not in item:
            raise TableError(f'{path}: {item!r:.60} has no {key!r}')
    unknown = sorted(set(item) - allowed)
    if unknown:
        raise TableError(f'{path}: unknown keys {unknown} in '
                         f'{item.get("id", "the table")!r}; known are '
                         f'{sorted(allowed)}')

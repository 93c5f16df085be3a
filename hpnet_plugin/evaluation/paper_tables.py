"""The paper's tables as data: rows, the numbers it prints, what makes them.

A table is a folder of ``configs/ablations`` with a ``table.yml``::

    title: What the table compares
    benchmarks:             # the first is the default
      ntu120: {metric: top1}
    weights: {hpnet: 6}     # of rows in a fusion, 1 if not named; or a
                            # number a benchmark: {hpnet: {ntu120: 6}}
    softmax: [hpnet]        # rows that are fused as probabilities
    rows:
      - id: hpj             # a config, {benchmark} filled in; below configs/
        name: HPJ
        config: streams/{benchmark}/hpj_ctrgcn_{benchmark}.py
        published: {ntu120: 86.1}
      - id: both            # scores of other rows, added
        fuse: [hpj, hpb]
      - id: writing         # one class of another row
        of: hpj
        class: 12           # number from 1, or name
      - id: dark            # another row on a list of clips
        of: hpj
        clips: FILE
      - id: parameters      # parameters, M, or multiply-adds, G
        config: …
        cost: parameters    # or macs
      - id: other           # only published

    per_class:              # many rows of "of" and "class" in short
      - benchmark: ntu120
        rows: [pose_j, hpj]
        published: {12: [64.0, 71.3]}
"""
from dataclasses import dataclass
from pathlib import Path

import yaml

ROMAN = {f'{ten * "X"}{one}': 10 * ten + unit
         for ten in (0, 1)
         for unit, one in enumerate(('', 'I', 'II', 'III', 'IV', 'V', 'VI',
                                     'VII', 'VIII', 'IX'))
         if 10 * ten + unit}
METRICS = ('top1', 'top5', 'mean_class_accuracy')
TABLE_KEYS = {'title', 'note', 'benchmarks', 'weights', 'softmax', 'rows',
              'per_class'}
ROW_KEYS = {'id', 'name', 'config', 'published', 'fuse', 'of', 'class',
            'clips', 'cost', 'benchmarks'}
COSTS = ('parameters', 'macs')


class TableError(ValueError):
    """A table that cannot be used; the message says why."""


@dataclass(frozen=True)
class Row:
    """A row of a table, for one benchmark.

    Attributes:
        id (str): Name in the table.
        name (str): What it shows.
        published (float, optional): The paper's number, of the table's
            ``reference``.
        config (str, optional): Config below ``configs/``.
        fuse (tuple[tuple]): Id, weight and whether it is fused as
            probability, of each row that is added.
        of (str, optional): Id of the row that is looked at.
        label (int | str, optional): Its class, from 0 or by name.
        clips (str, optional): File of the clips that are looked at, in the
            table's folder.
        cost (str, optional): One of ``COSTS``.
    """
    id: str
    name: str
    published: float | None = None
    config: str | None = None
    fuse: tuple = ()
    of: str | None = None
    label: int | str | None = None
    clips: str | None = None
    cost: str | None = None


@dataclass(frozen=True)
class Table:
    """A table for one benchmark.

    Attributes:
        number (int): Of the paper.
        title (str): What it compares.
        note (str): What one must know to read it.
        benchmark (str): One of those that the table has.
        benchmarks (tuple[str]): All of them.
        reference (str): The benchmark that the published numbers are of:
            the same where the paper has it, else the table's first.
        metric (str): One of ``METRICS``.
        rows (tuple[Row]): In order.
        folder (Path): Where it is from.
    """
    number: int
    title: str
    note: str
    benchmark: str
    benchmarks: tuple
    reference: str
    metric: str
    rows: tuple
    folder: Path

    def __getitem__(self, row):
        """Row: By its id."""
        return next(r for r in self.rows if r.id == row)


def table_number(name):
    """int: ``'9'``, ``'IX'`` or ``'table09'`` as a number.

    Raises:
        TableError: If it is none of these.
    """
    text = str(name).strip().upper().removeprefix('TABLE').strip('_ ')
    if text in ROMAN:
        return ROMAN[text]
    if text.isdecimal():
        return int(text)
    raise TableError(f'{name!r} names no table: say 9, IX or table09')


def list_tables(configs):
    """dict[int, Path]: Numbers and folders of the tables that there are."""
    folders = sorted(Path(configs, 'ablations').glob('table[0-9][0-9]'))
    return {int(folder.name[5:]): folder for folder in folders
            if (folder / 'table.yml').is_file()}


def read_table(configs, name, benchmark=None):
    """Read a table.

    Args:
        configs (str): The folder of configs.
        name (str): See :func:`table_number`.
        benchmark (str, optional): Defaults to the table's first.

    Returns:
        Table: For that benchmark.

    Raises:
        TableError: If there is no such table or benchmark, or the file is
            not as it should be; names what is wrong.
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
    benchmark = benchmark or next(iter(known))
    if benchmark not in known:
        raise TableError(f'table {number} has no benchmark {benchmark!r}; it '
                         f'has {", ".join(known)}')
    metric = known[benchmark]['metric']
    if metric not in METRICS:
        raise TableError(f'{path}: metric must be one of {METRICS}, '
                         f'got {metric!r}')
    blocks = [block['benchmark'] for block in content.get('per_class', ())]
    reference = benchmark if benchmark in blocks or any(
        benchmark in item.get('published', {}) for item in content['rows']) \
        else next(iter(known))
    rows = [_row(path, content, item, benchmark, reference)
            for item in content['rows']
            if benchmark in item.get('benchmarks', known)]
    rows += _per_class(content, rows, benchmark)
    ids = [row.id for row in rows]
    for row in rows:
        for other in (*(part for part, _, _ in row.fuse), row.of):
            if other is not None and other not in ids:
                raise TableError(f'{path}: row {row.id!r} is made of '
                                 f'{other!r}, which is no row')
    if len(set(ids)) < len(ids):
        raise TableError(f'{path}: ids of rows must be unique, got {ids}')
    return Table(number, content['title'], content.get('note', '').strip(),
                 benchmark, tuple(known), reference, metric, tuple(rows),
                 path.parent)


def _row(path, content, item, benchmark, reference):
    _check_keys(path, item, ROW_KEYS, ('id', ))
    cost = item.get('cost')
    if cost is not None and cost not in COSTS:
        raise TableError(f'{path}: cost of row {item["id"]!r} must be one of '
                         f'{COSTS}, got {cost!r}')
    config, label = item.get('config'), item.get('class')
    softmax = content.get('softmax', ())
    return Row(
        id=item['id'],
        name=item.get('name', item['id']),
        published=item.get('published', {}).get(reference),
        config=config and config.format(benchmark=benchmark),
        fuse=tuple((part, _weight(content, part, benchmark), part in softmax)
                   for part in item.get('fuse', ())),
        of=item.get('of'),
        label=label - 1 if isinstance(label, int) else label,
        clips=item.get('clips'),
        cost=cost)


def _weight(content, part, benchmark):
    weight = content.get('weights', {}).get(part, 1.)
    if isinstance(weight, dict):
        weight = weight.get(benchmark, weight.get('default', 1.))
    return float(weight)


def _per_class(content, rows, benchmark):
    """Rows of single classes, written in short."""
    names = {row.id: row.name for row in rows}
    for block in content.get('per_class', ()):
        if block['benchmark'] != benchmark:
            continue
        for label, numbers in block['published'].items():
            for of, number in zip(block['rows'], numbers):
                yield Row(
                    id=f'{of}:{label}', name=f'{label}, {names.get(of, of)}',
                    published=number, of=of,
                    label=label - 1 if isinstance(label, int) else label)


def _check_keys(path, item, allowed, needed):
    for key in needed:
        if not isinstance(item, dict) or key not in item:
            raise TableError(f'{path}: {item!r:.60} has no {key!r}')
    unknown = sorted(set(item) - allowed)
    if unknown:
        raise TableError(f'{path}: unknown keys {unknown} in '
                         f'{item.get("id", "the table")!r}; known are '
                         f'{sorted(allowed)}')

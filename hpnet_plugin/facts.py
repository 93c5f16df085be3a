"""What a dataset is: the facts of a folder, or of a benchmark.

A dataset folder holds its facts in ``dataset.json``, which extraction,
preparation and imports write. A benchmark's facts stand in one file of the
same keys, ``hpnet_plugin/datasets/benchmarks/NAME.json`` (its keys:
:mod:`hpnet_plugin.benchmark_files`). Configs are made from them
(:mod:`hpnet_plugin.recipes`), and nothing else says them again.
"""
from __future__ import annotations

import dataclasses
import json
import os.path as osp
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .benchmark_files import (
    RENAMED,
    FactsError,
    benchmark_key,
    closest,
    read_benchmark,
    read_classes,
    read_json,
    shipped_benchmarks,
)
from .files import write_whole

__all__ = ['Facts', 'FactsError', 'Download', 'benchmark_facts',
           'benchmark_names', 'folder_classes', 'read_facts',
           'read_record', 'where_to_get', 'write_facts']

FILE = 'dataset.json'
FORMAT, VERSION = 'hpnet_plugin dataset', 1
PARTS = ('train', 'val', 'test')
SCHEDULES = ('paper', 'short', 'small')
SIZES = ('full', 'small')
JOINTS3D = ('nturgb+d', 'kinect')
# Maps of HRNet-W48: H2, behind the published numbers, and those that the
# paper compares it with (H1, H3; Table VIII's stages)
HRNET_TAPS = {
    'backbone.stage4.0.branches.1': 96,
    'backbone.stage4.2.relu': 48,
    'backbone.stage4.0.branches.2': 192,
    'backbone.stage2.0.branches.1': 96,
    'backbone.stage3.3.branches.1': 96,
}
# The authors' weights of logits of streams and, of most benchmarks, of
# HP-Net's probabilities; taken where none are published, too
FUSION = dict(hp_j=0.1, hp_b=0.1, hp_jm=0.1, hp_bm=0.1, hpnet=6.)


@dataclass(frozen=True)
class Facts:
    """What training and testing must know of a dataset.

    Attributes:
        name: Short name: ``'ntu120_xset'``, or the folder's own.
        title: For people: ``'NTU RGB+D 120, cross-setup'``.
        folder: The dataset folder, as configs take it.
        classes: Class names in label order (numbers where labels have no
            names); None where nothing is labelled.
        people: People a clip, M.
        frames: Frames that training resamples a clip to, T.
        taps: Feature maps of the store to their channels, that of the paper
            first; of a benchmark, those of the paper's tables.
        splits: Splits to their number of clips, as stored or, of a benchmark,
            as published (None: not published).
        use: ``'train'``, ``'val'`` and ``'test'`` to the split that is used
            for it. A part that is not there has no split.
        schedule: A name of :mod:`hpnet_plugin.recipes.schedules`.
        size: ``'full'``, or ``'small'`` for nets of half the width.
        benchmark: The benchmark that it is; None for a folder of one's own. A
            folder that serves several protocols has the first.
        fusion: Weights of the streams' fusion.
        fusion_published: Whether the authors published these weights for this
            benchmark.
        joints3d: Layout of the joints of ``annotations_3d.pkl``:
            ``'nturgb+d'``, 25 joints, or ``'kinect'``, 20 joints.
    """
    name: str
    title: str
    folder: str
    classes: tuple[str, ...] | None
    people: int
    frames: int
    taps: dict[str, int]
    splits: dict[str, int | None]
    use: dict[str, str]
    schedule: str = 'paper'
    size: str = 'full'
    benchmark: str | None = None
    fusion: dict[str, float] = field(default_factory=lambda: dict(FUSION))
    fusion_published: bool = False
    joints3d: str = 'nturgb+d'


class Download(NamedTuple):
    """Where a benchmark comes from.

    Attributes:
        title: Its name, for people.
        address: The page to ask for it; None where it cannot be had.
        prepare: What ``hpnet prepare`` calls it: its name and the protocols of
            one dataset folder.
        folder: That dataset folder.
    """
    title: str
    address: str | None
    prepare: str
    folder: str


def benchmark_facts(name: str) -> Facts:
    """Facts of a benchmark.

    Args:
        name: ``'ntu120'`` (its first protocol), ``'ntu120_xset'``, or the path
            of a ``.json`` file of one's own, with ``FILE.json:PROTOCOL`` for
            another protocol than its first.

    Returns:
        The facts.

    Raises:
        FactsError: If there is no such benchmark, with the closest names.
    """
    benchmark, protocol = _find(name)
    entry = {**benchmark, **benchmark['protocols'][protocol]}
    published, use = entry.get('published', {}), entry.get('use')
    splits = dict.fromkeys(use.values()) if use else {
        f'{protocol}_{part}': published.get(part)
        for part in (*PARTS, 'train_full')}
    name = _protocol_name(benchmark, protocol)
    facts = Facts(
        name=name,
        title=f'{benchmark["title"]}, {entry["title"]}',
        folder=entry['folder'],
        classes=tuple(read_classes(entry['classes'], entry['file'])),
        people=entry['people'],
        frames=entry['frames'],
        taps=dict(entry.get('taps', HRNET_TAPS)),
        splits=splits,
        use=dict(use or dict(
            train=f'{protocol}_train_full', val=f'{protocol}_test',
            test=f'{protocol}_test')),
        schedule=entry.get('schedule', 'paper'),
        size=entry.get('size', 'full'),
        benchmark=name if name in benchmark_names() else benchmark['file'],
        fusion={**FUSION, **entry.get('fusion', {})},
        fusion_published='fusion' in entry,
        joints3d=entry.get('joints3d', 'nturgb+d'))
    try:
        _check(facts)
    except (TypeError, ValueError, AttributeError) as error:
        raise FactsError(f'{benchmark["file"]}: {error}') from None
    return facts


def benchmark_names() -> list[str]:
    """Names that :func:`benchmark_facts` takes, one a protocol.

    Returns:
        The names, benchmark by benchmark.
    """
    return [_protocol_name(benchmark, protocol)
            for benchmark in map(read_benchmark, shipped_benchmarks())
            for protocol in benchmark['protocols']]


def _find(name: str) -> tuple[dict[str, Any], str]:
    """The file and the protocol that a name means."""
    own = re.fullmatch(r'(.+\.json)(?::(\w+))?', name)
    if own:
        benchmark = read_benchmark(own[1])
        protocol = own[2] or next(iter(benchmark['protocols']))
        if protocol not in benchmark['protocols']:
            raise FactsError(f'{own[1]} has no protocol {protocol!r}'
                             + closest(protocol, benchmark['protocols']))
        return benchmark, protocol
    wanted = benchmark_key(name)
    for benchmark in map(read_benchmark, shipped_benchmarks()):
        for protocol in benchmark['protocols']:
            # a file's name alone means its first protocol
            if wanted in (_protocol_name(benchmark, protocol),
                          f'{benchmark["key"]}_{protocol}', benchmark['key']):
                return benchmark, protocol
    raise FactsError(f'unknown benchmark {name!r}'
                     + closest(wanted, benchmark_names()))


def _protocol_name(benchmark: Mapping[str, Any], protocol: str) -> str:
    return benchmark['protocols'][protocol].get(
        'name', f'{benchmark["key"]}_{protocol}')


def where_to_get(name: str) -> Download | None:
    """Where a benchmark comes from.

    Args:
        name: A benchmark's name, see :func:`benchmark_facts`, or a folder that
            is called like a benchmark's (``'data/ntu120'``).

    Returns:
        None if no benchmark is called so.
    """
    try:
        benchmark, protocol = _find(name)
        folder = {**benchmark, **benchmark['protocols'][protocol]}['folder']
        choice = [benchmark]
    except FactsError:
        folder = osp.basename(osp.normpath(name))
        choice = map(read_benchmark, shipped_benchmarks())
    for benchmark in choice:
        folders = {protocol: {**benchmark, **entry}['folder']
                   for protocol, entry in benchmark['protocols'].items()}
        shared = [protocol for protocol, value in folders.items()
                  if folder in (value, osp.basename(value))]
        if shared:
            return Download(
                benchmark['title'], benchmark.get('address'),
                ' '.join([benchmark['key'], *shared]), folders[shared[0]])
    return None


def write_facts(folder: str, facts: Facts, **more: object) -> None:
    """Write the facts of a dataset folder.

    Args:
        folder: The dataset folder.
        facts: Its facts. ``folder`` is not written, nor a name that is the
            folder's: a dataset folder may be moved.
        **more: What else to note in the file, as JSON takes it.

    Raises:
        OSError: If the file cannot be written.
    """
    content: dict[str, object] = dict(dataclasses.asdict(facts))
    del content['folder']
    for key in ('name', 'title'):
        if content[key] == _name_of(folder):
            del content[key]
    text = json.dumps(dict(format=FORMAT, version=VERSION, **content, **more),
                      indent=1)
    write_whole(osp.join(folder, FILE), (text + '\n').encode())


def _name_of(folder: str) -> str:
    return osp.basename(osp.abspath(folder))


def read_record(folder: str) -> dict:
    """What ``dataset.json`` of a folder holds, beside the facts.

    Args:
        folder: The dataset folder.

    Returns:
        All of it, with ``split_rule`` and what else was noted; empty where
        there is no such file.

    Raises:
        FactsError: If it is damaged.
    """
    path = osp.join(folder, FILE)
    if not osp.isfile(path):
        return {}
    content = read_json(path)
    if content.get('format') != FORMAT:
        raise FactsError(f'{path}: expected the format {FORMAT!r}, found '
                         f'{content.get("format")!r}')
    if content.get('version') != VERSION:
        raise FactsError(f'{path}: version {content.get("version")!r}, this '
                         f'package reads {VERSION}: update it')
    return content


def folder_classes(folder: str) -> list[str] | None:
    """Class names of a dataset folder in label order, where it has them.

    Args:
        folder: Of any kind.

    Returns:
        None if it is none, or is damaged, or has no labels.
    """
    try:
        classes = read_facts(folder).classes
    except (FactsError, OSError):
        return None
    return None if classes is None else list(classes)


def read_facts(folder: str) -> Facts:
    """Facts of a dataset folder.

    Folders that were written before there was a ``dataset.json`` are
    understood from their other files.

    Args:
        folder: The dataset folder.

    Returns:
        The facts.

    Raises:
        FileNotFoundError: If it is no dataset folder.
        FactsError: If its facts are damaged.
    """
    content, path = read_record(folder), osp.join(folder, FILE)
    if not content:
        from .datasets.folder import read_old_facts
        return read_old_facts(folder)
    known = {f.name: content[f.name] for f in dataclasses.fields(Facts)
             if f.name in content}
    known.setdefault('name', _name_of(folder))
    known.setdefault('title', known['name'])
    known['folder'] = folder
    try:
        if known.get('classes') is not None:
            known['classes'] = tuple(known['classes'])
        for key in ('name', 'benchmark'):
            if known.get(key) in RENAMED:
                known[key] = RENAMED[known[key]]
        facts = Facts(**known)
        _check(facts)
    except (TypeError, ValueError, AttributeError) as error:
        raise FactsError(f'{path}: {error}; run the extraction on this '
                         'folder again to write it anew') from None
    return facts


def _check(facts: Facts) -> None:
    for key in ('name', 'title'):
        _expect(isinstance(getattr(facts, key), str), key, facts, 'a text')
    _expect(facts.classes is None or facts.classes and all(
        isinstance(c, str) for c in facts.classes), 'classes', facts,
        'class names, or null')
    for key in ('people', 'frames'):
        value = getattr(facts, key)
        _expect(type(value) is int and value > 0, key, facts,
                'a positive whole number')
    for key, types in (('taps', int), ('splits', (int, type(None))),
                       ('use', str), ('fusion', (int, float))):
        value = getattr(facts, key)
        _expect(isinstance(value, dict) and all(
            isinstance(v, types) for v in value.values()), key, facts,
            'an object')
    _expect(facts.benchmark is None or isinstance(facts.benchmark, str),
            'benchmark', facts, 'a text, or null')
    _expect(facts.joints3d in JOINTS3D, 'joints3d', facts,
            f'one of {JOINTS3D}')
    for key in ('taps', 'splits', 'use', 'fusion'):
        _expect(all(map(str.isprintable, getattr(facts, key))), key, facts,
                'names that can be shown')
    _expect(facts.schedule in SCHEDULES, 'schedule', facts,
            f'one of {SCHEDULES}')
    _expect(facts.size in SIZES, 'size', facts, f'one of {SIZES}')
    for part, split in facts.use.items():
        _expect(part in PARTS and split in facts.splits, 'use', facts,
                f'{PARTS} to some of the splits {list(facts.splits)}')


def _expect(right: object, key: str, facts: Facts, expected: str) -> None:
    if not right:
        raise ValueError(f'{key} = {getattr(facts, key)!r}: expected '
                         f'{expected}')

"""Lists, labels, classes, splits and other small texts of datasets."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from fuzz.engine import Reader
from hpnet_plugin.apis.describing import _extraction as described
from hpnet_plugin.benchmark_files import (
    FactsError,
    read_benchmark,
    read_classes,
)
from hpnet_plugin.datasets.benchmarks import clip_names, rules
from hpnet_plugin.datasets.benchmarks.splits import split_names
from hpnet_plugin.datasets.clip_list import (
    ClipListError,
    clip_list_path,
    read_clip_list,
)
from hpnet_plugin.datasets.clips import SourceClip, SourceError
from hpnet_plugin.datasets.labelling import assign_labels, read_labels
from hpnet_plugin.datasets.lists import PreparationError, read_named_clips
from hpnet_plugin.datasets.names import read_names
from hpnet_plugin.datasets.sources import list_clips, read_list
from hpnet_plugin.datasets.split_lists import read_splits
from hpnet_plugin.datasets.splitting import divide_folder
from hpnet_plugin.evaluation.fusion import Joined
from hpnet_plugin.evaluation.scores import ScoreError
from hpnet_plugin.evaluation.stacking import learn, read_stack, write_stack
from hpnet_plugin.evaluation.stacking.layers import Problem
from hpnet_plugin.evaluation.timelines import read_truth
from hpnet_plugin.extraction.failures import FailureLog
from hpnet_plugin.facts import benchmark_facts, read_facts, read_record

CLIPS = [f'S001C001P{p:03d}R001A{a:03d}' for p in (1, 2, 3) for a in (7, 8)]


def _texts(name: str, *texts: str) -> list[tuple[str, str]]:
    stem, _, suffix = name.rpartition('.')
    return [(f'{stem}{i}.{suffix}', text) for i, text in enumerate(texts)]


def _writer(*files: tuple[str, str]):
    def seeds(folder: Path) -> list[Path]:
        for name, text in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding='utf-8')
        return [folder / name for name, _ in files]
    return seeds


def _json(*values: object) -> list[str]:
    return [json.dumps(value) for value in values]


def _labels(path: Path) -> None:
    labels = read_labels(str(path))
    try:
        assign_labels([SourceClip(name, name + '.mp4') for name in labels],
                      labels)
    except SourceError as error:
        raise SourceError(f'{path.name}: {error}') from error


def _splits(path: Path) -> None:
    read_splits(str(path), [SourceClip(name, '') for name in CLIPS])


def _list(path: Path) -> None:
    list(read_list(str(path)))
    try:
        list_clips(str(path))
    except SourceError as error:
        # that a video is not there names the video
        if 'video' not in str(error):
            raise


def _clip_list(path: Path) -> None:
    clips = read_clip_list(str(path.parent / 'annotations.pkl'))
    for split in (None, *clips.splits):
        clips.infos(split)


def _clip_list_seeds(folder: Path) -> list[Path]:
    path = Path(clip_list_path(str(folder / 'annotations.pkl')))
    path.write_text(json.dumps(dict(
        format='hpnet_plugin clip list', version=1, annotations=100,
        names=CLIPS, labels=[0, 1] * 3, frames=[10] * 6,
        shapes=[[1080, 1920]] * 6, nobody=[2],
        splits=dict(train=[0, 1, 2], test=[3, 4, 5]))), encoding='utf-8')
    return [path]


def _facts(path: Path) -> None:
    facts = read_facts(str(path.parent))
    read_record(str(path.parent))
    _ = facts.classes and len(facts.classes)
    _divided(path)


def _divided(path: Path) -> None:
    """As hpnet extract divides the clips that came since."""
    splits = path.parent / 'splits.json'
    if not splits.exists():
        splits.write_text(json.dumps(dict(train=CLIPS[:3], test=CLIPS[3:5])))
    try:
        divide_folder(str(path.parent), CLIPS, dict.fromkeys(CLIPS, 0))
    except SourceError as error:
        # that labels or splits were given before names the folder
        raise SourceError(f'{path}: {error}') from error


def _extraction(path: Path) -> None:
    described(str(path.parent))
    _divided(path)


_FACTS = dict(
    format='hpnet_plugin dataset', version=1, name='mine', title='mine',
    classes=['fall', 'wave'], people=2, frames=64, taps={'tap': 96},
    splits=dict(train=4, test=2), use=dict(train='train', test='test'),
    schedule='short', size='full', benchmark=None, fusion={'hp_j': .1},
    split_rule={'by': 'name', 'seed': 0, 'field': None},
    settings={'length': 64})

_BENCHMARK = dict(
    title='Mine', folder='data/mine', classes=['fall', 'wave'], people=2,
    frames=64, names=dict(
        pattern=r'P(?P<subject>\d{2})A(?P<action>\d{2})',
        layout='PssAaa', example='P01A02', actions=['01-02'],
        recorded=dict(name='P{subject:02d}A{action:02d}',
                      of_each=['subject'], all={}, actions=[
                          dict(subject=['1-9'], action=['1-2'])])),
    protocols=dict(xsub=dict(by='subject', train=['1-5', 7], held_out=[5])))


def _benchmark(path: Path) -> None:
    """Facts, labels and splits of a benchmark."""
    name = str(path)
    for cached in (read_benchmark, clip_names._labels, rules._benchmark):
        cached.cache_clear()
    example = read_benchmark(name)['names']['example']
    for protocol in read_benchmark(name)['protocols']:
        benchmark_facts(f'{name}:{protocol}')
        try:
            split_names(name, protocol, [example])
            clip_names.siblings(name, [example])
        except ValueError as error:
            # an example may be of no class
            if repr(example) not in str(error) and name not in str(error):
                raise


def _stack_seeds(folder: Path) -> list[Path]:
    """Layers of a weight a stream, and of a matrix a stream."""
    held = Joined(CLIPS, np.arange(6) % 2, np.random.default_rng(0).normal(
        size=(2, 6, 2)), ['a.pkl', 'b.pkl'])
    stack = learn(held, [1, 1], [1, .5])
    problem = Problem(held.scores, held.labels, [1, 1], np.ones(6))
    for kind in ('stream', 'full'):
        layer = problem.layer(kind, np.ones(problem.size(kind)))
        write_stack(folder / f'{kind}.json', replace(
            stack, layer=layer, record=dict(
                stack.record, kind=kind, parameters=layer.parameters)))
    return [folder / 'stream.json', folder / 'full.json']


_ENTRY = dict(skeleton=[dict(pose=[.5] * 36, score=[.9] * 18)])

READERS = {
    'labels': Reader(_writer(*_texts(
        'l.txt', 'a 0\nb 1\nc 2\n', 'a sit down\nb.mp4 stand up\n')),
        _labels, (SourceError, )),
    'classes': Reader(_writer(*_texts('c.txt', 'sit\nstand up\nfall\n')),
                      lambda path: read_classes(str(path)), (FactsError, )),
    'splits': Reader(_writer(*_texts('s.json', *_json(
        dict(train=CLIPS[:3], val=CLIPS[3:4], test=CLIPS[4:]),
        {'xsub_train': CLIPS[:2], 'xsub_train_full': CLIPS[:4],
         'xsub_val': CLIPS[2:4], 'xsub_test': CLIPS[4:]}))),
        _splits, (SourceError, )),
    'list-file': Reader(_writer(*_texts(
        'v.txt', 'a.mp4 0\nb.avi 1\n', '# of mine\n"a b.mp4" sit down\n'
        'x/y.mkv\n')), _list, (SourceError, )),
    'named-clips': Reader(_writer(*_texts(
        'n.txt', 'v/a.avi 1\nv/b.avi 2\n'), *_texts(
        'k.csv', 'label,youtube_id,time_start,time_end\nrun,abc,1,11\n'
        'walk,def,2.5,12.5\n'), *_texts('t.json', *_json(
            [dict(id=1, template='Holding [something]'), dict(id='2')]))),
        lambda path: read_named_clips(str(path)), (PreparationError, )),
    'clip-list': Reader(_clip_list_seeds, _clip_list, (ClipListError, ),
                        beside=True),
    'dataset-json': Reader(_writer(('dataset.json', json.dumps(_FACTS))),
                           _facts, (FactsError, SourceError), beside=True),
    'extraction-json': Reader(_writer(('extraction.json', json.dumps(dict(
        pose=dict(name='hrnet', sha256='0' * 64), detector=None, length=64,
        versions={'av': '16'}, clips=dict(found=6, stored=5), splits={},
        failures=dict(a='is no video'))))), _extraction,
        (FactsError, SourceError), beside=True),
    'segments': Reader(_writer(*_texts('t.json', *_json(
        [dict(start=0., end=1.5, label='wave', track=1),
         dict(start=2, end=3, label='fall', track=1)],
        dict(segments=[dict(start=0, end=1, label='a')])))),
        lambda path: read_truth(str(path)), (ValueError, )),
    'benchmark': Reader(_writer(*_texts('b.json', *_json(_BENCHMARK))),
                        _benchmark, (FactsError, )),
    'names-json': Reader(_writer(('names.json', json.dumps(
        {'walk': ['001', ['002', 'walk__002']], 'run': ['003']}))),
        lambda path: read_names(str(path.parent)), (FactsError, ),
        beside=True),
    'stack': Reader(_stack_seeds, lambda path: read_stack(str(path)),
                    (ScoreError, )),
    'failures': Reader(_writer(('failures.jsonl', ''.join(
        json.dumps(dict(clip=name, why='is no video')) + '\n'
        for name in CLIPS))), lambda path: FailureLog(
            str(path.parent)).read(), (), beside=True),
}

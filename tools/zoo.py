"""The table of trained models, docs/zoo.md, from the runs' own records.

    python tools/zoo.py work_dirs/demo/hp_j work_dirs/demo/pose_j \
        --data 'make demo' --hardware '2 cores of AMD EPYC'
    python tools/zoo.py

Each RUN, a work folder that was trained and tested, becomes a small file
docs/zoo/NAME.json: config, seed, hardware, versions, curves of the training,
test result with its interval, and the checkpoint's size and sha256. The page
is then written from all files there. Without a RUN only the page is written.
A RUN's scores are RUN/scores.pkl, or the dump RUN.pkl beside it.
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from hpnet_plugin.benchmark_files import RENAMED
from hpnet_plugin.evaluation.bootstrap import bootstrap_gain
from hpnet_plugin.evaluation.curves import read_curves
from hpnet_plugin.evaluation.scores import read_scores
from hpnet_plugin.files import sha256_of, write_whole
from hpnet_plugin.recipes.reading import graph_net_of, innermost, walk

DOCS = Path(__file__).resolve().parents[1] / 'docs'
NETS = {'CTRGCN': 'CTR-GCN', 'SkeletonMixFormer': 'Skeleton-MixFormer',
        'STGCN': 'ST-GCN', 'AAGCN': '2s-AGCN', 'ResNet3dSlowOnly': 'SlowOnly'}
MODELS = {'XCLIPRecognizer': 'HP-Net, small, from scratch',
          'Recognizer3D': 'PoseConv3D'}
PARTS = dict(j='joints', b='bones', jm='motion of joints', bm='motion of '
             'bones')
HEAD = """# Trained models

All numbers on this page come from **synthetic people**, and from small nets
that were trained on two CPU cores. They show that the code trains, tests and
records what it should, and how much each kind of model costs. They do not show
how accurate HP-Net is on real videos, and they cannot be compared with the
paper. Nobody here has the paper's datasets; configs with its schedules, and
its numbers, are in [the paper's tables](configs/ablations/README.md).

With one seed and so few test clips, two models differ only if their intervals
are far apart; to compare two of them, use the paired interval of `hpnet fuse`.

The weights are not shipped. Each row can be trained again by its command, and
its log holds the config's settings, versions and curves.
"""
TAIL = """**top-1**: in percent, with the 95 % bootstrap interval over the test
clips, drawn class by class (10,000 draws). **clips/s**: clips of a training
step, and of the test, per second of the log, with the loading of the data;
the machine did other work at the same time, so these are rough. **bytes**: of
the last checkpoint, with the state of the optimizer. **sha256**: its first 12
digits; all digits are in the log.

This page is written by `tools/zoo.py` from the files in `docs/zoo/`.
"""
DATA = {
    'make demo': 'The dataset of `make demo`: clips of synthetic people, '
    'eight actions, 16 frames of each clip. Two pairs of actions differ only '
    'in the held object. {clips} test clips, chance 12.5.',
    'nw_ucla_synthetic': 'The benchmark `nw_ucla_synthetic`: the motion of '
    'sequences of NW-UCLA (ten actions), drawn as synthetic people with '
    'clothes and held objects. {clips} test clips, chance 10.0. Nets of half '
    'the width, 20 epochs.'}


def record_of(run: Path, data: str | None = None,
              hardware: str | None = None) -> dict[str, Any]:
    """What a run's own files say of it.

    Args:
        run: Work folder of a training; its scores beside it or in it.
        data: What it was trained on, where it is no benchmark.
        hardware: What it was trained on, where there is no ``run.json``.
    """
    config = Config.fromfile(str(sorted(
        run.glob('*/vis_data/config.py'))[-1]))
    known = {}
    if (run / 'run.json').is_file():
        known = json.loads((run / 'run.json').read_text(encoding='utf-8'))
    dump = run / 'scores.pkl'
    scores = read_scores(dump if dump.is_file() else run.with_suffix('.pkl'))
    labels = scores.known_labels
    right = scores.scores.argmax(1) == labels
    found = bootstrap_gain(np.zeros_like(right), right, labels)
    weights = run / Path((run / 'last_checkpoint').read_text().strip()).name
    train, val = read_curves(run)
    batch = config.train_dataloader.batch_size
    tests = [json.loads(path.read_text()) for path in
             sorted(run.glob('test/*/[0-9]*.json'))]
    size = config.test_dataloader.batch_size
    steps = -(-len(right) // size)
    return dict(
        method=method_of(config), settings=settings_of(config),
        data=data or benchmark_of(config, run), seed=config.randomness.seed,
        epochs=config.train_cfg.max_epochs,
        hardware=known.get('hardware') or hardware,
        versions=known.get('versions') or versions_of(weights),
        test=dict(clips=len(right),
                  **{key: {name: round(value, 2) for name, value
                           in entry.items()} for key, entry in found.items()}),
        clips_per_second=dict(
            train=round(batch / float(np.median([e['time'] for e in train])),
                        1),
            test=round(len(right) / steps / tests[-1]['time'], 1)
            if tests else None),
        checkpoint=dict(file=weights.name, bytes=weights.stat().st_size,
                        sha256=sha256_of(str(weights))),
        curves=curves_of(train, val))


def method_of(config: Config) -> str:
    """What a reader calls the model: the net and its input."""
    model = config.model
    if model.type in MODELS:
        return MODELS[model.type]
    return NETS.get(graph_net_of(config)['type'], graph_net_of(config)['type'])


def settings_of(config: Config) -> dict[str, Any]:
    """Settings that give the same model today, read from its pipeline."""
    steps = {step['type']: step for step in walk(innermost(
        config.test_dataloader.dataset)['pipeline'])}
    load, made = steps.get('LoadPooledFeature'), steps.get('GenPooledStream')
    found: dict[str, Any] = dict(recipe={
        'XCLIPRecognizer': 'hpnet', 'Recognizer3D': 'posec3d'}.get(
            config.model.type, 'stream'))
    if made:
        kind = 'hp' if load else 'pose'
        found['stream'] = f'{kind}_{made["stream"]}'
    if load:
        found['tap'] = load.get('tap')
    return found


def benchmark_of(config: Config, run: Path) -> str:
    """The benchmark that a config is of, as it is called today."""
    record = config.get('composed') or {}
    name = record.get('benchmark') or next(
        (old for old in RENAMED if run.parent.name.endswith(old)), None)
    if name is None:
        raise SystemExit(f'{run}: no benchmark; say what it was trained on '
                         'by --data')
    return RENAMED.get(name, name)


def versions_of(weights: Path) -> dict[str, str]:
    """Versions that a checkpoint's description names."""
    from hpnet_plugin.apis.checkpoints import read_checkpoint
    about = read_checkpoint(str(weights))['meta'].get('hpnet') or {}
    return about.get('training', {}).get('versions', {})


def curves_of(train: Sequence[Mapping[str, Any]],
              val: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    """Loss of each epoch, and validation accuracies, as short lists."""
    losses: dict[int, list[float]] = {}
    for entry in train:
        losses.setdefault(entry['epoch'], []).append(entry['loss'])
    return dict(
        loss=[round(float(np.mean(values)), 4)
              for _, values in sorted(losses.items())],
        val_top1=[[entry['step'], round(100 * entry['acc/top1'], 2)]
                  for entry in val if 'acc/top1' in entry])


def row(name: str, record: Mapping[str, Any]) -> str:
    """A line of the table."""
    settings, test = record['settings'], record['test']
    stream = settings.get('stream')
    source = 'person crops, class names, pooled features'
    if stream:
        kind, _, part = stream.partition('_')
        source = {'hp': 'pooled features', 'pose': '2D pose'}[kind] + \
            f', {PARTS[part]}'
    elif settings['recipe'] == 'posec3d':
        source = '2D pose, heatmap volumes'
    top, speed = test['top1'], record['clips_per_second']
    rate = f'{speed["train"]:.0f} / ' + (
        '–' if speed['test'] is None else f'{speed["test"]:.0f}')
    return '| ' + ' | '.join([
        record['method'], source, f'`{command(record)}`',
        f'[log](zoo/{name}.json)', str(record['epochs']),
        str(record['seed']), record['hardware'] or '–',
        f'{top["gain"]:.1f} [{top["low"]:.1f}, {top["high"]:.1f}]',
        f'{test["mean_class_accuracy"]["gain"]:.1f}', rate,
        f'{record["checkpoint"]["bytes"]:,}',
        f'`{record["checkpoint"]["sha256"][:12]}`']) + ' |'


def command(record: Mapping[str, Any]) -> str:
    """The command that trains a run again."""
    settings = record['settings']
    words = ['hpnet train', settings.get('stream') or settings['recipe']]
    if settings.get('stream') and record['method'] != 'CTR-GCN':
        nets = {'Skeleton-MixFormer': 'mixformer', 'ST-GCN': 'stgcn',
                '2s-AGCN': 'agcn'}
        words.append(f'--net {nets[record["method"]]}')
    if record['data'] == 'make demo':
        words.append('--data work_dirs/demo/data')
        words += ['--cfg-options epochs=1'] \
            if settings['recipe'] == 'posec3d' else \
            ['--small --cfg-options frames=16']
    else:
        words.append(f'--benchmark {record["data"]}')
        if settings['recipe'] == 'hpnet':
            words.append(f'--cfg-options tap={settings["tap"]}')
    return ' '.join([*words[:2], f'--seed {record["seed"]}', *words[2:]])


def page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The page, of all records by their names."""
    parts = [HEAD]
    columns = ('method', 'input', 'command', 'log', 'epochs', 'seed',
               'hardware', 'top-1, 95 %', 'mean class',
               'clips/s, training / test', 'bytes', 'sha256')
    for data in dict.fromkeys(r['data'] for r in records.values()):
        chosen = {name: record for name, record in records.items()
                  if record['data'] == data}
        clips = {record['test']['clips'] for record in chosen.values()}
        about = DATA.get(data, f'{data}, {{clips}} test clips.')
        parts += [f'## {data}\n', about.format(
            clips=', '.join(map(str, sorted(clips)))) + '\n',
            '\n'.join(['| ' + ' | '.join(columns) + ' |',
                       '|' + '---|' * len(columns),
                       *(row(name, r) for name, r in chosen.items())]) + '\n']
    return '\n'.join([*parts, TAIL])


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """All records of a folder, by name."""
    return {path.stem: json.loads(path.read_text(encoding='utf-8'))
            for path in sorted(folder.glob('*.json'))}


def main(argv: Iterable[str] | None = None) -> int:
    """Run the tool; its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', metavar='RUN', nargs='*', type=Path)
    parser.add_argument('--data', help='what the runs were trained on')
    parser.add_argument('--hardware', help='what trained them')
    parser.add_argument('--out', type=Path, default=DOCS,
                        help='folder of zoo.md and zoo/ (default docs)')
    args = parser.parse_args(None if argv is None else list(argv))
    for run in args.runs:
        record = record_of(run, args.data, args.hardware)
        kind = record['settings'].get('stream') or record['settings']['recipe']
        name = '_'.join([record['data'].replace('make ', ''), kind,
                         f'seed{record["seed"]}'])
        text = json.dumps(record, indent=1)
        write_whole(args.out / 'zoo' / f'{name}.json', (text + '\n').encode())
    write_whole(args.out / 'zoo.md',
                page(read_records(args.out / 'zoo')).encode())
    return 0


if __name__ == '__main__':
    raise SystemExit(main())

"""The analyses of ``hpnet analyze``: each prints, and writes its files."""
from __future__ import annotations

import csv
import io
import json
import operator
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from hpnet_plugin.apis.results import VideoResult
from hpnet_plugin.commands.options import config_options
from hpnet_plugin.datasets.classes import read_classes
from hpnet_plugin.evaluation.fisher import fisher_scores, read_clip_labels
from hpnet_plugin.evaluation.fusion import read_streams
from hpnet_plugin.evaluation.gains import class_records, compare
from hpnet_plugin.evaluation.metrics import (
    confusion_matrix,
    names_or_numbers,
    summarize,
)
from hpnet_plugin.evaluation.tables import class_table, format_table
from hpnet_plugin.evaluation.timelines import compare_timelines, read_truth
from hpnet_plugin.facts import folder_classes
from hpnet_plugin.files import write_whole
from hpnet_plugin.recipes.reading import innermost
from hpnet_plugin.store import FeatureStore
from hpnet_plugin.visualization.classes import (
    accuracy_figure,
    confusion_figure,
    gains_figure,
)
from hpnet_plugin.visualization.fisher import fisher_figure
from hpnet_plugin.visualization.joints import joint_names
from hpnet_plugin.visualization.sections import short_names
from hpnet_plugin.visualization.style import save_figure

if TYPE_CHECKING:
    import argparse

    from mmengine.config import Config

    from hpnet_plugin.evaluation.fusion import Joined
    from hpnet_plugin.visualization.classes import Panel

FPS = 25.  # of videos that do not say it


def run_classes(args: argparse.Namespace) -> None:
    """A table and a figure of all classes, and the confusion matrix."""
    joined, classes = _read(args, [args.dump])
    scores, labels = joined.scores[0], joined.labels
    matrix = confusion_matrix(scores, labels)
    records = class_records(matrix, classes)
    names = names_or_numbers(classes, len(matrix))
    summary = dict(clips=len(labels), **summarize(scores, labels))
    _write_csv(args.out / 'classes.csv', records)
    _write_csv(args.out / 'confusion.csv', [
        {'label \\ predicted': name, **dict(zip(names, row.tolist()))}
        for name, row in zip(names, matrix)])
    _write_json(args.out / 'classes.json', dict(
        source=args.dump, **summary, classes=records,
        confusion=matrix.tolist()))
    save_figure(args.out / 'classes', accuracy_figure(records, summary))
    save_figure(args.out / 'confusion', confusion_figure(matrix, classes))
    print(format_table(class_table(matrix, classes)))
    print(f'\n{summary["clips"]} clips: top-1 {summary["top1"]:.2f}, mean '
          f'class {summary["mean_class_accuracy"]:.2f}')


def run_gains(args: argparse.Namespace) -> None:
    """Lists of classes and a figure of each pair of lists."""
    joined, classes = _read(args, [args.first, args.second])
    names = args.names or short_names(joined.sources)
    first, second = joined.scores
    result = compare(first, second, joined.labels, classes, args.top)
    _write_csv(args.out / 'gains.csv', result['classes'])
    _write_json(args.out / 'gains.json', dict(
        names=names, sources=joined.sources, **result))

    def overall(which: str) -> list[float]:
        return [result[which][key] for key in ('top1', 'mean_class_accuracy')]

    def panel(title: str, key: str) -> Panel:
        rows = result[key]
        return (title, [row['class'] for row in rows],
                [row['first'] for row in rows],
                [row['second'] for row in rows])

    every: Panel = ('all classes', ['top-1', 'mean class'], overall('first'),
                    overall('second'))

    lists = (('gain', f'{names[1]} gains most'),
             ('lose', f'{names[1]} loses most'),
             ('accurate', f'most accurate in {names[0]}'),
             ('confused', f'most confused in {names[0]}'))
    panels = {key: panel(title, key) for key, title in lists}
    save_figure(args.out / 'gains', gains_figure(
        [panels['gain'], panels['lose'], every], names))
    save_figure(args.out / 'extremes', gains_figure(
        [panels['accurate'], panels['confused'], every], names))
    for key, title in lists:
        print(f'{title}:')
        if result[key]:
            _print(result[key], ('class', 'clips', 'first', 'second', 'gain'))
        else:
            print('  no class')
        print()
    for name, key in zip(names, ('first', 'second')):
        print(f'{name}: top-1 {result[key]["top1"]:.2f}, mean class '
              f'{result[key]["mean_class_accuracy"]:.2f}')


def run_fisher(args: argparse.Namespace) -> None:
    """Fisher scores of taps, in one folder or several."""
    scores = {}
    for folder, shown in zip(args.folders, short_names(
            [str(Path(folder).resolve()) for folder in args.folders])):
        labels = read_clip_labels(folder, args.split)
        found = fisher_scores(
            FeatureStore(Path(folder) / 'features'), labels, args.tap,
            partial(tqdm, desc=shown, unit='clip', leave=False))
        several = len(args.folders) > 1
        scores.update((f'{shown}: {tap}' if several else tap, score)
                      for tap, score in found.items())
    joints = joint_names(len(next(iter(scores.values())).joints))
    records = {tap: score.record() for tap, score in scores.items()}
    rows = [dict(tap=tap, joint=joint, score=value)
            for tap, record in records.items()
            for joint, value in zip(['all', *joints],
                                    [record['score'], *record['joints']])]
    _write_csv(args.out / 'fisher.csv', rows)
    _write_json(args.out / 'fisher.json', dict(
        definition='scatter between classes over scatter within, of the '
        'means of clips; mean over channels and joints',
        split=args.split, joints=joints, taps=records))
    save_figure(args.out / 'fisher', fisher_figure(scores, joints))
    _print([dict(tap=tap, **record) for tap, record in records.items()],
           ('tap', 'channels', 'score', 'chance', 'trace_ratio', 'clips'),
           digits=4)


def run_tsne(args: argparse.Namespace) -> None:
    """Features of the same clips in several models, and their maps."""
    if find_spec('sklearn') is None:
        raise ValueError('t-SNE needs scikit-learn: pip install scikit-learn')
    from hpnet_plugin.apis.embedding import (
        embed,
        extract_features,
        read_config,
        separation,
    )
    from hpnet_plugin.visualization.embedding import embedding_figure
    configs, checkpoints = args.models[::2], args.models[1::2]
    names = args.names or short_names(
        configs if len(set(configs)) == len(configs) else checkpoints)
    if len(set(names)) < len(names):
        raise ValueError(f'models need a name each, got {", ".join(names)}')
    features, maps, results = {}, {}, {}
    first, classes = None, []
    for name, path, checkpoint in zip(names, configs, checkpoints):
        config = read_config(path, args.split,
                             config_options(args.cfg_options))
        found = extract_features(
            config, checkpoint, args.classes_limit, args.per_class,
            args.seed, args.device,
            partial(tqdm, desc=name, unit='batch', leave=False))
        if first is None:
            first = found
            classes = list(_names_of(args.classes, found.labels, config))
        if found.names != first.names or (found.labels != first.labels).any():
            raise ValueError(f'{path} and {configs[0]} test other clips or '
                             'labels; only the same can be compared')
        features[name] = found
        results[name] = dict(
            config=path, checkpoint=checkpoint, clips=len(found.names),
            classes=len(np.unique(found.labels)),
            channels=found.values.shape[1],
            **separation(found.values, found.labels))
        maps[name] = embed(found.values, args.seed, args.perplexity)
    if first is None:
        return
    labels = first.labels
    buffer = io.BytesIO()
    np.savez(buffer, models=names, names=first.names, labels=labels,
             **{f'features_{i}': found.values
                for i, found in enumerate(features.values())})
    write_whole(args.out / 'features.npz', buffer.getvalue())
    _write_csv(args.out / 'tsne.csv', [
        {'model': name, 'clip': clip, 'label': int(label),
         'class': classes[label], 'x': float(x), 'y': float(y)}
        for name, points in maps.items()
        for clip, label, (x, y) in zip(first.names, labels, points)])
    _write_json(args.out / 'tsne.json', dict(
        seed=args.seed, perplexity=args.perplexity, models=results))
    save_figure(args.out / 'tsne', embedding_figure(
        {name: (maps[name], f'silhouette {result["silhouette"]:.3f}, '
                f'5 nearest neighbours {result["knn_accuracy"]:.1f} %')
         for name, result in results.items()}, labels, classes))
    _print([dict(model=name, **result) for name, result in results.items()],
           ('model', 'clips', 'classes', 'channels', 'silhouette',
            'knn_accuracy'), digits=3)


def run_timeline(args: argparse.Namespace) -> None:
    """Accuracy and segment F1 of each video and of all."""
    counts = []
    for path, truth_path in zip(args.pred, args.truth):
        result, truth = VideoResult.from_json(path), read_truth(truth_path)
        strange = {s.label for s in truth} - set(result.classes)
        if strange:
            raise ValueError(
                f'{truth_path} has labels that the model does not know: '
                f'{", ".join(sorted(strange))}; it knows '
                f'{", ".join(result.classes)}')
        counts.append(compare_timelines(result.timelines, truth,
                                        result.fps or FPS))
    total = reduce(operator.add, counts)
    rows = [dict(video=path, **one.record())
            for path, one in zip(args.pred, counts)]
    if len(rows) > 1:
        rows.append(dict(video='all', **total.record()))
    if args.out:
        _write_csv(args.out / 'timeline.csv', rows)
        _write_json(args.out / 'timeline.json', dict(
            definition='frame-wise accuracy over frames with a true label, '
            'and segment F1 at overlaps (IoU) in percent, both in percent; '
            'Lea et al. 2017', videos=rows[:len(counts)],
            all=total.record()))
    _print(rows, tuple(rows[0]))


def _read(args: argparse.Namespace,
          dumps: list[str]) -> tuple[Joined, list[str] | None]:
    """Score files over the same clips, and the class names or None."""
    classes = read_classes(args.classes) if args.classes else None
    return read_streams(dumps, args.labels, classes)[0], classes


def _names_of(path: str | None, labels: np.ndarray,
              config: Config) -> Sequence[str]:
    """Class names for labels: of a file, else of the dataset folder."""
    count = int(labels.max()) + 1
    if path is None:
        root = innermost(config.test_dataloader.dataset).get('data_root')
        names = folder_classes(root) if root else None
        return names if names and len(names) >= count else \
            names_or_numbers(None, count)
    names = read_classes(path)
    if len(names) < count:
        raise ValueError(f'{path} names {len(names)} classes, the labels go '
                         f'up to {count - 1}')
    return names


def _write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, list(records[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(records)
    write_whole(path, text.getvalue().encode())


def _write_json(path: Path, record: dict[str, Any]) -> None:
    write_whole(path, json.dumps(record, indent=2).encode() + b'\n')


def _print(records: Sequence[Mapping[str, Any]], keys: Sequence[str],
           digits: int = 1) -> None:
    rows = [[key.replace('_', ' ') for key in keys]]
    for record in records:
        rows.append([_cell(record[key], digits) for key in keys])
    print(format_table(rows))


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return ''
    return f'{value:.{digits}f}' if isinstance(value, float) else str(value)

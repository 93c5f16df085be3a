"""``configs/metafile.yml``: every config, with the numbers of the paper.

``mim search hpnet_plugin`` reads it. The numbers stand in the tables
(``configs/ablations/*/table.yml``); a config has those of the rows that
describe the same training. To write the file again::

    python -m hpnet_plugin.reproduction.metafile configs
"""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

from ..facts import benchmark_facts
from ..files import write_whole
from ..recipes.current import current_config
from .decisive import decisive
from .paper_tables import ROMAN, Row, list_tables, read_table
from .tables import Reproduction

NOT_TRAINED = {'_base_', 'pose', 'detectors'}
STREAMS = 'configs/streams/README.md'
# recipe, or kind of stream, to its collection and what describes it
COLLECTIONS = {
    'hpnet': ('HP-Net', 'configs/README.md'),
    'xclip': ('X-CLIP without prompts', 'configs/README.md'),
    'hp': ('HP-Net streams', STREAMS),
    'pose': ('2D pose streams', STREAMS),
    'pose3d': ('3D pose streams', STREAMS),
    'simcc': ('SimCC streams', STREAMS),
    'rgb_pose': ('RGB region streams', STREAMS),
    'posec3d': ('PoseConv3D', 'configs/posec3d/README.md'),
    'rgbpose': ('PoseConv3D', 'configs/posec3d/README.md'),
    'released_stream': ('Released code', 'configs/released/README.md'),
    'released_hpnet': ('Released code', 'configs/released/README.md'),
}
# recipes for any dataset, of no row of the paper
SMALL = 'small'
COLLECTIONS[SMALL] = 'Recipes for small datasets', 'configs/small/README.md'
NAMES = dict(CTRGCN='CTR-GCN', SkeletonMixFormer='Skeleton-MixFormer',
             XCLIPVision='X-CLIP ViT-B/16', ResNet3dSlowOnly='SlowOnly',
             RGBPoseConv3D='RGBPose-Conv3D')
METRICS = dict(top1='Top 1 Accuracy', top5='Top 5 Accuracy',
               mean_class_accuracy='Mean Class Accuracy')
COSTS = dict(parameters='Parameters, M', macs='FLOPs, G')
# fingerprint of a training to what is measured and its number, to the tables
# that print it
Published = dict[str, dict[tuple[str, float | None], list[int]]]
HEADER = ('# Written by python -m hpnet_plugin.reproduction.metafile configs: '
          'the numbers\n# stand in configs/ablations/*/table.yml.\n')


def trained_configs(configs: str | Path) -> list[Path]:
    """Configs that train.

    Args:
        configs: The folder of configs.

    Returns:
        In order of their names.
    """
    return sorted(path for path in Path(configs).rglob('*.py')
                  if not NOT_TRAINED & set(path.relative_to(configs).parts))


def fingerprint(cfg: Config) -> str:
    """What decides the result of a config, to compare it by.

    Args:
        cfg: Of a training.

    Returns:
        JSON.
    """
    return json.dumps(decisive(cfg), sort_keys=True)


def published_rows(configs: str | Path) -> Iterator[tuple[int, str, Row]]:
    """Rows that the paper has a number of, and that are trained.

    Args:
        configs: The folder of configs.

    Yields:
        The table, its metric and the row, once a benchmark that its number is
        of.
    """
    for number in list_tables(configs):
        for benchmark in read_table(configs, number).benchmarks:
            table = read_table(configs, number, benchmark)
            if table.reference != benchmark:
                continue
            for row in table.rows:
                if row.recipe and row.published is not None \
                        and row.beside is None:
                    yield number, table.metric, row


def published_of_rows(configs: str | Path) -> Published:
    """Numbers of the paper by the training that they are of.

    Args:
        configs: The folder of configs.

    Returns:
        :func:`fingerprint` to a dict of metric and number to the tables that
        print it.
    """
    found: Published = {}
    known: dict[str, str] = {}
    for number, metric, row in published_rows(configs):
        if row.stem not in known:
            table = read_table(configs, number, row.settings['benchmark'])
            run = Reproduction(table, configs, '').run_of(row, 0)
            known[row.stem] = fingerprint(run.load())
        what = COSTS[row.cost] if row.cost else METRICS[metric]
        numbers = found.setdefault(known[row.stem], {})
        numbers.setdefault((what, row.published), []).append(number)
    return found


def metafile(configs: str | Path) -> str:
    """The text of ``metafile.yml``.

    Args:
        configs: The folder of configs.

    Returns:
        YAML.
    """
    published = published_of_rows(configs)
    models = [_model(path, Path(configs), published)
              for path in trained_configs(configs)]
    collections = [dict(Name=name, README=readme) for name, readme in
                   dict.fromkeys(COLLECTIONS.values())]
    return HEADER + yaml.safe_dump(
        dict(Collections=collections, Models=models), sort_keys=False,
        allow_unicode=True)


def _model(path: Path, configs: Path, published: Published
           ) -> dict[str, Any]:
    cfg = current_config(Config.fromfile(path))
    small = path.parent.name == SMALL
    generic = small or path.stem == cfg.recipe
    kind = SMALL if small else cfg.recipe if cfg.recipe != 'stream' else \
        cfg.stream.rpartition('_')[0]
    title = benchmark_facts(cfg.benchmark).title
    data = 'any dataset folder or benchmark' if generic else title
    batch = cfg.auto_scale_lr.base_batch_size \
        * cfg.optim_wrapper.get('accumulative_counts', 1)
    model: dict[str, Any] = {
        'Name': path.stem,
        'Config': f'configs/{path.relative_to(configs).as_posix()}',
        'In Collection': COLLECTIONS[kind][0],
        'Metadata': {
            'Architecture': _architecture(cfg.model),
            'Training Data': data,
            'Epochs': cfg.train_cfg.max_epochs,
            'Batch Size': batch,
        }}
    numbers = {} if generic else published.get(fingerprint(cfg), {})
    if numbers:
        model['Results'] = [{
            'Task': 'Action Recognition',
            'Dataset': data,
            'Metrics': {f'{what} (published, {_tables(tables)})': number
                        for (what, number), tables in numbers.items()}}]
    return model


def _architecture(model: Config) -> list[str]:
    parts = [model.backbone.type]
    if model.get('topology'):
        parts.append(model.topology.model.type)
        parts.append(model.cls_head.fusion.type)
    return [NAMES.get(part, part) for part in parts]


def _tables(numbers: list[int]) -> str:
    roman = {number: name for name, number in ROMAN.items()}
    return f'Table{"s" * (len(numbers) > 1)} ' + ', '.join(
        roman[number] for number in numbers)


if __name__ == '__main__':
    folder = Path(sys.argv[1])
    write_whole(folder / 'metafile.yml', metafile(folder).encode())

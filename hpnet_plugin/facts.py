"""What a dataset is: the facts of a folder, or of a benchmark.

A dataset folder holds its facts in ``dataset.json``, which extraction,
preparation and imports write. A benchmark's facts stand in one file of the
same keys, ``hpnet_plugin/datasets/benchmarks/NAME.json``. Configs are made
from them (:mod:`hpnet_plugin.recipes`), and nothing else says them again.
"""
from __future__ import annotations

from dataclasses import dataclass, field

FILE = 'dataset.json'
FORMAT, VERSION = 'hpnet_plugin dataset', 1


class FactsError(ValueError):
    """Facts that cannot be used; the message says why."""


@dataclass(frozen=True)
class Facts:
    """What training and testing must know of a dataset.

    Attributes:
        name (str): Short name: ``'ntu120_xset'``, or the folder's own.
        title (str): For people: ``'NTU RGB+D 120, cross-setup'``.
        folder (str): The dataset folder, as configs take it.
        classes (tuple[str], optional): Class names in label order; None
            where nothing is labelled.
        people (int): People a clip, M.
        frames (int): Frames that training resamples a clip to, T.
        taps (dict[str, int]): Feature maps of the store to their channels,
            that of the paper first.
        splits (dict[str, int | None]): Splits to their number of clips, as
            stored or, of a benchmark, as published (None: not published).
        use (dict[str, str]): ``'train'``, ``'val'`` and ``'test'`` to the
            split that is used for it. A part that is not there has no split.
        schedule (str): A name of :mod:`hpnet_plugin.recipes.schedules`.
        size (str): ``'full'``, or ``'small'`` for nets of half the width.
        benchmark (str, optional): The benchmark that it is; None for a
            folder of one's own.
        fusion (dict[str, float]): Published weights of the streams' fusion.
        joints3d (str): Layout of the joints of ``annotations_3d.pkl``:
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
    fusion: dict[str, float] = field(default_factory=dict)
    joints3d: str = 'nturgb+d'


def benchmark_facts(name: str) -> Facts:
    """Facts of a benchmark.

    Args:
        name (str): ``'ntu120'`` (its first protocol), ``'ntu120_xset'``, or
            the path of a ``.json`` file of one's own.

    Raises:
        FactsError: If there is no such benchmark, with the closest names.
    """
    raise NotImplementedError


def read_facts(folder: str) -> Facts:
    """Facts of a dataset folder.

    Folders that were written before there was a ``dataset.json`` are
    understood from their other files.

    Args:
        folder (str): The dataset folder.

    Raises:
        FileNotFoundError: If it is no dataset folder.
        FactsError: If its facts are damaged.
    """
    raise NotImplementedError

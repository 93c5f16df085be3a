"""From a download to what the extraction needs: clips, labels and splits."""
from __future__ import annotations

from collections.abc import Iterable

from .benchmark_preparation import prepare_benchmark
from .benchmarks import find_benchmark
from .clips import SourceClip
from .folder_preparation import (
    FOLDERS,
    NAMES,
    RANDOM,
    Shares,
    prepare_folder,
)
from .lists import PreparationError, read_named_clips
from .prepared import Preparation, write
from .sources import find

__all__ = ['FOLDER', 'Preparation', 'PreparationError', 'prepare', 'write']

FOLDER = 'folder'


def prepare(dataset: str, splits: list[str], source: str | list[SourceClip],
            leave_out: Iterable[str] | None = None,
            expected: Iterable[str] | None = None, test: float = 0.2,
            val: float = 0.1, seed: int = 0, earlier: str | None = None
            ) -> Preparation:
    """Check a download and divide its clips.

    Args:
        dataset: A benchmark of :mod:`hpnet_plugin.datasets.benchmarks`, whose
            clips are labelled and split by their names; or ``'folder'``,
            anything else, labelled by subfolder or "video label" a line.
        splits: What to make; several of one benchmark form one dataset, as
            ``xsub_train``, ``xsub_val``, ``xview_train`` and so on. Each is

            - a split of the benchmark;
            - ``NAME=FILE``: the clips that a list names, see
              :func:`~hpnet_plugin.datasets.lists.read_named_clips`;
            - ``'random'`` (of a folder): each class divided by chance;
            - ``'names'`` (of a folder): by person or video where all names
              tell, else by chance; see :mod:`.splitting`;
            - ``'folders'`` (of a folder): ``train/``, ``val/`` and
              ``test/`` of the source, each with a subfolder a class.

            None at all: all splits of the benchmark, or ``'names'``. Where
            a folder has ``train`` and no ``val``, that is cut from ``train``
            by chance, and ``train_full`` is both.
        source: See :func:`.sources.find`.
        leave_out: Clips to leave out. Defaults to NTU's clips without a
            skeleton, as published counts do.
        expected: Clips that should be there. Defaults to what NTU's recording
            plan says of the setups and subjects found, and otherwise to the
            lists in ``splits``.
        test: Share of a class that tests, if by chance.
        val: Share of a class's training clips that validates, if by chance.
        seed: Of chance.
        earlier: A folder that this module wrote. Clips that it divided by the
            same seed stay where they are.

    Returns:
        The clips, divided; nothing is written yet.

    Raises:
        ValueError: If the source, a name or a split is not as it should be.
    """
    lists, rules = _lists_and_rules(splits)
    if dataset == FOLDER:
        if len(rules) + bool(lists) > 1 or not {*rules} <= {
                RANDOM, NAMES, FOLDERS}:
            raise PreparationError(
                f'a folder is split {RANDOM!r}, by {NAMES!r}, by {FOLDERS!r} '
                f'or by lists (train=FILE test=FILE), one of these; got '
                f'{splits}')
        return prepare_folder((rules or [NAMES])[0], lists, source,
                              leave_out or (), expected,
                              Shares(test, val, seed), earlier)
    dataset, benchmark = find_benchmark(dataset)
    if not splits:
        rules = list(benchmark.splits)
    return prepare_benchmark(dataset, rules, lists, find(source, earlier),
                             leave_out, expected)


def _lists_and_rules(splits: Iterable[str]) -> tuple[
        dict[str, dict[str, str | None]], list[str]]:
    """``NAME=FILE`` read, by NAME, and the splits that name no file."""
    lists, rules = {}, []
    for split in splits:
        name, given, path = split.partition('=')
        if not given:
            rules.append(split)
        elif not name or name in lists:
            raise PreparationError(f'{split}: expected NAME=FILE, each name '
                                   'once')
        else:
            lists[name] = read_named_clips(path)
    return lists, rules

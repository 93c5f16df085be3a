"""The tables of a study, and the same as data."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .measures import SPENT, Measures
from .study_file import WHOLE, StudyRow


def row_record(measures: Measures, row: StudyRow, percent: int = WHOLE
               ) -> dict[str, Any]:
    """What a row came to.

    Args:
        measures: Of the study.
        row: The row.
        percent: Of the training clips.

    Returns:
        ``row``, ``percent``, ``train_clips``, ``runs`` that are done, pairs
        of a fold and a seed, and ``of`` how many; if any is done ``clips``
        that were tested, ``accuracy``, ``error`` (its standard error over
        seeds or None), ``by_seed``, ``mean_class_accuracy``, and of the
        trainings ``parameters``, ``train_seconds`` and
        ``train_cpu_seconds``, means that may be None.
    """
    pairs = measures.pairs(row, percent)
    record: dict[str, Any] = dict(
        row=row.name, percent=percent, train_clips=measures.clips(percent),
        runs=len(pairs),
        of=len(measures.folds) * len(measures.study.seeds))
    if not pairs:
        return record
    tested = measures.tested(row, pairs, percent)
    return dict(
        record, clips=len(tested.names), accuracy=tested.accuracy,
        error=tested.error, by_seed=tested.by_seed,
        mean_class_accuracy=tested.mean_class_accuracy,
        **{key: measures.spent(row, key, percent)
           for key in ('parameters', *SPENT)})


def study_table(records: Sequence[Mapping[str, Any]],
                costs: Mapping[str, str]) -> list[list[str]]:
    """The rows of a study.

    Args:
        records: Of :func:`row_record`.
        costs: Row to what else it costs, in words.

    Returns:
        Rows of text, the first row the header. The number of runs stands
        where some are missing.
    """
    table = [['', 'accuracy', 'mean class', 'M parameters', 'training, s',
              'CPU, s', 'runs', 'cost']]
    for record in records:
        done = '' if record['runs'] == record['of'] else \
            f'{record["runs"]} of {record["of"]} runs'
        cells = ['not run', '', '', '', '']
        if record['runs']:
            parameters = record['parameters']
            cells = [with_error(record['accuracy'], record['error']),
                     f'{record["mean_class_accuracy"]:.1f}',
                     '' if parameters is None else f'{parameters / 1e6:.2f}',
                     *('' if record[key] is None else f'{record[key]:.0f}'
                       for key in SPENT)]
        table.append([record['row'], *cells, done * bool(record['runs']),
                      costs.get(record['row'], '')])
    return table


def gains_table(gains: Sequence[Mapping[str, Any]], by: str
                ) -> list[list[str]]:
    """Paired comparisons.

    Args:
        gains: Of :meth:`.measures.Measures.gain`, with the names of the rows
            as ``first`` and ``second``; without ``gain`` where nothing is
            done on both.
        by: What is drawn again, ``'clip'`` or ``'group'``.

    Returns:
        Rows of text, the first row the header.
    """
    drawn = 'recordings' if by == 'clip' else 'groups'
    table = [['gain', 'over', 'accuracy', '95 %', 'p of no gain',
              'fold x seed', drawn]]
    for gain in gains:
        row = [gain['first'], gain['second']]
        if 'gain' in gain:
            row += [with_error(gain['gain'], gain['error'], sign='+'),
                    f'[{gain["low"]:+.1f}, {gain["high"]:+.1f}]',
                    f'{gain["p"]:.4f}',
                    f'{gain["pairs"]} of {gain["of"]}',
                    str(gain['clusters'])]
        else:
            row += ['not run', '', '', '', '']
        table.append(row)
    return table


def curve_table(records: Sequence[Sequence[Mapping[str, Any]]]
                ) -> list[list[str]]:
    """Accuracies by the number of training clips.

    Args:
        records: Of each row, those of :func:`row_record` for each fraction.

    Returns:
        Rows of text, the first row the header: percents and clips.
    """
    header = [f'{record["percent"]} %, {record["train_clips"]:.0f} clips'
              for record in records[0]]
    return [['', *header], *(
        [row[0]['row'], *(
            with_error(record['accuracy'], record['error'])
            + ('' if record['runs'] == record['of'] else
               f' ({record["runs"]} of {record["of"]})')
            if record['runs'] else 'not run' for record in row)]
        for row in records)]


def with_error(value: float, error: float | None, sign: str = '') -> str:
    """A number with its standard error.

    Args:
        value: The number.
        error: Its error; None if it is not known.
        sign: ``'+'`` where the number is a difference.

    Returns:
        Such as ``'70.3 ± 0.8'``.
    """
    text = f'{value:{sign}.1f}'
    return text if error is None else f'{text} ± {error:.1f}'

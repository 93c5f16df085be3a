"""What was measured of a table, beside the paper's numbers."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..datasets.benchmarks import compare_counts
from .paper_tables import Row
from .tables import Reproduction


def measured_table(reproduction: Reproduction
                   ) -> tuple[list[list[str]], dict[str, Any]]:
    """A table with what was measured.

    Where a row was tested on another number of clips than the published test
    split has, no difference to the paper's number is given.

    Args:
        reproduction: The table.

    Returns:
        Rows of text, the first row the header, and the same as JSON data:
        ``heading``, ``table``, ``benchmark``, ``metric``, ``reference``,
        which the published numbers are of, ``counts``, a sentence for each
        number of clips that was tested, and ``rows`` with ``id``, ``name``,
        ``published``, ``measured``, a number a seed, ``tested``, clips a
        seed, ``test_clips``, those of the published split (None where nobody
        knows), and ``runs``, what :meth:`.runs.Run.record` says of each.
    """
    table = reproduction.table
    same = table.reference == table.benchmark
    text = [['', 'paper' if same else f'paper, {table.reference}', 'measured',
             'difference' if same else '', '']]
    counts, rows = [], []
    for row in reproduction.rows:
        results = reproduction.measure(row)
        tested = [clips for _, clips in results if clips is not None]
        should = reproduction.published_clips(row) if tested else None
        found = [float(value) for value, _ in results]
        text.append(_line(row, found, tested, should, same,
                          reproduction.seeds))
        counts += [compare_counts(n, should) for n in tested]
        rows.append(dict(
            id=row.id, name=row.name, published=row.published, measured=found,
            tested=tested, test_clips=should, runs=reproduction.records(row)))
    return text, dict(
        heading=f'Table {table.number}: {table.title} ({table.benchmark})',
        table=table.number, benchmark=table.benchmark, metric=table.metric,
        reference=table.reference, counts=list(dict.fromkeys(counts)),
        rows=rows)


def _line(row: Row, found: list[float], tested: list[int],
          should: int | None, same: bool, seeds: int) -> list[str]:
    """A row as text; ``same``: the paper's number is of this benchmark."""
    published = '' if row.published is None else f'{row.published:.1f}'
    measured, difference, state = '', '', []
    if len(found) < seeds and not row.cost:
        state.append('published only' if not (
            row.recipe or row.fuse or row.of) else 'not run' if not found
            else f'{len(found)} of {seeds} seeds')
    if should is not None and {*tested} - {should}:
        same = False
        clips = ' and '.join(f'{n:,}' for n in sorted({*tested}))
        state.append(f'{clips} of {should:,} clips')
    if found:
        mean, digits = np.mean(found), 2 if row.cost else 1
        spread = f' ± {np.std(found, ddof=1):.1f}' if len(found) > 1 else ''
        measured = f'{mean:.{digits}f}{spread}'
        if same and row.published is not None:
            difference = f'{mean - row.published:+.{digits}f}'
    return [row.name, published, measured, difference, ', '.join(state)]

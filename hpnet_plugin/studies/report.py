"""All that is known of a study, as data, from what its runs came to."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..evaluation.tables import format_table
from .measures import Measures
from .tables import curve_table, gains_table, row_record, study_table


class Report(NamedTuple):
    """A study, measured.

    Attributes:
        title: What it compares.
        rows: Of each row its records, a fraction each, the whole last; see
            :func:`.tables.row_record`.
        gains: Of each pair that is compared, see
            :meth:`.measures.Measures.gain`.
        by: What the bootstrap drew.
        costs: Row to what else it costs.
    """
    title: str
    rows: list[list[dict[str, Any]]]
    gains: list[dict[str, Any]]
    by: str
    costs: dict[str, str]

    @property
    def complete(self) -> bool:
        """Whether every row is done on every fold and seed."""
        return all(record['runs'] == record['of']
                   for records in self.rows for record in records)

    def text(self) -> str:
        """The tables.

        Returns:
            As they are printed.
        """
        whole = [records[-1] for records in self.rows]
        parts = [self.title, format_table(study_table(whole, self.costs)),
                 self._sentence(whole)]
        if self.gains:
            parts.append(format_table(gains_table(self.gains, self.by)))
        if any(len(records) > 1 for records in self.rows):
            parts.append(format_table(curve_table(self.rows)))
        return '\n\n'.join(filter(None, parts))

    def record(self) -> dict[str, Any]:
        """The numbers.

        Returns:
            JSON data.
        """
        return dict(title=self.title, rows=self.rows, gains=self.gains,
                    by=self.by)

    @staticmethod
    def _sentence(whole: Sequence[dict[str, Any]]) -> str:
        tested = sorted({record['clips'] for record in whole
                         if record['runs']})
        if not tested:
            return ''
        return (f'Accuracies are percent of {" and ".join(map(str, tested))} '
                'tested clips, means over the seeds; ± is the standard error '
                'over seeds that tested all folds.')


def make_report(measures: Measures, rows: Sequence[str],
                percents: Sequence[int], by: str = 'clip') -> Report:
    """Measure a study.

    Args:
        measures: Of its results.
        rows: Names of the rows that are shown.
        percents: Fractions that are shown, ascending.
        by: See :meth:`.measures.Measures.gain`.

    Returns:
        The report.
    """
    study = measures.study
    records = [[row_record(measures, row, percent) for percent in percents]
               for row in study.rows if row.name in rows]
    gains = [dict(measures.gain(study[first], study[second], by=by) or {},
                  first=first, second=second)
             for first, second in study.compare
             if first in rows and second in rows]
    return Report(study.title, records, gains, by,
                  {row.name: row.cost for row in study.rows})

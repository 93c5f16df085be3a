"""What the runs of a study came to, and a file that keeps all of it.

``results.json`` holds each run with its settings, clips, hardware, seconds
and losses, ``scores.npz`` beside it the scores of its clips. Tables and
figures are made of these two alone.
"""
from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.scores import ScoreError, Scores
from ..files import write_whole
from .jobs import SETTINGS, Job
from .study_file import Study, StudyError

RESULTS, SCORES = 'results.json', 'scores.npz'
FORMAT, VERSION = 'hpnet_plugin study', 1
Key = tuple[str, str, int, int]  # row, fold, percent, seed


@dataclass(frozen=True, eq=False)
class Result:
    """What a run came to.

    Attributes:
        row: Name of the row.
        fold: Name of the fold.
        percent: Of its training clips.
        seed: Of the training.
        options: ``--cfg-options``.
        train: Names of the clips that trained.
        takes: Clip to take, of those that were tested.
        groups: Clip to group, of the same.
        record: What :meth:`~hpnet_plugin.reproduction.runs.Run.record` says.
        scores: Of the tested clips.
    """
    row: str
    fold: str
    percent: int
    seed: int
    options: list[str]
    train: list[str]
    takes: dict[str, str]
    groups: dict[str, str]
    record: dict[str, Any]
    scores: Scores

    @property
    def key(self) -> Key:
        """What tells it from other runs of its study."""
        return self.row, self.fold, self.percent, self.seed


def result_of(job: Job) -> Result:
    """The result of a run that is done.

    Args:
        job: The run.

    Returns:
        Its scores in float32, as the file keeps them.

    Raises:
        ScoreError: If the dump of its scores cannot be used.
        StudyError: If it tested other clips than those of its fold.
    """
    scores, test = job.run.read(), job.fold.test
    scores = replace(scores, scores=scores.scores.astype(np.float32))
    if sorted(scores.names) != sorted(clip.name for clip in test):
        raise StudyError(f'{job.run.folder} has tested other clips than those '
                         f'of fold {job.fold.name}: move it away')
    return Result(
        job.row.name, job.fold.name, job.percent, job.run.seed,
        list(job.run.options), [clip.name for clip in job.fold.train],
        {clip.name: clip.take for clip in test},
        {clip.name: clip.group for clip in test}, job.run.record(), scores)


def write_results(out: Path, study: Study, results: Sequence[Result]) -> None:
    """Write results, in the place of those that are there.

    Args:
        out: Folder of the study.
        study: The study.
        results: Those that are known.

    Raises:
        OSError: If they cannot be written.
    """
    runs, arrays = [], {}
    for result in results:
        name = '|'.join(map(str, result.key))
        arrays[name] = result.scores.scores
        entry = {key: value for key, value in vars(result).items()
                 if key != 'scores'}
        runs.append(dict(entry, test=result.scores.names,
                         labels=result.scores.known_labels.tolist(),
                         scores=name))
    content = dict(format=FORMAT, version=VERSION,
                   study=dict(asdict(study), path=str(study.path)), runs=runs)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    # scores without a run do no harm, runs without scores would
    write_whole(out / SCORES, buffer.getvalue())
    write_whole(out / RESULTS, (json.dumps(content, indent=1) + '\n').encode())


def read_results(out: Path) -> list[Result]:
    """Read what :func:`write_results` wrote.

    Args:
        out: Folder of the study.

    Returns:
        Empty if nothing was written yet.

    Raises:
        StudyError: If the files are damaged.
    """
    path = out / RESULTS
    if not path.is_file():
        return []
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        if (content['format'], content['version']) != (FORMAT, VERSION):
            raise ValueError(f'format {FORMAT!r} {VERSION} expected')
        with np.load(out / SCORES, allow_pickle=False) as arrays:
            return [_result(dict(entry), arrays, str(path))
                    for entry in content['runs']]
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile,
            ScoreError, RecursionError) as error:
        raise StudyError(
            f'{path} and {SCORES} beside it cannot be used ({error}): remove '
            'them; they are made again of the runs') from None


def _result(entry: dict[str, Any], arrays: Mapping[str, np.ndarray],
            source: str) -> Result:
    names, labels = entry.pop('test'), entry.pop('labels')
    entry['scores'] = Scores(names, arrays[entry['scores']],
                             np.array(labels, np.int64), source)
    return Result(**entry)


def gather(jobs: Sequence[Job], known: Sequence[Result]) -> list[Result]:
    """Results of runs: of their folders, else of those that are known.

    Args:
        jobs: The runs.
        known: Of an earlier time; they count if settings and clips are those
            of the run, so that folders of runs may be removed.

    Returns:
        In the order of the runs, without those that are not done.

    Raises:
        ScoreError: If a dump of scores cannot be used.
        StudyError: If a run has tested other clips than its fold has.
    """
    before = {result.key: result for result in known}
    found = []
    for job in jobs:
        key = (job.row.name, job.fold.name, job.percent, job.run.seed)
        earlier = before.get(key)
        if job.run.done:
            found.append(result_of(job))
        elif earlier is not None and \
                earlier.options == list(job.run.options):
            # the path of the dataset among the options tells the clips
            found.append(earlier)
    return found


def of_study(known: Sequence[Result], study: Study) -> list[Result]:
    """Results of the settings that a study has now, without its dataset.

    Args:
        known: Of an earlier time.
        study: The study.

    Returns:
        Those of its rows.
    """
    rows = {row.name: (*SETTINGS, *row.options) for row in study.rows}
    return [result for result in known
            if (*result.options[:-1], ) == rows.get(result.row)]

"""Score files: the classification scores of a set of named clips.

Loading one never runs code from it: see ``hpnet_plugin/unpickling.py``.
"""
import collections
import glob
import json
import os
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..files import write_whole
from ..unpickling import UnsafePickleError, unpickle

_WEIGHT = re.compile(
    r'(?P<file>.+):(?P<weight>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)')


class ScoreError(ValueError):
    """A score file that cannot be used as asked; the message says why."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one stream.

    Args:
        names (list[str]): Clip names, N of them, each once.
        scores (np.ndarray): (N, K) float64, higher is likelier.
        labels (np.ndarray, optional): (N,) int64 in [0, K), or None where
            the file holds none.
        source (str): Where the scores come from, for messages and tables.

    Raises:
        ScoreError: Shapes that disagree, duplicated names, scores that are
            not finite, labels out of range.
    """
    names: list
    scores: np.ndarray
    labels: np.ndarray | None
    source: str

    def __post_init__(self):
        num = len(self.names)
        if num == 0:
            raise ScoreError(f'{self.source}: holds no clip')
        if self.scores.ndim != 2 or len(self.scores) != num:
            raise ScoreError(
                f'{self.source}: scores of shape {self.scores.shape} for '
                f'{num} clip names, expected ({num}, classes)')
        twice = [n for n, c in collections.Counter(self.names).items()
                 if c > 1]
        if twice:
            raise ScoreError(f'{self.source}: {listed(twice)} more than '
                             'once; every clip name must be unique')
        broken = [n for n, ok in
                  zip(self.names, np.isfinite(self.scores).all(1)) if not ok]
        if broken:
            raise ScoreError(f'{self.source}: scores that are not finite '
                             f'for {listed(broken)}')
        if self.labels is not None:
            check_labels(self.names, self.labels, self.num_classes,
                         self.source)

    @property
    def num_classes(self):
        """Number of classes K."""
        return self.scores.shape[1]


def check_labels(names, labels, num_classes, source):
    """Refuse labels outside [0, num_classes).

    Raises:
        ScoreError: Names the clips.
    """
    bad = [f'{n} ({label})' for n, label in zip(names, labels)
           if not 0 <= label < num_classes]
    if bad:
        raise ScoreError(f'{source}: labels out of range for {listed(bad)}; '
                         f'the scores have {num_classes} classes, so labels '
                         f'run from 0 to {num_classes - 1}')


def listed(names, limit=3):
    """'1 clip: a' or '7 clips: a, b, c, …', for messages."""
    names = [str(n) for n in names]
    shown = ', '.join(names[:limit]) + (', …' if len(names) > limit else '')
    return f'{len(names)} clip{"s" if len(names) != 1 else ""}: {shown}'


def parse_spec(spec):
    """Split ``FILE[:WEIGHT]``; the last ``:number`` is the weight.

    Returns:
        tuple[str, float]: The path, which may hold colons itself, and the
        weight, 1 where none is given.
    """
    match = _WEIGHT.fullmatch(spec)
    if match:
        return match['file'], float(match['weight'])
    return spec, 1.0


def read_scores(path):
    """Read the scores of one stream.

    Args:
        path (str): One of

            - ``.pkl``: the dump of ``mim test … --dump``, a list with
              ``pred_score`` (K,), ``gt_label`` (1,) and ``frame_dir`` a
              clip, and ``pred_score_<stream>`` where the model has several
              streams: ``FILE#<stream>`` reads one of these; or a dict of
              clip name to (K,) scores, as the released GCN streams are kept;
            - ``.npy``: (N, K), with the clip names a line in a text file
              beside it: ``x.npy`` and ``x.txt``, or ``x_score.npy`` and
              ``x_name.txt``;
            - ``.json``: a dict of clip name to K numbers;
            - a pattern with ``*``, ``?`` or ``[``: parts of one stream, for
              instance one file a rank, put together.

    Returns:
        Scores: With labels where the file has them.

    Raises:
        ScoreError: Missing, broken or unusable file.
    """
    path = os.fspath(path)
    file, mark, stream = path.rpartition('#')
    if mark and not os.path.exists(path):
        return _stream_of(file, stream)
    if not os.path.exists(path) and glob.has_magic(path):
        parts = [read_scores(p) for p in sorted(glob.glob(path))]
        if not parts:
            raise ScoreError(f'{path}: no file matches this pattern')
        return _concatenate(parts, path)
    if not os.path.isfile(path):
        raise ScoreError(f'{path}: no such file')
    readers = {'.pkl': _read_pickle, '.npy': _read_npy, '.json': _read_json}
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in readers:
        raise ScoreError(f'{path}: unknown kind of score file {suffix!r}, '
                         f'expected one of {", ".join(readers)}')
    try:
        return readers[suffix](path)
    except ScoreError:
        raise
    except UnsafePickleError as error:
        raise ScoreError(str(error)) from None
    except Exception as error:
        # A broken pickle may raise nearly anything.
        raise ScoreError(f'{path}: not a readable score file '
                         f'({type(error).__name__}: {error})') from error


def write_scores(path, scores):
    """Write scores as a dump like that of ``mim test … --dump``.

    Args:
        path (str): A ``.pkl`` file; it appears whole or not at all.
        scores (Scores): With labels.
    """
    path = Path(path)
    if path.suffix.lower() != '.pkl':
        raise ScoreError(f'{path}: score dumps are .pkl files')
    top = scores.scores.argmax(1)
    # Each tensor owns its storage: a row view would carry the whole array.
    samples = [
        dict(frame_dir=name,
             num_classes=scores.num_classes,
             pred_label=torch.tensor([int(top[i])]),
             gt_label=torch.tensor([int(scores.labels[i])]),
             pred_score=torch.tensor(scores.scores[i], dtype=torch.float32))
        for i, name in enumerate(scores.names)
    ]
    write_whole(path, pickle.dumps(samples, protocol=2))


def _stream_of(path, stream):
    """One of the streams in a dump."""
    if not os.path.isfile(path):
        raise ScoreError(f'{path}: no such file')
    samples, prefix = unpickle(path), 'pred_score_'
    known = sorted(key[len(prefix):] for key in samples[0]
                   if key.startswith(prefix)) \
        if isinstance(samples, list) and samples else []
    if stream not in known:
        raise ScoreError(f'{path} has no stream {stream!r}; it has '
                         f'{", ".join(known) or "none"}')
    return _from_samples(
        [dict(sample, pred_score=sample[prefix + stream])
         for sample in samples], f'{path}#{stream}')


def _read_pickle(path):
    data = unpickle(path)
    if isinstance(data, dict):
        return _from_dict(data, path)
    return _from_samples(data, path)


def _from_samples(data, path):
    if not isinstance(data, (list, tuple)) or not all(
            isinstance(d, dict) for d in data):
        raise ScoreError(
            f'{path}: holds a {type(data).__name__}, expected the dump of '
            'mim test (a list of dicts) or a dict of clip name to scores')
    names, rows, labels = [], [], []
    for index, sample in enumerate(data):
        if 'frame_dir' not in sample:
            raise ScoreError(
                f'{path}: sample {index} has no frame_dir, so its clip is '
                'unknown. Set PackActionInputs(meta_keys=("frame_dir", '
                '"img_shape")) in the test pipeline and test again')
        name = sample['frame_dir']
        score = sample.get('pred_score')
        if isinstance(score, dict):
            raise ScoreError(
                f'{path}: {name} has several scores ({", ".join(score)}); '
                'dump each as a file of its own')
        if score is None:
            raise ScoreError(f'{path}: {name} has no pred_score')
        names.append(name)
        rows.append(np.asarray(score, dtype=np.float64))
        if sample.get('gt_label') is not None:
            label = np.asarray(sample['gt_label']).reshape(-1)
            if label.size != 1:
                raise ScoreError(f'{path}: {name} has {label.size} labels, '
                                 'expected one')
            labels.append(int(label[0]))
    if labels and len(labels) != len(names):
        raise ScoreError(f'{path}: {len(names) - len(labels)} of '
                         f'{len(names)} clips have no gt_label')
    return _build(names, rows, labels or None, path)


def _read_json(path):
    with open(path, encoding='utf-8') as file:
        data = json.load(file)
    if not isinstance(data, dict):
        raise ScoreError(f'{path}: holds a {type(data).__name__}, expected '
                         'a dict of clip name to scores')
    return _from_dict(data, path)


def _read_npy(path):
    scores = np.load(path, allow_pickle=False)
    stem = os.path.splitext(path)[0]
    head, base = os.path.split(stem)
    tried = [f'{stem}.txt']
    if 'score' in base:
        tried.append(os.path.join(head, base.replace('score', 'name')
                                  + '.txt'))
    for names in tried:
        if os.path.isfile(names):
            lines = Path(names).read_text(encoding='utf-8').splitlines()
            return _build([n.strip() for n in lines if n.strip()], scores,
                          None, path)
    raise ScoreError(f'{path}: its clip names are missing; none of '
                     f'{", ".join(tried)} is there (one name a line)')


def _from_dict(data, path):
    rows = [np.asarray(row, dtype=np.float64) for row in data.values()]
    return _build([str(name) for name in data], rows, None, path)


def _build(names, rows, labels, path):
    shapes = {np.shape(row) for row in rows}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ScoreError(f'{path}: scores a clip of shapes '
                         f'{sorted(shapes)[:4]}, expected one (classes,)')
    scores = np.asarray(rows, dtype=np.float64)
    if labels is not None:
        labels = np.asarray(labels, dtype=np.int64)
    return Scores(list(names), scores, labels, path)


def _concatenate(parts, source):
    classes = {p.num_classes for p in parts}
    if len(classes) > 1:
        raise ScoreError(f'{source}: parts with {sorted(classes)} classes')
    labelled = [p.labels is not None for p in parts]
    if any(labelled) and not all(labelled):
        raise ScoreError(f'{source}: only some parts have labels')
    first = replace(parts[0], source=source)
    if len(parts) == 1:
        return first
    return Scores([n for p in parts for n in p.names],
                  np.concatenate([p.scores for p in parts]),
                  np.concatenate([p.labels for p in parts])
                  if all(labelled) else None, source)

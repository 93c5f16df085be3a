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

from ..files import VIDEO_SUFFIXES, write_whole
from ..unpickling import UnsafePickleError, unpickle
from .metrics import is_probability

# What a rank of the released recogniser writes: 0_best_score.npy, and of its
# auxiliary classifiers 0_best_j_score.npy, beside 0_best_name.txt.
_RANK = re.compile(
    r'(?P<rank>\d+)_(?P<when>[a-z]+)(_(?P<stream>[a-z]+))?_score\.npy')
_WEIGHT = re.compile(
    r'(?P<file>.+):(?P<weight>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)')


class ScoreError(ValueError):
    """A score file that cannot be used as asked; the message says why."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one stream.

    Args:
        names (list[str]): Clip names without a video's suffix, N of them,
            each once.
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

    Raises:
        ScoreError: If what follows the file's name is no number.
    """
    match = _WEIGHT.fullmatch(spec)
    if match:
        return match['file'], float(match['weight'])
    file, colon, weight = spec.rpartition(':')
    if colon and os.path.exists(file) and not os.path.exists(spec):
        raise ScoreError(f'{spec}: the weight {weight!r} of {file} is no '
                         'number; give FILE or FILE:WEIGHT, such as '
                         f'{file}:0.5')
    return spec, 1.0


def read_scores(path, clips=None):
    """Read the scores of one stream.

    Args:
        path (str): One of

            - ``.pkl``: the dump of ``mim test … --dump``, a list with
              ``pred_score`` (K,), ``gt_label`` (1,) and ``frame_dir`` a
              clip; a dict of clip name to (K,) scores, as the released GCN
              streams are kept; or a list of (K,) scores, as pyskl and
              mmaction 0.x write, which needs ``clips``;
            - a folder with the released recogniser's arrays, those of every
              rank together: ``0_best_score.npy`` with ``0_best_name.txt``,
              ``1_best_score.npy``, …; other files in it do not count;
            - ``.npy``: (N, K), with the clip names a line in a text file
              beside it: ``x.npy`` and ``x.txt``, or ``x_score.npy`` and
              ``x_name.txt``;
            - ``.json``: a dict of clip name to K numbers, or a list of K
              numbers a clip, which needs ``clips``;
            - a pattern with ``*``, ``?`` or ``[``: parts of one stream, for
              instance one file a rank, put together.

            ``#<stream>`` after a dump or folder reads one of the streams in
            it: ``pred_score_<stream>``, the entry of a ``pred_score`` that
            is a dict, or the arrays ``0_best_<stream>_score.npy``, ….
        clips (dict[str, int], optional): The clips that were tested in
            their order, with their labels (None where unknown), for files
            without clip names; see
            :func:`~hpnet_plugin.evaluation.annotations.read_clips`.

    Returns:
        Scores: With labels where the file has them, or ``clips`` if it has
        no names either.

    Raises:
        ScoreError: Missing, broken or unusable file.
    """
    path = os.fspath(path)
    stream, file = None, path
    if '#' in path and not os.path.exists(path):
        file, _, stream = path.rpartition('#')
    if os.path.isdir(file):
        return _read_folder(file, stream, path)
    if not os.path.exists(file) and glob.has_magic(file):
        parts = [f'{p}#{stream}' if stream else p
                 for p in sorted(glob.glob(file))]
        if not parts:
            raise ScoreError(f'{path}: no file matches this pattern')
        return _concatenate([read_scores(p) for p in parts], path)
    if not os.path.isfile(file):
        raise ScoreError(f'{file}: no such file')
    suffix = os.path.splitext(file)[1].lower()
    if suffix not in ('.pkl', '.npy', '.json'):
        raise ScoreError(f'{path}: unknown kind of score file {suffix!r}, '
                         'expected .pkl, .npy, .json, or a folder of arrays')
    try:
        if suffix == '.npy':
            if stream is not None:
                raise ScoreError(f'{file} is one stream, without {stream!r}')
            return _read_npy(file)
        if suffix == '.json':
            with open(file, encoding='utf-8') as opened:
                data = json.load(opened)
        else:
            data = unpickle(file)
        return _from_data(data, stream, clips, path)
    except ScoreError:
        raise
    except UnsafePickleError as error:
        raise ScoreError(str(error)) from None
    except Exception as error:
        # A broken pickle may raise nearly anything. Of .npy files numpy
        # advises to load pickles, which runs code.
        why = f'{type(error).__name__}: {error}'.removeprefix(
            f'UnreadablePickleError: {file}: ')
        if 'allow_pickle' in why:
            why = 'it holds no array of numbers'
        raise ScoreError(f'{path}: not a readable score file ({why}); '
                         'expected what hpnet test --dump or hpnet fuse --out '
                         'writes, or another file that hpnet fuse --help '
                         'lists') from error


def write_scores(path, scores):
    """Write scores as a dump like that of ``mim test … --dump``.

    Args:
        path (str): A ``.pkl`` file; it appears whole or not at all.
        scores (Scores): With labels.
    """
    path = Path(path)
    if path.suffix.lower() != '.pkl':
        raise ScoreError(f'{path}: score dumps are .pkl files')
    import torch  # here: reading arrays needs none
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


def _from_data(data, stream, clips, path):
    """Scores of what a .pkl or .json file holds."""
    if isinstance(data, dict):
        if stream is not None:
            raise ScoreError(f'{path}: a dict of clip name to scores has no '
                             f'stream {stream!r}')
        return _build([str(name) for name in data], data.values(), None,
                      path)
    if not isinstance(data, (list, tuple)):
        raise ScoreError(
            f'{path}: holds a {type(data).__name__}, expected the dump of '
            'mim test (a list of dicts), a dict of clip name to scores, or '
            'a list of scores')
    if data and all(isinstance(sample, dict) for sample in data):
        return _from_samples(data, stream, clips, path)
    if data and clips is None:
        raise ScoreError(
            f'{path}: holds scores without clip names, as pyskl writes '
            'them; name the annotation file and the split that was tested '
            'by --annotations and --split')
    return _nameless(data, None, clips or {}, path)


def _from_samples(samples, stream, clips, path):
    """Scores of a list of dicts, one a clip."""
    named = ['frame_dir' in sample for sample in samples]
    rows, labels = [], []
    for index, sample in enumerate(samples):
        name = sample.get('frame_dir', f'sample {index}')
        rows.append(_pick(sample, stream, name, path))
        # Release candidates of mmaction2 1.0 nest and say it in the plural.
        label = sample.get('gt_label', sample.get('gt_labels'))
        if isinstance(label, dict):
            label = label.get('item')
        if label is not None:
            label = np.asarray(label).reshape(-1)
            if label.size != 1:
                raise ScoreError(f'{path}: {name} has {label.size} labels, '
                                 'expected one')
            labels.append(int(label[0]))
    if set(labels) == {-1}:  # of a folder without labels
        labels = []
    if labels and len(labels) != len(samples):
        raise ScoreError(f'{path}: {len(samples) - len(labels)} of '
                         f'{len(samples)} clips have no gt_label')
    if all(named):
        return _build([sample['frame_dir'] for sample in samples], rows,
                      labels or None, path)
    if clips is None or any(named):
        raise ScoreError(
            f'{path}: sample {named.index(False)} has no frame_dir, so its '
            'clip is unknown. Set PackActionInputs(meta_keys=("frame_dir", '
            '"img_shape")) in the test pipeline and test again, or name the '
            'annotation file and split by --annotations and --split')
    return _nameless(rows, labels, clips, path)


def _pick(sample, stream, name, path):
    """The scores of a sample, of one stream if it has several."""
    main, prefix = 'pred_score', 'pred_score_'
    found = sample.get(main, sample.get('pred_scores'))
    several = {key[len(prefix):]: value for key, value in sample.items()
               if key.startswith(prefix)}
    if isinstance(found, dict):
        several.update(found)
        found = found.get('item')
    if stream is not None:
        if stream not in several:
            raise ScoreError(
                f'{path}: {name} has no stream {stream!r}; it has '
                f'{", ".join(sorted(several)) or "none"}')
        return several[stream]
    if found is None:
        raise ScoreError(f'{path}: {name} has no pred_score' + (
            f', but several streams ({", ".join(sorted(several))}); name '
            f'one: {path}#{min(several)}' if several else ''))
    return found


def _nameless(rows, labels, clips, path):
    """Scores in the order of the annotation file."""
    if len(rows) != len(clips):
        raise ScoreError(
            f'{path}: holds scores of {len(rows)} clips without their names, '
            f'and the annotations name {len(clips)}; is it another split?')
    known = list(clips.values())
    if None in known:
        known = labels
    elif labels and labels != known:
        wrong = [f'{name} ({label} and {own})' for name, label, own
                 in zip(clips, labels, known) if label != own]
        raise ScoreError(
            f'{path} and the annotations contradict each other in the labels '
            f'of {listed(wrong)}; it tested other clips, or in another order')
    return _build(list(clips), rows, known or None, path)


def _read_folder(folder, stream, source):
    """The arrays of all ranks of the released recogniser."""
    found = collections.defaultdict(dict)
    for entry in sorted(os.listdir(folder)):
        match = _RANK.fullmatch(entry)
        if match:
            found[match['stream']].setdefault(match['when'], {})[
                int(match['rank'])] = os.path.join(folder, entry)
    if stream not in found:
        others = sorted(f'{folder}#{key}' for key in found if key)
        raise ScoreError(
            f'{source}: this folder holds no scores; expected files called '
            f'0_best_{stream or ""}{"_" if stream else ""}score.npy'
            + (f'; it has {", ".join(others)}' if others else ''))
    kinds = found[stream]
    if len(kinds) > 1:
        raise ScoreError(
            f'{source}: arrays of {" and ".join(kinds)} in one folder; name '
            f'one by a pattern: "{folder}/*_{min(kinds)}_score.npy"')
    (ranks, ) = kinds.values()
    missing = set(range(max(ranks) + 1)) - set(ranks)
    if missing:
        raise ScoreError(f'{source}: the arrays of ranks '
                         f'{sorted(missing)} are missing')
    return _concatenate([read_scores(ranks[rank]) for rank in sorted(ranks)],
                        source)


def _read_npy(path):
    scores = np.load(path, allow_pickle=False)
    folder, base = os.path.split(os.path.splitext(path)[0])
    tried = [base]
    if 'score' in base:
        tried.append(base.replace('score', 'name'))
    match = _RANK.fullmatch(os.path.basename(path))
    if match and match['stream']:
        tried.append(f'{match["rank"]}_{match["when"]}_name')
    tried = [os.path.join(folder, f'{stem}.txt') for stem in tried]
    for names in tried:
        if os.path.isfile(names):
            lines = Path(names).read_text(encoding='utf-8').splitlines()
            return _build([n.strip() for n in lines if n.strip()], scores,
                          None, path)
    raise ScoreError(f'{path}: its clip names are missing; none of '
                     f'{", ".join(tried)} is there (one name a line)')


def _build(names, rows, labels, path):
    # tensors are told by what they can do: torch takes seconds to import
    rows = [row.double().numpy() if hasattr(row, 'double')
            else np.asarray(row, dtype=np.float64) for row in rows]
    shapes = {row.shape for row in rows}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ScoreError(f'{path}: scores a clip of shapes '
                         f'{sorted(shapes)[:4]}, expected one (classes,)')
    if labels is not None:
        labels = np.asarray(labels, dtype=np.int64)
    return Scores([clip_name(name) for name in names], np.array(rows), labels,
                  path)


def clip_name(name):
    """A clip's name as the extraction makes it: without a video's suffix."""
    if name.lower().endswith(VIDEO_SUFFIXES):
        return os.path.splitext(name)[0]
    return name


def _concatenate(parts, source):
    classes = {p.num_classes for p in parts}
    if len(classes) > 1:
        raise ScoreError(f'{source}: parts with {sorted(classes)} classes')
    if len({is_probability(p.scores) for p in parts}) > 1:
        raise ScoreError(f'{source}: some parts are probabilities, some '
                         'logits: they are not of one stream')
    labelled = [p.labels is not None for p in parts]
    if any(labelled) and not all(labelled):
        raise ScoreError(f'{source}: only some parts have labels')
    if len(parts) == 1:
        return replace(parts[0], source=source)
    return Scores([n for p in parts for n in p.names],
                  np.concatenate([p.scores for p in parts]),
                  np.concatenate([p.labels for p in parts])
                  if all(labelled) else None, source)

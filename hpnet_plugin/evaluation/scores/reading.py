"""Score files of any format, read as one stream each."""
from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Mapping

from ...unpickling import UnsafePickleError, no_collection, unpickle
from .arrays import rank_files, read_array
from .dumps import from_content, from_regular
from .named_scores import ScoreError, Scores, concatenate
from .regular import read_regular

_WEIGHT = re.compile(
    r'(?P<file>.+):(?P<weight>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)')


def parse_spec(spec: str) -> tuple[str, float]:
    """Split ``FILE[:WEIGHT]``; the last ``:number`` is the weight.

    Args:
        spec: As on the command line.

    Returns:
        The path, which may hold colons itself, and the weight, 1 where none
        is given.

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


def read_scores(path: str | os.PathLike,
                clips: Mapping[str, int | None] | None = None) -> Scores:
    """Read the scores of one stream.

    Args:
        path: One of

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
        clips: The clips that were tested in their order, with their labels
            (None where unknown), for files without clip names; see
            :func:`~hpnet_plugin.evaluation.annotations.read_clips`.

    Returns:
        With labels where the file has them, or ``clips`` if it has no names
        either.

    Raises:
        ScoreError: Missing, broken or unusable file.
    """
    source = os.fspath(path)
    stream, file = None, source
    if '#' in source and not os.path.exists(source):
        file, _, stream = source.rpartition('#')
    if os.path.isdir(file):
        parts = rank_files(file, stream, source)
    elif not os.path.exists(file) and glob.has_magic(file):
        parts = [f'{p}#{stream}' if stream else p
                 for p in sorted(glob.glob(file))]
        if not parts:
            raise ScoreError(f'{source}: no file matches this pattern')
    else:
        return _read_file(file, stream, clips, source)
    return concatenate([read_scores(part) for part in parts], source)


def _read_file(file: str, stream: str | None,
               clips: Mapping[str, int | None] | None, path: str) -> Scores:
    """The scores of a single file; ``path`` is what was asked for."""
    if not os.path.isfile(file):
        raise ScoreError(f'{file}: no such file')
    suffix = os.path.splitext(file)[1].lower()
    if suffix not in ('.pkl', '.npy', '.json'):
        raise ScoreError(f'{path}: unknown kind of score file {suffix!r}, '
                         'expected .pkl, .npy, .json, or a folder of arrays')
    if suffix == '.npy' and stream is not None:
        raise ScoreError(f'{file} is one stream, without {stream!r}')
    try:
        if suffix == '.npy':
            return read_array(file)
        if suffix == '.json':
            with open(file, encoding='utf-8') as opened:
                content = json.load(opened)
        else:
            regular = read_regular(file, stream)
            if regular is not None:
                return from_regular(regular, path)
            content = unpickle(file, arrays=True)
        with no_collection():
            return from_content(content, stream, clips, path)
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

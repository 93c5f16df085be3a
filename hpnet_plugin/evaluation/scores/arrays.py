"""Scores in ``.npy`` arrays, with the clip names in text files beside them."""
from __future__ import annotations

import collections
import os
import re
from pathlib import Path

from ...npy_files import read_npy
from .named_scores import ScoreError, Scores, stream_of

# What a rank of the released recogniser writes: 0_best_score.npy, and of its
# auxiliary classifiers 0_best_j_score.npy, beside 0_best_name.txt.
_RANK = re.compile(
    r'(?P<rank>\d+)_(?P<when>[a-z]+)(_(?P<stream>[a-z]+))?_score\.npy')


def read_array(path: str) -> Scores:
    """Read an array of scores and its clip names.

    Args:
        path: ``x.npy`` beside ``x.txt``, ``x_score.npy`` beside
            ``x_name.txt``, or an array of :func:`rank_files`.

    Returns:
        Without labels.

    Raises:
        ScoreError: No names, or other faults of :class:`Scores`.
        OSError: The file cannot be read.
        ValueError: It is no array of numbers.
    """
    scores = read_npy(path)
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
            return stream_of([n.strip() for n in lines if n.strip()], scores,
                             None, path)
    raise ScoreError(f'{path}: its clip names are missing; none of '
                     f'{", ".join(tried)} is there (one name a line)')


def rank_files(folder: str, stream: str | None, source: str) -> list[str]:
    """The arrays that all ranks of the released recogniser have written.

    Args:
        folder: Where they are; other files in it do not count.
        stream: An auxiliary classifier; None for the recogniser itself.
        source: What was asked for, for messages.

    Returns:
        Paths in the order of the ranks.

    Raises:
        ScoreError: No such arrays, those of some rank missing, or those of
            several epochs.
    """
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
    return [ranks[rank] for rank in sorted(ranks)]

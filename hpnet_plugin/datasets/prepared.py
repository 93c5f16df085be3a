"""A download that was checked: what it holds, and the files that say so."""
from __future__ import annotations

import json
import os
import os.path as osp
from typing import Any, NamedTuple

from ..facts import FILE, Facts, write_facts
from ..files import VIDEO_SUFFIXES, write_whole
from .clips import SourceClip
from .folder import describe
from .lists import PreparationError, bare_names
from .names import write_names

# of a folder of one's own, until its clips are extracted
PEOPLE, FRAMES = 2, 64
LISTED = 10  # missing clips that are named in a note


class Preparation(NamedTuple):
    """A download, checked.

    Attributes:
        clips: Those that are in any split.
        labels: Of all clips that have one, to class.
        classes: Names in label order; None where the source has numbers only.
        splits: Split to clip names.
        counts: For each split its name, how many clips it has, and how many it
            should have (None: unknown).
        missing: Clips that should be there and are not.
        notes: What else was seen.
        rule: How the splits came about; see :class:`splitting.Division`.
        benchmark: Facts of the benchmark.
    """
    clips: list[SourceClip]
    labels: dict[str, int]
    classes: list[str] | None
    splits: dict[str, list[str]]
    counts: list[tuple[str, int, int | None]]
    missing: list[str]
    notes: list[str]
    rule: dict[str, Any] = {'by': 'given'}
    benchmark: Facts | None = None

    @property
    def table(self) -> list[list[str]]:
        """The counts, a row a split."""
        rows = [['split', 'clips', 'should have', '']]
        for split, found, should in self.counts:
            more = found - (should or 0)
            rows.append([
                split, str(found), '' if should is None else str(should),
                '' if should is None else 'complete' if not more else
                f'{-more} missing' if more < 0 else f'{more} more'])
        return rows


def result(clips: list[SourceClip],
           labels: dict[str, int],
           classes: list[str] | None,
           splits: dict[str, list[str]],
           counts: list[tuple[str, int, int | None]],
           expected: set[str],
           notes: list[str],
           where: str = '') -> Preparation:
    """A preparation of clips that are divided.

    Args:
        clips: All clips of the source.
        labels: Clip to class.
        classes: Class names in label order, if there are any.
        splits: Split to clip names.
        counts: See :class:`Preparation`.
        expected: Bare names of clips that should be there.
        notes: What was seen up to here.
        where: What to say behind the number of missing clips.

    Returns:
        The preparation.

    Raises:
        PreparationError: If no clip is in any split, or a name of a clip holds
            a space.
    """
    used = {name for members in splits.values() for name in members}
    if not used:
        raise PreparationError('no clip is in any split: is this the right '
                               f'dataset? Found {clips[0].name}, for one')
    spaced = [name for name in labels if len(name.split()) > 1]
    if spaced:
        raise PreparationError(f'names of clips may not hold spaces: '
                               f'{spaced[0]!r}; rename the video')
    missing = sorted(expected - bare_names(clip.name for clip in clips))
    if missing:
        notes = [*notes, f'{len(missing)}{where} are missing: '
                 + ', '.join(missing[:LISTED])
                 + (', …' if len(missing) > LISTED else '')]
    return Preparation([clip for clip in clips if clip.name in used], labels,
                       classes, splits, counts, missing, notes)


def write(preparation: Preparation, out: str) -> list[str]:
    """Write what the extraction reads.

    ``clips.txt`` (a source for ``hpnet extract``: the videos of the
    splits, with their labels), ``labels.txt``, ``splits.json``,
    ``classes.txt`` where classes have names, ``missing.txt`` where clips are
    missing, ``names.json`` (:mod:`.names`) and ``dataset.json``, the facts
    (:mod:`hpnet_plugin.facts`).

    Args:
        preparation: Of :func:`prepare`.
        out: The folder.

    Returns:
        The files, each written whole.
    """
    labels = preparation.labels
    content = {
        'labels.txt': [f'{name} {labels[name]}' for name in sorted(labels)],
        'clips.txt': [f'{osp.abspath(clip.path)} {labels[clip.name]}'
                      for clip in preparation.clips
                      if clip.path.lower().endswith(VIDEO_SUFFIXES)],
        'classes.txt': preparation.classes,
        'missing.txt': preparation.missing,
    }
    files = {name: '\n'.join(lines) + '\n'
             for name, lines in content.items() if lines}
    files['splits.json'] = json.dumps(preparation.splits, indent=1) + '\n'
    for name in content.keys() - files.keys():
        # of an earlier run, and no longer true
        if osp.exists(osp.join(out, name)):
            os.unlink(osp.join(out, name))
    for name, text in files.items():
        write_whole(osp.join(out, name), text.encode())
    write_names(out, preparation.clips)
    sizes = {split: len(names) for split, names in preparation.splits.items()}
    facts = describe(
        out,
        preparation.classes or map(str, range(max(labels.values()) + 1)),
        sizes, {}, PEOPLE, [FRAMES], source=preparation.benchmark)
    write_facts(out, facts, split_rule=preparation.rule)
    return [osp.join(out, name) for name in (*files, FILE)]

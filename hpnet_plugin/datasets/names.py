"""Which clip of a dataset folder is which video: names that do not change.

A clip is called like its file. Where videos of several folders are called
the same, each has the name of its folder before it, ``FOLDER__FILE``. What a
clip was called once it is always called: ``names.json`` of the dataset
folder keeps it, so that ``walk/001.mp4`` stays ``001`` where it was alone,
and a ``run/001.mp4`` that comes later becomes ``run__001``.
"""
from __future__ import annotations

import json
import os
import os.path as osp
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ..benchmark_files import FactsError, read_json
from ..files import locked, write_whole
from .clips import SourceClip, SourceError

FILE = 'names.json'


def read_names(out: str) -> dict[tuple[str, str], str]:
    """Names that videos have in a dataset folder.

    Args:
        out: The dataset folder; it need not be there.

    Returns:
        Last folder of the video's path, and its file name without suffix, to
        the name of the clip.

    Raises:
        FactsError: If the file is damaged.
    """
    path = osp.join(out, FILE)
    if not osp.isfile(path):
        return {}
    known = {}
    try:
        for folder, names in read_json(path).items():
            for entry in names:
                # a clip that is called like its file stands there once
                stem, name = [entry] * 2 if isinstance(entry, str) else entry
                known[folder, stem] = name
    except (TypeError, ValueError) as error:
        raise FactsError(f'{path} does not hold names of clips: '
                         f'{error}') from None
    return known


def write_names(out: str, clips: Sequence[SourceClip],
                source: str = '') -> None:
    """Note what clips are called, with those that are noted already.

    Nothing is noted of a folder whose videos are all in the folder itself:
    they are always called like their files.

    Args:
        out: The dataset folder.
        clips: The clips.
        source: The folder that was searched, if it was one.

    Raises:
        OSError: If the file cannot be written.
    """
    source = osp.abspath(source)
    if all(osp.dirname(osp.abspath(c.path)) == source for c in clips):
        return
    os.makedirs(out, exist_ok=True)
    with locked(osp.join(out, 'dataset.lock')):
        known = read_names(out)
        names = {**known, **{place(clip.path): clip.name for clip in clips}}
        if names == known:
            return
        folders = defaultdict(list)
        for (folder, stem), name in sorted(names.items()):
            folders[folder].append(stem if stem == name else [stem, name])
        write_whole(osp.join(out, FILE),
                    (json.dumps(folders, indent=0) + '\n').encode())


def place(path: str) -> tuple[str, str]:
    """What tells videos of one name apart: folder, and name of the file.

    Args:
        path: Of the video.

    Returns:
        Name of its folder, and its own without suffix.
    """
    folder, file = osp.split(osp.abspath(path))
    return osp.basename(folder), osp.splitext(file)[0]


def name_clips(clips: Sequence[SourceClip], source: str,
               known: Mapping[tuple[str, str], str] | None = None
               ) -> list[SourceClip]:
    """Give each clip its name.

    Args:
        clips: Clips, called like their files.
        source: The folder that was searched; a file in it has no name of a
            folder before it.
        known: Of :func:`read_names`.

    Returns:
        The clips in order of name.

    Raises:
        SourceError: If two still have one name.
    """
    known = known or {}
    source = osp.abspath(source)
    # where the video that had a name is gone, it may have been moved
    taken = {known[where] for where in map(place, (c.path for c in clips))
             if where in known}
    several = Counter(clip.name for clip in clips
                      if place(clip.path) not in known)
    by_name = {}
    for clip in clips:
        where = place(clip.path)
        if where in known:
            clip = clip._replace(name=known[where])
        elif (several[clip.name] > 1 or clip.name in taken) and osp.dirname(
                osp.abspath(clip.path)) != source:
            clip = clip._replace(name=f'{where[0]}__{clip.name}')
        if clip.name in by_name:
            raise SourceError(
                f'two videos are named {clip.name!r}: '
                f'{by_name[clip.name].path} and {clip.path}; names must be '
                'unique in a dataset: rename one')
        by_name[clip.name] = clip
    return [by_name[name] for name in sorted(by_name)]

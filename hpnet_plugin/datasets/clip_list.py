"""The clips of a dataset folder without their joints: a small file.

It stands beside ``annotations.pkl``, named ``annotations.clips.json``. What
it says of a clip is what the annotation says, but for ``keypoint`` and
``keypoint_score``, which the feature store has: of NTU RGB+D 120 the
annotations take some 2.4 GB, this list 6 MB. A JSON object of columns::

    format       "hpnet_plugin clip list"
    version      1
    annotations  bytes of the annotations file that was written with it
    names        of the clips, in the order of the annotations
    labels       class of each, -1 where it is not known
    frames       number of frames of each
    shapes       [height, width] of the frames of each
    nobody       positions in names of the clips in which nobody was found
    splits       object of split to positions in names
    checksums    what the store held of each clip, as a number; may be missing
"""
from __future__ import annotations

import json
import os
import os.path as osp
from typing import Any, NamedTuple

from ..files import write_whole

FORMAT, VERSION = 'hpnet_plugin clip list', 1
SUFFIX = '.clips.json'


class ClipListError(ValueError):
    """A clip list that cannot be used; the message says why."""


class OutdatedClipListError(ClipListError):
    """A clip list that other annotations were written with."""


class ClipList(NamedTuple):
    """Clips of a dataset folder; see the table of the module.

    Attributes:
        names: N clips.
        labels: (N,).
        frames: (N,).
        shapes: (N,) heights and widths.
        nobody: Positions, from 0.
        splits: Split to positions, ascending.
        checksums: (N,) of :func:`hpnet_plugin.store.clip_checksums`; None of
            lists that were written before there were any.
    """
    names: list[str]
    labels: list[int]
    frames: list[int]
    shapes: list[tuple[int, int]]
    nobody: frozenset[int]
    splits: dict[str, list[int]]
    checksums: list[int] | None = None

    def infos(self, split: str | None = None) -> list[dict]:
        """What the annotations say of the clips of a split.

        Args:
            split: One of ``splits``. Default: all clips.

        Returns:
            ``frame_dir``, ``total_frames``, ``img_shape``, ``original_shape``,
            ``label``, and ``nobody=True`` of a clip without people, in the
            order of the annotations.

        Raises:
            KeyError: If there is no such split; names those there are.
        """
        if split is not None and split not in self.splits:
            raise KeyError(f'no split {split!r}, there are '
                           f'{", ".join(self.splits) or "none"}')
        chosen = range(len(self.names)) if split is None \
            else self.splits[split]
        return [dict(frame_dir=self.names[i], total_frames=self.frames[i],
                     img_shape=self.shapes[i], original_shape=self.shapes[i],
                     label=self.labels[i],
                     **(dict(nobody=True) if i in self.nobody else {}))
                for i in chosen]


def clip_list_path(ann_file: str) -> str:
    """Where the clip list of an annotations file is.

    Args:
        ann_file: The annotations.

    Returns:
        The path of the list, which need not be there.
    """
    return osp.splitext(ann_file)[0] + SUFFIX


def write_clip_list(clips: ClipList, ann_file: str) -> None:
    """Write a clip list beside the annotations that it was made with.

    Args:
        clips: The clips.
        ann_file: The annotations, which must be written already.
    """
    content = dict(format=FORMAT, version=VERSION,
                   annotations=osp.getsize(ann_file), **clips._asdict())
    content['nobody'] = sorted(clips.nobody)
    if clips.checksums is None:
        del content['checksums']
    write_whole(clip_list_path(ann_file),
                (json.dumps(content, separators=(',', ':')) + '\n').encode())


def read_clip_list(ann_file: str, outdated: bool = False) -> ClipList:
    """Read the clip list of an annotations file.

    Annotations that somebody changed or replaced count, not the list that
    was written with what they were.

    Args:
        ann_file: The annotations. If they are not there, as in a folder from
            which the large file was removed, the list counts.
        outdated: Whether a list counts that does not belong to them. Defaults
            to False.

    Returns:
        The list.

    Raises:
        FileNotFoundError: If there is no list.
        OutdatedClipListError: If it does not belong to the annotations.
        ClipListError: If it is not as it should be.
    """
    path = clip_list_path(ann_file)
    content = _read(path)
    if osp.isfile(ann_file) and not outdated:
        _refuse_outdated(path, ann_file, content['annotations'])
    names, count = content['names'], len(content['names'])
    kinds = [('names', str), ('labels', int), ('frames', int)]
    if 'checksums' in content:
        kinds.append(('checksums', int))
    for key, kind in kinds:
        if len(content[key]) != count or set(map(type, content[key])) - {kind}:
            raise _damaged(path, f'{key} must be {count} of {kind.__name__}')
    if len(set(names)) != count:
        raise _damaged(path, 'a clip is there twice')
    shapes = [tuple(shape) if isinstance(shape, list) else ()
              for shape in content['shapes']]
    if len(shapes) != count or any(
            [*map(type, shape)] != [int, int] for shape in shapes):
        raise _damaged(path, f'shapes must be {count} pairs of numbers')
    for key, chosen in dict(content['splits'],
                            nobody=content['nobody']).items():
        if not isinstance(chosen, list) or set(map(type, chosen)) - {int} or (
                chosen and not 0 <= min(chosen) <= max(chosen) < count):
            raise _damaged(path, f'{key} must be positions below {count}')
    return ClipList(names, content['labels'], content['frames'], shapes,
                    frozenset(content['nobody']), content['splits'],
                    content.get('checksums'))


def _refuse_outdated(path: str, ann_file: str, expected: int) -> None:
    found = os.stat(ann_file)
    if found.st_mtime_ns > os.stat(path).st_mtime_ns:
        raise OutdatedClipListError(f'{ann_file} is newer than {path}')
    if found.st_size != expected:
        raise OutdatedClipListError(
            f'{path} was written with {ann_file} of {expected} bytes, which '
            f'has {found.st_size}')


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except FileNotFoundError:
        raise FileNotFoundError(f'there is no {path}') from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    kinds = dict(annotations=int, names=list, labels=list, frames=list,
                 shapes=list, nobody=list, splits=dict)
    if isinstance(content, dict) and 'checksums' in content:
        kinds['checksums'] = list
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise _damaged(path, f'format {FORMAT!r} expected')
    if content.get('version') != VERSION:
        raise ClipListError(
            f'{path}: version {content.get("version")!r}, this package reads '
            f'{VERSION}: update it, or remove the file, and the annotations '
            'beside it are read instead')
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            raise _damaged(path, f'{key} must be a {kind.__name__}')
    return content


def _damaged(path: str, why: str) -> ClipListError:
    return ClipListError(
        f'{path} is no clip list: {why}. Run hpnet extract again with the '
        'same arguments, which writes it anew, or remove the file, and the '
        'annotations beside it are read instead')

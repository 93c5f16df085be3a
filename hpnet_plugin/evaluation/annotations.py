"""Clips and labels of an annotation file, for scores that hold neither."""
from __future__ import annotations

from os import PathLike, fspath

from ..datasets.annotations import read_annotations
from .scores import ScoreError, without_video_suffix


def read_clips(path: str | PathLike, split: str | None = None
               ) -> dict[str, int | None]:
    """Clips of a split in the order in which they are tested.

    That is the order of the annotations, as PoseDataset of pyskl and of
    mmaction2 keeps it, not the order of the names in the split.

    Args:
        path: ``annotations.pkl``: a dict of ``split`` and ``annotations``, or
            the list of annotations alone.
        split: Name of the split, for the dict.

    Returns:
        Clip name to label; None where it has none.

    Raises:
        ScoreError: An unusable file, an unknown split or none named,
            duplicated names.
    """
    try:
        data = read_annotations(fspath(path))
    except Exception as error:
        # A broken pickle may raise nearly anything.
        raise ScoreError(f'{path}: not a readable annotation file '
                         f'({type(error).__name__}: {error})') from error
    splits = {}
    if isinstance(data, dict) and {'split', 'annotations'} <= set(data):
        splits, data = data['split'], data['annotations']
    if not isinstance(data, list) or not data or not all(
            isinstance(clip, dict) and 'frame_dir' in clip for clip in data):
        raise ScoreError(f'{path}: expected a list of annotations with '
                         'frame_dir, or a dict of "split" and "annotations"')
    if splits or split is not None:
        if split not in splits:
            raise ScoreError(
                f'{path}: ' + ('name the split by --split, that of --tune by '
                               '--tune-split' if split is None
                               else f'no split {split!r}')
                + f'; it has {", ".join(sorted(splits)) or "none"}')
        key = 'filename' if 'filename' in data[0] else 'frame_dir'
        chosen = set(splits[split])
        data = [clip for clip in data if clip[key] in chosen]
    labels = [clip.get('label') for clip in data]
    clips = {without_video_suffix(clip['frame_dir']):
             None if label is None else int(label)
             for clip, label in zip(data, labels)}
    if len(clips) != len(data):
        raise ScoreError(f'{path}: names {len(data)} clips, but only '
                         f'{len(clips)} of the names differ')
    return clips

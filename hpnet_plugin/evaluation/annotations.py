"""Clips and labels of an annotations file, for scores that hold neither."""
from __future__ import annotations

import os

from ..datasets.annotations import read_annotations
from .scores import ScoreError, without_video_suffix


def read_clips(path: str | os.PathLike,
               split: str | None = None) -> dict[str, int | None]:
    """Clips of a split in the order in which they are tested.

    Args:
        path: ``annotations.pkl``; see
            :func:`hpnet_plugin.datasets.annotations.read_annotations`.
        split: Name of the split, where the file has any.

    Returns:
        Clip name to label; None where it has none.

    Raises:
        ScoreError: An unusable file, an unknown split or none named,
            duplicated names.
    """
    try:
        annotations = read_annotations(path)
        if annotations.splits and split is None:
            raise ScoreError(
                f'{path}: name the split by --split, that of --tune by '
                f'--tune-split; it has {", ".join(sorted(annotations.splits))}'
                )
        found = annotations.of_split(split)
    except ValueError as error:
        raise ScoreError(str(error)) from error
    labels = [clip.get('label') for clip in found]
    clips = {without_video_suffix(clip.get('frame_dir', clip.get('filename'))):
             None if label is None else int(label)
             for clip, label in zip(found, labels)}
    if len(clips) != len(found):
        raise ScoreError(f'{path}: names {len(found)} clips, but only '
                         f'{len(clips)} of the names differ')
    return clips

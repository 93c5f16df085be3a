"""Lists of clips, as benchmarks publish them."""
from __future__ import annotations

import csv
import json
import os.path as osp

from ..files import VIDEO_SUFFIXES


class PreparationError(ValueError):
    """A download that cannot be prepared as asked; the message says why."""


def read_list(path):
    """Clips that a list names.

    Args:
        path (str): One of

            - text: a clip, with or without folder and suffix, and if known
              its label, a line (UCF101's lists, for instance);
            - ``.csv`` with the columns ``youtube_id``, ``time_start``,
              ``time_end`` and perhaps ``label`` (Kinetics): the clips are
              ``ID_SSSSSS_EEEEEE``, or ``ID`` if there are no times;
            - ``.json``: a list of dicts with ``id`` and perhaps
              ``template`` (Something-Something).

    Returns:
        dict[str, str | None]: Clip name to label.

    Raises:
        PreparationError: If the file cannot be read, or holds no clip.
    """
    readers = {'.csv': _read_csv, '.json': _read_json}
    reader = readers.get(osp.splitext(path)[1].lower(), _read_text)
    try:
        with open(path, encoding='utf-8', newline='') as file:
            names = dict(reader(file))
    except OSError as error:
        raise PreparationError(f'{path}: {error.strerror}') from None
    except (ValueError, KeyError, TypeError) as error:
        raise PreparationError(f'{path} is no list of clips '
                               f'({type(error).__name__}: {error})') from None
    if not names:
        raise PreparationError(f'{path} names no clip')
    return names


def _read_text(file):
    for line in file:
        name, label = line.strip(), None
        if not name.lower().endswith(VIDEO_SUFFIXES) and ' ' in name:
            name, label = name.rsplit(' ', 1)
        if name:
            yield _stem(name), label


def _read_csv(file):
    for row in csv.DictReader(file):
        name = row['youtube_id']
        if row.get('time_start'):
            name += (f'_{int(float(row["time_start"])):06d}'
                     f'_{int(float(row["time_end"])):06d}')
        yield name, row.get('label')


def _read_json(file):
    for item in json.load(file):
        label = item.get('template', '').replace('[', '').replace(']', '')
        yield str(item['id']), label or None


def _stem(path):
    name = osp.basename(path)
    stem, suffix = osp.splitext(name)
    return stem if suffix.lower() in (*VIDEO_SUFFIXES, '.npy') else name

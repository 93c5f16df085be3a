"""``run.json``: what a training was made of, and what came of it."""
from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.curves import read_curves
from ..files import write_whole

NAME = 'run.json'


def read_record(folder: Path) -> dict[str, Any] | None:
    """What is recorded of a run.

    Args:
        folder: Of the run.

    Returns:
        JSON data; None if nothing is recorded yet.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def update_record(folder: Path, values: Mapping[str, Any]) -> None:
    """Record values; those of other names stay as they are.

    Args:
        folder: Of the run.
        values: JSON data.
    """
    record = {**(read_record(folder) or {}), **values}
    write_whole(folder / NAME, (json.dumps(record, indent=1) + '\n').encode())


def epoch_losses(folder: Path) -> list[float]:
    """The loss of each epoch, as it was logged.

    Args:
        folder: Of the run.

    Returns:
        Means over the iterations of an epoch, rounded to four digits.
    """
    losses = {}
    for entry in read_curves(folder)[0]:
        losses.setdefault(entry['epoch'], []).append(entry['loss'])
    return [round(float(np.mean(values)), 4)
            for _, values in sorted(losses.items())]


def computer() -> str:
    """What runs here compute on.

    Returns:
        The names of the GPUs, or the number and the name of the cores.
    """
    import torch
    if torch.cuda.is_available():
        return ', '.join(torch.cuda.get_device_name(i)
                         for i in range(torch.cuda.device_count()))
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                name = line.partition(':')[2].strip()
                break
    return f'{len(os.sched_getaffinity(0))} cores of {name}' \
        if hasattr(os, 'sched_getaffinity') else name

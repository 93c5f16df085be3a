"""A dataset folder, as a section."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from ...benchmark_files import read_json
from ..report import Section


def dataset_section(folder: str | PathLike) -> Section:
    """What a dataset folder holds and what made it.

    Args:
        folder: With ``features/`` and, if the extraction wrote it,
            ``extraction.json``.

    Returns:
        A table of its facts, and the clips that failed.

    Raises:
        ValueError: A store without clips.
    """
    from ...store import FeatureStore, fingerprint
    store = FeatureStore(Path(folder) / 'features')
    if not len(store):
        raise ValueError(f'{folder}: its feature store holds no clip')
    shapes = [store.shape(name, 'keypoint') for name in store.names]
    stored = sum(f.stat().st_size
                 for f in (Path(folder) / 'features').iterdir())
    rows: list[tuple[str, object]] = [
        ('what', 'value'),
        ('clips', len(shapes)),
        ('fingerprint', fingerprint(store)),
        ('people, on average', f'{np.mean([s[0] for s in shapes]):.2f}'),
        ('frames', sum(s[1] for s in shapes)),
        ('size of the features', f'{stored / 2**20:.1f} MiB'),
        *((f'channels of {tap}', channels)
          for tap, channels in store.taps.items())]
    rows += [(key, value) for key, value in _flat(store.meta)
             if not key.startswith(('taps', 'version'))]
    text = []
    record = Path(folder) / 'extraction.json'
    if record.is_file():
        failures = read_json(record).get('failures')
        if isinstance(failures, dict) and failures:
            text = [f'Clips that could not be extracted: {len(failures)}',
                    '\n'.join(f'{n}: {why}' for n, why in failures.items())]
    return Section('Features', text, rows)


def _flat(record: Mapping[str, object], prefix: str = ''
          ) -> Iterator[tuple[str, object]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f'{prefix}{key}, ')
        elif value is not None:
            yield f'{prefix}{key}', value

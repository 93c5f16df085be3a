"""Copy clips from store to store: merge, split and pack anew."""
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import StoreError
from .reader import FeatureStore
from .writer import StoreWriter

_LONGEST = 60  # characters of a value in a message


def common_meta(stores: Sequence[FeatureStore],
                taps: Sequence[str] | None = None) -> dict[str, Any]:
    """What made the features of some stores, which must be the same.

    Args:
        stores: The stores.
        taps: Those of their taps that are kept. Defaults to all.

    Returns:
        meta.json of a store of their clips.

    Raises:
        StoreError: If they were made otherwise (the message names what
            differs), or a tap is not there.
    """
    first = stores[0]
    for store in stores[1:]:
        differ = list(_differences(first.meta, store.meta))
        if differ:
            lines = '; '.join(f'{key}: {_short(one)} and {_short(two)}'
                              for key, one, two in differ)
            raise StoreError(
                f'{first.root} and {store.root} hold features that were made '
                f'otherwise ({lines}): they cannot stand in one store. '
                'Extract one of them again with the settings of the other')
    lacking = sorted(set(taps or ()) - set(first.taps))
    if lacking:
        raise StoreError(f'{first.root} has no tap {lacking[0]!r}; there are '
                         f'{list(first.taps)}')
    meta = {key: value for key, value in first.meta.items()
            if key != 'version'}
    if taps:
        meta['taps'] = {tap: channels for tap, channels in first.taps.items()
                        if tap in taps}
    return meta


def copy_clips(store: FeatureStore, names: Iterable[str],
               writer: StoreWriter, taps: Iterable[str]) -> int:
    """Copy clips, bit by bit; each is compared with its checksums.

    Args:
        store: Where they are.
        names: The clips.
        writer: Of the store that gets them.
        taps: The taps that are copied.

    Returns:
        Bytes of their arrays.

    Raises:
        StoreError: If a clip is damaged.
        OSError: If it cannot be written.
    """
    wanted, size = set(taps), 0
    for name in names:
        arrays = {key: store.read(name, key) for key in store.keys(name)
                  if key in wanted or key not in store.taps}
        writer.add(name, arrays, store.info(name))
        size += sum(array.nbytes for array in arrays.values())
    return size


def _differences(one: Mapping[str, Any], two: Mapping[str, Any],
                 prefix: str = '') -> Iterable[tuple[str, Any, Any]]:
    """Keys in which they differ, with both values."""
    for key in sorted({*one, *two} - {'version'}):
        here, there = one.get(key), two.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            yield from _differences(here, there, f'{prefix}{key}.')
        elif here != there:
            yield prefix + key, here, there


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST - 1] + '…'

"""The feature store: write once, read the frames that are needed, verify.

A store is a folder:

- ``meta.json``: what made the features, and ``taps`` with their channels.
- ``<prefix>NNNNN.safetensors``: a shard, some clips' arrays.
- ``<prefix>NNNNN.index``: the shard's index, a binary table. It is written
  after the shard and commits it: a shard without an index does not exist.
- ``consolidated.index``: the same table of all shards, which readers map. A
  writer makes it when it is closed; what is not in it yet is read from the
  shards' own indices.
- ``<prefix>journal``: clips of a run that was interrupted, which the next
  writer of the prefix puts into shards. Readers do not look at it.
- ``<prefix>writer.lock``, ``store.lock``: locks between processes.

Each clip has ``keypoint`` (M, T, V, 2) and ``keypoint_score`` (M, T, V),
float32, a float16 array (M, T, V, C) a tap, and ``timestamp`` (T,) float64,
seconds, if times are known.

Stores of format 1, whose indices are JSON (``<prefix>NNNNN.json``), are read
and resumed as well; ``hpnet verify --upgrade`` turns the indices.

Nothing here imports torch or mmaction.
"""
from .catalog import consolidate, upgrade
from .errors import StoreError
from .fingerprint import clip_checksums, fingerprint
from .reader import FeatureStore
from .repair import repair
from .verify import verify
from .writer import StoreWriter

__all__ = ['FeatureStore', 'StoreError', 'StoreWriter', 'clip_checksums',
           'consolidate', 'fingerprint', 'repair', 'upgrade', 'verify']

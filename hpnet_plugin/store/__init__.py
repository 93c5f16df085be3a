"""The feature store: write once, read the frames that are needed, verify.

A store is a folder:

- ``meta.json``: what made the features, and ``taps`` with their channels.
- ``<prefix>NNNNN.safetensors``: a shard, some clips' arrays.
- ``<prefix>NNNNN.json``: the shard's index. It is written after the shard
  and commits it: a shard without an index does not exist.

Each clip has ``keypoint`` (M, T, V, 2) and ``keypoint_score`` (M, T, V),
float32, and a float16 array (M, T, V, C) a tap.
"""
from .errors import StoreError
from .reader import FeatureStore
from .verify import verify
from .writer import StoreWriter

__all__ = ['FeatureStore', 'StoreError', 'StoreWriter', 'verify']

"""Pooled features from a store."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...store import FeatureStore
from .clip import clip_title, split_name


@TRANSFORMS.register_module()
class LoadPooledFeature(BaseTransform):
    """Load the pooled features of a clip from a feature store.

    The store is opened in the process that first reads from it. What is
    loaded is a read-only view of the memory-mapped file wherever possible:
    frames that no later transform touches are never read.

    Required Keys:

        - frame_dir (its basename is the clip's name in the store)
        - total_frames, keypoint (optional; must agree with the features)
        - frame_inds (optional; only these frames are read)
        - features (optional; feature to its array (M, T, V, C), in place of
          a store: of a clip that is in memory)

    Modified Keys:

        - frame_dir (the clip's name, without its folder)

    Added Keys:

        - pooled_feat ((M, T, V, C), float16 as stored)

    Args:
        store: Folder of the store. Defaults to None: the folder part of
            ``frame_dir``, where ``PoseDataset`` puts it with
            ``data_prefix=dict(video='features')``, so that ``data_root`` of
            the dataset is the only path in a config.
        tap: The tap, or several, which are joined along C. Defaults to None:
            the store's only tap.
    """

    def __init__(self, store: str | None = None,
                 tap: str | list[str] | None = None) -> None:
        self.store = store
        self.tap = tap
        self._stores = {}

    def transform(self, results: dict) -> dict:
        """Add the features.

        Raises:
            KeyError: If the store has no such clip or tap.
            ValueError: If the clip has another number of people, frames or
                joints than its annotation, or no store is named.
        """
        folder, name = split_name(results)
        store = _Memory(results['features']) if 'features' in results \
            else self._open(self.store or folder)
        frames = results.get('frame_inds')
        if frames is None:
            # a view: nothing is gained by asking for its shape first
            features = store.read(name, self.tap)
            found = features.shape[:3]
        else:
            features = None
            found = store.shape(name, self.tap)[:3]
        expected = list(found)
        if 'total_frames' in results:
            expected[1] = results['total_frames']
        if 'keypoint' in results:
            expected[0], _, expected[2] = results['keypoint'].shape[:3]
        if found != tuple(expected):
            raise ValueError(
                f'{clip_title(results)}: the features have (people, frames, '
                f'joints) {found}, the annotation {tuple(expected)}; both '
                'must come from the same extraction, and LoadPooledFeature '
                'before any transform that cuts frames')
        if features is None:
            features = store.read(name, self.tap, np.asarray(frames, np.int64))
        results['pooled_feat'] = features
        return results

    def _open(self, root: str) -> FeatureStore:
        if not root:
            raise ValueError(
                'LoadPooledFeature has no store: give it store=FOLDER, or '
                "the dataset data_prefix=dict(video='features')")
        if root not in self._stores:
            self._stores[root] = FeatureStore(root)
        return self._stores[root]

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(store={self.store!r}, '
                f'tap={self.tap!r})')


class _Memory:
    """Features of one clip, as a store that has but this clip."""

    def __init__(self, features: Mapping[str, np.ndarray]) -> None:
        self._features = features

    def shape(self, name: str, tap: str | Sequence[str] | None
              ) -> tuple[int, ...]:
        return self.read(name, tap).shape

    def read(self, name: str, tap: str | Sequence[str] | None,
             frames: np.ndarray | None = None) -> np.ndarray:
        taps = [tap] if isinstance(tap, str) else tap
        if taps is None:
            taps = [key for key in self._features
                    if key not in ('keypoint', 'keypoint_score')][:1]
        lacking = [key for key in taps if key not in self._features]
        if lacking or not taps:
            raise KeyError(f'clip {name!r} has no features {lacking}; there '
                           f'are {list(self._features)}')
        found = [self._features[key] for key in taps]
        found = found[0] if len(found) == 1 else np.concatenate(found, -1)
        return found if frames is None else found.take(frames, 1)

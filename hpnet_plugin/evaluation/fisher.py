"""Fisher scores of pooled features: how well they tell classes apart.

Fig. 7 of the HP-Net paper compares feature maps by their Fisher scores, of
"intra-class and inter-class scatter", after Gu, Li and Han, Generalized
Fisher Score for Feature Selection (arXiv 1202.3725). For one feature, with
n_k samples of mean m_k and variance s_k^2 in class k, and m the mean of all,

    F = sum_k n_k (m_k - m)^2 / sum_k n_k s_k^2

which is (K - 1) / (N - K) times the F of a one-way analysis of variance. The
paper does not say what a sample is, nor how features become one number. Here
a sample is a clip: each channel of each joint, averaged over the people and
frames in which the joint was found; and the score of a tap or joint is the
mean over its features, so that no channel counts more for being large.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os.path import join
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.annotations import read_annotations

if TYPE_CHECKING:
    from ..store import FeatureStore


class ClassScatter:
    """Scatter within and between classes, one clip after the other.

    What is kept does not grow with the number of clips: means and squared
    deviations (K, V, C), updated by Welford's method.

    Args:
        num_classes: K.
        joints: V.
        channels: C.
    """

    def __init__(self, num_classes: int, joints: int, channels: int) -> None:
        self.count = np.zeros((num_classes, joints), np.int64)
        self.mean = np.zeros((num_classes, joints, channels))
        self.squares = np.zeros_like(self.mean)

    def add(self, label: int, value: np.ndarray, found: np.ndarray) -> None:
        """Take a clip in.

        Args:
            label: Its class.
            value: (V, C).
            found: (V,) bool, joints that have a value.
        """
        self.count[label] += found
        delta = np.where(found[:, None], value - self.mean[label], 0)
        self.mean[label] += delta / np.maximum(self.count[label], 1)[:, None]
        # Where a joint is missing delta is zero, and nothing is added.
        self.squares[label] += delta * (value - self.mean[label])

    def result(self) -> FisherScore:
        """The scores of what was taken in so far.

        Returns:
            Of every feature.

        Raises:
            ValueError: Fewer than two classes, no more clips than classes, or
                features that never change.
        """
        clips = self.count.max(1)
        present = int((clips > 0).sum())
        if present < 2 or clips.sum() <= present:
            raise ValueError(
                f'{clips.sum()} clips of {present} classes; Fisher scores '
                'need two classes and more clips than classes')
        count = self.count[..., None]
        total = np.maximum(count.sum(0), 1)
        mean = (count * self.mean).sum(0) / total
        between = (count * (self.mean - mean)**2).sum(0)
        within = self.squares.sum(0)
        # Exactly zero: means of a float16 that never changes do not round.
        still = within == 0
        if still.all():
            raise ValueError('no feature changes from clip to clip')
        scores = np.divide(between, within, where=~still,
                           out=np.full(between.shape, np.nan))
        free = self.count.sum(0) - (self.count > 0).sum(0) - 2
        chance = np.divide((self.count > 0).sum(0) - 1., free, where=free > 0,
                           out=np.full(len(free), np.nan))
        return FisherScore(scores, between, within, chance,
                           int(clips.sum()), present)


@dataclass(frozen=True, eq=False)
class FisherScore:
    """Fisher scores of V joints of C channels.

    Args:
        features: (V, C); NaN where a feature never changes within a class, as
            of a channel that is zero but in one clip.
        between: (V, C), the numerators.
        within: (V, C), the denominators.
        chance: (V,), what noise would score on average, (K - 1) / (N - K - 2);
            NaN with too few clips.
        clips: N.
        classes: K, those that occur.
    """
    features: np.ndarray
    between: np.ndarray
    within: np.ndarray
    chance: np.ndarray
    clips: int
    classes: int

    @property
    def joints(self) -> np.ndarray:
        """Mean over the channels, (V,); NaN where none of them has a score."""
        alive = ~np.isnan(self.features)
        return np.divide(np.where(alive, self.features, 0).sum(1),
                         alive.sum(1), where=alive.any(1),
                         out=np.full(len(alive), np.nan))

    @property
    def score(self) -> float:
        """Mean over all features."""
        return float(np.mean(self.features[~np.isnan(self.features)]))

    @property
    def trace_ratio(self) -> float:
        """Scatter between classes over scatter within, all features summed.

        Large channels count more here; it tells whether the mean hides it.
        """
        return float(self.between.sum() / self.within.sum())

    def record(self) -> dict[str, Any]:
        """All but the single features, as JSON data.

        Returns:
            ``score``, ``chance`` (None with too few clips), ``trace_ratio``,
            ``best_feature``, the score of each of the ``joints``, and the
            numbers of ``channels``, ``features_without_score``, ``clips`` and
            ``classes``.
        """
        return dict(
            score=self.score,
            chance=_plain(self.chance.mean()),
            trace_ratio=self.trace_ratio,
            best_feature=float(np.nanmax(self.features)),
            joints=[_plain(value) for value in self.joints],
            channels=self.features.shape[1],
            features_without_score=int(np.isnan(self.features).sum()),
            clips=self.clips,
            classes=self.classes)


def clip_mean(feat: np.ndarray, scores: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a clip over the people and frames in which joints are found.

    Args:
        feat: (M, T, V, C).
        scores: (M, T, V), zero where a joint was not found.

    Returns:
        (V, C) float64 and (V,) bool, joints found at all.
    """
    weight = (scores > 0).reshape(-1, scores.shape[-1]).astype(np.float64)
    feat = feat.reshape(-1, *feat.shape[-2:]).astype(np.float64)
    count = weight.sum(0)
    total = np.matmul(weight.T[:, None], feat.swapaxes(0, 1))[:, 0]
    return total / np.maximum(count, 1)[:, None], count > 0


def fisher_scores(store: FeatureStore, labels: dict[str, int],
                  taps: Sequence[str] | None = None,
                  progress: Callable[[Iterable[str]], Iterable[str]] = iter
                  ) -> dict[str, FisherScore]:
    """Fisher scores of the taps of a feature store.

    Args:
        store: Holds the clips.
        labels: Clip name to label, at least one; these clips are read.
        taps: All of the store if not given.
        progress: Wraps the clip names, ``tqdm`` for instance.

    Returns:
        A tap each.

    Raises:
        KeyError: An unknown clip or tap; names the closest.
        ValueError: Too few clips or classes.
    """
    scatters = {}
    classes = max(labels.values()) + 1
    for name in progress(labels):
        found = store.read(name, 'keypoint_score')
        for tap in taps or store.taps:
            feat = store.read(name, tap)
            if tap not in scatters:
                scatters[tap] = ClassScatter(classes, *feat.shape[-2:])
            scatters[tap].add(labels[name], *clip_mean(feat, found))
    return {tap: scatter.result() for tap, scatter in scatters.items()}


def read_clip_labels(folder: str, split: str | None = None) -> dict[str, int]:
    """Labels of the clips of a dataset folder.

    Args:
        folder: With ``annotations.pkl``.
        split: One of its splits.

    Returns:
        Clip name to label; clips without one are left out.

    Raises:
        ValueError: No ``annotations.pkl``, an unknown split, or no clip
            that has a label.
    """
    path = join(folder, 'annotations.pkl')
    annotations = read_annotations(path).of_split(split)
    # The extraction gives -1 to clips without a label.
    labels = {a['frame_dir']: int(a['label']) for a in annotations
              if a.get('label', -1) >= 0}
    if not labels:
        raise ValueError(f'{path}: none of {len(annotations)} clips has a '
                         'label')
    return labels


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

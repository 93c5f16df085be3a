"""From people, as a model sees them, to predictions."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evaluation.calibration import UNKNOWN, probabilities
from .results import Prediction
from .scorers import Scorer
from .window_people import Person


class Predictor:
    """Says what people do.

    Args:
        scorer: The model.
        threshold: Below this probability the label is ``'unknown'``; None:
            that of ``hpnet calibrate``, or none.
        topk: Classes named in a prediction.
        tap: Feature whose size is given as the energy of a joint, None for
            none.

    Attributes:
        description: What the model is.
        needs: What it reads of a clip.
        threshold: That is used.
    """

    def __init__(self, scorer: Scorer, threshold: float | None, topk: int,
                 tap: str | None) -> None:
        self.scorer, self.topk, self.tap = scorer, topk, tap
        self.description, self.needs = scorer.description, scorer.needs
        self._calibration = self.description.calibration or {}
        self.threshold: float = self._calibration.get('threshold') or 0. \
            if threshold is None else threshold

    def __call__(self, source: str, people: Sequence[Person]
                 ) -> list[Prediction]:
        """Predict what people do.

        Args:
            source: The video, as it was named.
            people: Those in it; who shares a clip is scored once.

        Returns:
            A prediction a person, in the same order.

        Raises:
            ValueError: If the model and its description disagree.
        """
        if not people:
            return []
        clips = list({id(person.clip): person.clip
                      for person in people}.values())
        place = {id(clip): i for i, clip in enumerate(clips)}
        raw, about = self.scorer(clips), self.description
        if raw.shape[1] != len(about.classes):
            raise ValueError(
                f'{about.name} gives scores of {raw.shape[1]} classes, and '
                f'its description names {len(about.classes)}')
        chances = probabilities(
            raw, about.output, self._calibration.get('temperature', 1.)
        ).astype(np.float32)
        rows = [place[id(person.clip)] for person in people]
        return [self._prediction(source, person, raw[i], chances[i])
                for i, person in zip(rows, people)]

    def _prediction(self, source: str, person: Person, raw: np.ndarray,
                    chances: np.ndarray) -> Prediction:
        classes, best = self.description.classes, int(chances.argmax())
        known = chances[best] >= self.threshold
        order = np.argsort(-chances, kind='stable')[:self.topk]
        scores = person.arrays['keypoint_score'][person.row]
        present = scores.any(1)
        energy = None
        if self.tap is not None and self.tap in person.arrays:
            energy = np.linalg.norm(
                person.arrays[self.tap][person.row].astype(np.float32),
                axis=-1)
        return Prediction(
            source=source,
            track=person.track,
            start=person.start,
            end=person.end,
            label=classes[best] if known else UNKNOWN,
            label_id=best if known else -1,
            score=float(chances[best]),
            topk=[(classes[i], float(chances[i])) for i in order],
            probabilities=chances,
            raw=raw,
            numbers=person.numbers,
            times=person.times,
            boxes=person.boxes,
            joints=person.arrays['keypoint'][person.row],
            joint_scores=scores,
            pose_score=float(scores[present].mean()) if present.any() else 0.,
            energy=energy,
            together=person.together)

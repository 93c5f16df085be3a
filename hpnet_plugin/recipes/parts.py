"""The parts of a stream's config, which methods change."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class UnsuitableError(ValueError):
    """A method that a stream or a network does not take."""


@dataclass
class Parts:
    """What methods change of the config of a stream.

    Attributes:
        stream: The setting, for messages.
        model: The config of the model.
        optimizer: That of the optimizer.
        features: Leading channels of the input that are pooled features, 0
            where it has none.
        joints: The graph of the joints.
        frames: Frames of a clip.
        load: Transforms that load a clip.
        whole: Transforms of the whole clip, in training and tests.
        early: Those of training before joints are centred.
        cut: Those of training before the clip gets its length.
        late: Those of training after it.
        train_length: Gives a clip its length in training.
        test_length: Gives it in tests.
        mixing: Arguments of ``MixClips``.
        front: Modules before the net.
        hooks: Hooks of the training.
    """
    stream: str
    model: dict[str, Any]
    optimizer: dict[str, Any]
    features: int
    joints: str | dict
    frames: int
    load: list[dict[str, Any]]
    whole: list[dict[str, Any]] = field(default_factory=list)
    early: list[dict[str, Any]] = field(default_factory=list)
    cut: list[dict[str, Any]] = field(default_factory=list)
    late: list[dict[str, Any]] = field(default_factory=list)
    train_length: dict[str, Any] = field(default_factory=dict)
    test_length: dict[str, Any] = field(default_factory=dict)
    mixing: dict[str, Any] = field(default_factory=dict)
    front: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for length in (self.train_length, self.test_length):
            length.update(type='ResizeTemporal', length=self.frames)

    @property
    def backbone(self) -> dict[str, Any]:
        """The config of the graph network."""
        return self.model['backbone']

    @property
    def head(self) -> dict[str, Any]:
        """The config of the head."""
        return self.model['cls_head']

    def loading(self) -> list[dict[str, Any]]:
        """What loads a clip of training, mirrored before it is centred.

        Returns:
            Transforms.
        """
        kinds = [step['type'] for step in self.load]
        place = kinds.index('NormalizeKeypoint') \
            if 'NormalizeKeypoint' in kinds else len(kinds)
        return [*self.load[:place], *self.early, *self.load[place:]]

    def before(self, training: bool) -> list[dict[str, Any]]:
        """The pipeline up to the stream.

        Args:
            training: Whether it is that of training.

        Returns:
            Transforms.
        """
        if training:
            return [*self.loading(), *self.whole, *self.cut,
                    self.train_length, *self.late]
        return [*self.load, *self.whole, self.test_length]

"""How a video is looked at: what a user asks for, and what is usual."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..estimation.people import PersonSource
from ..extraction.clips import Settings
from .description import ModelDescription
from .media import Media

WINDOW = 3.  # s, where the length of the training clips is not known
RATE = 15.  # frames a second, likewise
LOOK = 1.  # s from one look of a detector to the next, in windows
CROP = 256  # side of person crops, where the model's folder does not say it


@dataclass(frozen=True)
class Wishes:
    """What a user asks for; None where the usual is wanted.

    The attributes are arguments of
    :class:`hpnet_plugin.apis.inferencer.HPNetInferencer`.

    Raises:
        ValueError: If one is out of range.
    """
    window: float | str = 'auto'
    stride: float | None = None
    hold: float | None = None
    fps: float | None = None
    together: bool | None = None
    detect_every: int | None = None
    max_people: int | None = None
    threshold: float | None = None
    topk: int = 5

    def __post_init__(self) -> None:
        if isinstance(self.window, str) and self.window not in (
                'auto', 'clip'):
            raise ValueError(f"window={self.window!r}: expected seconds, "
                             "'auto' or 'clip'")
        for key in ('window', 'stride', 'fps', 'topk', 'detect_every',
                    'max_people'):
            value = getattr(self, key)
            if isinstance(value, (int, float)) and not value > 0:
                raise ValueError(f'{key} must be above 0, got {value}')
        if self.hold is not None and not self.hold >= 0:
            raise ValueError(f'hold must be 0 or more, got {self.hold}')
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError('threshold is a probability, from 0 to 1; got '
                             f'{self.threshold}')


@dataclass(frozen=True)
class Plan:
    """How one video is looked at.

    Attributes:
        window: Length of a window in s; None: the whole video at once.
        stride: From one window to the next, in s.
        hold: For how many s a label is shown after its window.
        fps: Frames looked at a second; None: those of the extraction.
    """
    window: float | None
    stride: float = 0.
    hold: float = 0.
    fps: float | None = None


def plan(about: ModelDescription, wishes: Wishes, media: Media) -> Plan:
    """How a video is looked at by a model.

    Args:
        about: The model.
        wishes: What the user asks for.
        media: The video.

    Returns:
        The plan.

    Raises:
        ValueError: If the whole of a live source is asked for.
    """
    known, window = about.windows, wishes.window
    if window == 'auto':
        longest = known.get('longest') or WINDOW
        window = (known.get('median') or WINDOW) if media.live or \
            media.info.duration > longest else 'clip'
    if isinstance(window, str):
        if media.live:
            raise ValueError(f'{media.name} has no end, so that there is '
                             "no whole of it: leave window='clip' out, "
                             'or give seconds')
        return Plan(None)
    stride = min(wishes.stride or window / 2, window)
    fps = wishes.fps
    if fps is None:
        frames = (about.input or {}).get('frames') or about.facts.get(
            'frames')
        fps = min(known.get('fps') or RATE,
                  frames / window if frames else RATE)
    return Plan(window, stride,
                stride if wishes.hold is None else wishes.hold, fps)


def training_settings(about: ModelDescription, wishes: Wishes,
                      source: PersonSource, crops: bool) -> Settings:
    """How the clips of the training were extracted.

    Args:
        about: The model.
        wishes: What the user asks for.
        source: Who says where people are.
        crops: Whether the model sees person-centred crops.

    Returns:
        Settings with which a whole video gets the scores of a test.
    """
    record: Mapping[str, Any] = about.extraction
    options = {key: value for key, value in
               (record.get('crops') or dict(size=CROP)).items()
               if key in ('size', 'margin', 'fit')}
    return Settings(
        num_people=wishes.max_people or record.get('max_people', 2),
        max_frames=None if record.get('length') else
        record.get('max_frames', 300),
        length=record.get('length'),
        max_gap=record.get('max_gap', 30),
        persons='tracked' if source.slotted or
        record.get('persons') != 'released' else 'released',
        damaged='mark',
        crops=options if crops else None)


def frames_between_looks(wishes: Wishes, source: PersonSource, media: Media
                         ) -> int:
    """Frames of a video from one look of the detector to the next.

    Args:
        wishes: What the user asks for.
        source: Who says where people are.
        media: The video.

    Returns:
        The number of frames, from 1.
    """
    every = source.every
    if wishes.detect_every or every == 1:  # it costs nothing, then
        return wishes.detect_every or every
    # the joints carry a person's box
    return max(every, round(LOOK * (media.info.fps or RATE)))


def seen_at_once(about: ModelDescription) -> int:
    """How many people a model sees at once.

    Args:
        about: The model.

    Returns:
        M of its training clips.
    """
    return (about.input or {}).get('people') or about.facts.get('people') or 2

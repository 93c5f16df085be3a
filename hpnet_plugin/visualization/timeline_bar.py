"""The timelines of a video's people as a bar below its frames."""
from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ..apis.results import Segment, Timeline
from ..evaluation.calibration import UNKNOWN
from .text import put_text, shorten, text_width

# Paul Tol's light scheme: fit for black text, distinct for the common kinds
# of colour blindness, and none of the colours of people.
LABEL_COLORS = ((119, 170, 221), (238, 136, 102), (238, 221, 136),
                (68, 187, 153), (255, 170, 187), (187, 204, 51),
                (153, 221, 255), (170, 170, 0))
UNKNOWN_COLOR = (176, 176, 176)
# Okabe and Ito's, the bright ones first.
PERSON_COLORS = ((86, 180, 233), (230, 159, 0), (0, 190, 140), (240, 228, 66),
                 (220, 130, 180), (225, 100, 10), (40, 130, 200))
BACKGROUND, TRACK, INK, MUTED = (22, 25, 29), (44, 48, 54), (240, 240, 240), \
    (160, 165, 172)
PAGE = 60.  # s of a long video that are shown at once
ROWS = 4  # people that are shown at once


def person_color(track: int) -> tuple[int, int, int]:
    """Colour of a person.

    Args:
        track: The number of the track.

    Returns:
        RGB.
    """
    return PERSON_COLORS[track % len(PERSON_COLORS)]


def person_colors(timelines: Sequence[Timeline]
                  ) -> dict[int, tuple[int, int, int]]:
    """RGB of each person of a video, by the order of their tracks.

    Numbers of tracks have gaps; so people who follow each other differ.

    Args:
        timelines: Of the video.

    Returns:
        Track to RGB.
    """
    return {timeline.track: person_color(i)
            for i, timeline in enumerate(timelines)}


def label_colors(timelines: Sequence[Timeline]
                 ) -> dict[str, tuple[int, int, int]]:
    """RGB of each label of some timelines.

    The labels that last longest get the colours that differ most; beyond
    eight labels darker shades of the same colours follow.

    Args:
        timelines: Of the video.

    Returns:
        Label to RGB.
    """
    length: dict[str, float] = defaultdict(float)
    for timeline in timelines:
        for segment in timeline.segments:
            length[segment.label] += segment.end - segment.start
    length.pop(UNKNOWN, None)
    colors = {UNKNOWN: UNKNOWN_COLOR}
    for i, label in enumerate(sorted(length, key=lambda k: -length[k])):
        shade = .75 ** (i // len(LABEL_COLORS) % 3)
        r, g, b = LABEL_COLORS[i % len(LABEL_COLORS)]
        colors[label] = round(shade * r), round(shade * g), round(shade * b)
    return colors


def clock(seconds: float, digits: int = 0) -> str:
    """A time as players write it.

    Args:
        seconds: The time.
        digits: After the point.

    Returns:
        ``0:07``, ``12:34``, ``1:02:03``; with a digit ``0:07.5``.
    """
    unit = 10 ** digits
    whole, part = divmod(round(seconds * unit), unit)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f'{hours}:{minutes:02d}' if hours else f'{minutes}'
    return f'{text}:{rest:02d}' + (f'.{part:0{digits}d}' if digits else '')


class _Page(NamedTuple):
    """What is shown at once: a stretch of time, people, who is left out."""
    start: float
    end: float
    rows: list[tuple[int, list[Segment]]]
    more: int


class TimelineBar:
    """Draws the timelines of a video's people, with a playhead.

    A row a person, its segments in the colour of their label. Videos longer
    than 90 s are shown a minute at a time.

    Args:
        timelines: Those of the video.
        duration: Of the video in s.
        width: Of the bar in pixels.
        size: Of its text in pixels.
        names: Label to how it is written; labels that are not in it are
            written as they are.

    Attributes:
        height: Of the bar in pixels.
    """

    def __init__(self, timelines: Sequence[Timeline], duration: float,
                 width: int, size: int,
                 names: Mapping[str, str] | None = None) -> None:
        self.width, self.size, self.names = width, size, names or {}
        self.duration = max([duration, 1e-3, *(
            s.end for t in timelines for s in t.segments)])
        self.colors = label_colors(timelines)
        self._people = person_colors(timelines)
        count = 1
        if self.duration > 1.5 * PAGE:
            count = math.ceil(self.duration / PAGE)
        self._pages = [self._page(timelines, i, count) for i in range(count)]
        rows = max([1, *(len(page.rows) for page in self._pages)])
        # no jump in size from one page to the next
        self._pad, self._row = round(.5 * size), round(1.55 * size)
        self._gap = max(1, round(.2 * size))
        self._line = round(1.5 * size)
        titles = [f'person {track}' for page in self._pages
                  for track, _ in page.rows] or ['']
        if max(text_width(t, size, True) for t in titles) > .2 * width:
            titles = [title.replace('person ', '') for title in titles]
            self._title = '{}'
        else:
            self._title = 'person {}'
        self._left = 2 * self._pad + max(
            text_width(t, size, True) for t in titles) + self._pad
        self._right = width - 2 * self._pad
        self._axis = self._pad + rows * (self._row + self._gap)
        self._legends = [self._legend(page) for page in self._pages]
        self._drawn: tuple[int, np.ndarray] | None = None
        self.height = (self._axis + self._line + self._pad // 2
                       + self._line * max(map(len, self._legends)))
        self.height += self.height % 2

    def _page(self, timelines: Sequence[Timeline], number: int, count: int
              ) -> _Page:
        length = self.duration / count
        start, end = number * length, (number + 1) * length
        rows = []
        for timeline in timelines:
            shown = [s for s in timeline.segments
                     if s.start < end and s.end > start]
            if shown:
                rows.append((timeline.track, shown))
        seen = {track: sum(min(s.end, end) - max(s.start, start)
                           for s in shown) for track, shown in rows}
        kept = sorted(seen, key=lambda track: -seen[track])[:ROWS]
        return _Page(start, end, [row for row in rows if row[0] in kept],
                     len(rows) - len(kept))

    def _name(self, label: str) -> str:
        return self.names.get(label, label)

    def _x(self, page: _Page, time: float) -> int:
        share = (time - page.start) / (page.end - page.start)
        return round(self._left + min(max(share, 0), 1)
                     * (self._right - self._left))

    def _inside(self, page: _Page, segment: Segment
                ) -> tuple[int, int, bool]:
        """Left and right of a segment, and whether its name fits in it."""
        x1, x2 = self._x(page, segment.start), self._x(page, segment.end)
        wide = text_width(self._name(segment.label), self.size)
        return x1, x2, wide + 2 * self._gap + self._pad <= x2 - x1

    def _legend(self, page: _Page) -> list[list[tuple[int, str, str]]]:
        """Lines of (x, label, text): labels that fit into no segment."""
        length: dict[str, float] = defaultdict(float)
        fitting = set()
        for _, segments in page.rows:
            for segment in segments:
                length[segment.label] += segment.end - segment.start
                if self._inside(page, segment)[2]:
                    fitting.add(segment.label)
        lines: list[list[tuple[int, str, str]]] = [[]]
        x = 2 * self._pad
        for label in sorted(length, key=lambda k: -length[k]):
            if label in fitting:
                continue
            name = shorten(self._name(label), self.width - 6 * self._pad,
                           self.size)
            wide = text_width(name, self.size) + 2 * self.size
            if x + wide > self.width - self._pad and lines[-1]:
                if len(lines) == 2:
                    break
                lines.append([])
                x = 2 * self._pad
            lines[-1].append((x, label, name))
            x += wide + self._pad
        return [line for line in lines if line]

    def draw(self, image: np.ndarray, time: float) -> None:
        """Draw the bar as it is at a time.

        Args:
            image: (height, width, 3) uint8 RGB, drawn upon.
            time: In s, where the playhead stands.
        """
        number = min(int(time / self.duration * len(self._pages)),
                     len(self._pages) - 1)
        if self._drawn is None or self._drawn[0] != number:
            self._drawn = number, self._still(number)
        image[:] = self._drawn[1]
        page = self._pages[number]
        x, half = self._x(page, time), max(1, round(self.size / 12))
        image[:self._axis, max(x - half, 0):x + half] = 255
        tip = np.array([[x - 4 * half, 0], [x + 4 * half, 0],
                        [x, 6 * half]], np.int32)
        cv2.fillConvexPoly(image, tip, (255, 255, 255), cv2.LINE_AA)
        text = clock(time, 1)
        wide = text_width(text, self.size, True)
        y = self._axis + self._line // 2
        x = min(max(x - wide // 2, self._left), self._right - wide)
        for start, text_of_edge in ((self._left, self._edge(page, page.start)),
                                    (None, self._edge(page, page.end))):
            room = text_width(text_of_edge, self.size)
            start = self._right - room if start is None else start
            if x + wide + self._pad < start or start + room < x - self._pad:
                put_text(image, text_of_edge, start, y, self.size, MUTED)
        put_text(image, text, x, y, self.size, INK, True)

    def _edge(self, page: _Page, time: float) -> str:
        """How the time at an end of a page is written."""
        return clock(time, int(page.end - page.start < 10))

    def _still(self, number: int) -> np.ndarray:
        """All of a page but the playhead."""
        page = self._pages[number]
        image = np.full((self.height, self.width, 3), BACKGROUND, np.uint8)
        for i, (track, segments) in enumerate(page.rows):
            y1 = self._pad + i * (self._row + self._gap)
            y2, middle = y1 + self._row, y1 + self._row // 2
            put_text(image, self._title.format(track), 2 * self._pad, middle,
                     self.size, self._people[track], True)
            image[y1:y2, self._left:self._right] = TRACK
            for segment in segments:
                x1, x2, fits = self._inside(page, segment)
                color = self.colors[segment.label]
                image[y1:y2, x1:max(x2 - max(1, self._gap // 2), x1 + 1)] = \
                    color
                if fits:
                    put_text(image, self._name(segment.label),
                             x1 + self._gap + self._pad // 2, middle,
                             self.size, (0, 0, 0))
        if not page.rows:
            put_text(image, 'nobody', self._left, self._pad + self._row // 2,
                     self.size, MUTED)
        y = self._axis + self._line // 2
        if page.more:
            text = f'{page.more} more'
            if 2 * self._pad + text_width(text, self.size) > self._left:
                text = f'+{page.more}'
            put_text(image, text, 2 * self._pad, y, self.size, MUTED)
        for row, line in enumerate(self._legends[number]):
            y = self._axis + self._line + row * self._line + self._line // 2
            half = round(.4 * self.size)
            for x, label, name in line:
                image[y - half:y + half, x:x + 2 * half] = self.colors[label]
                put_text(image, name, x + 2 * half + self._pad, y, self.size,
                         INK)
        return image

"""Parts of the page as HTML, made of results; every name in it is escaped."""
from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..apis.results import Prediction, Timeline, VideoResult
from ..datasets.clips import count
from ..evaluation.calibration import UNKNOWN
from ..visualization.energy import energy_figure, strip
from ..visualization.joints import (
    JOINTS,
    draw_energy,
    energy_limits,
    people_box,
    zoom,
)
from ..visualization.report import encode
from ..visualization.timeline_bar import clock, label_colors, person_colors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 5
PEOPLE = 6  # who are shown at most
STILLS = 4  # pictures of the energy at the joints
STILL_HEIGHT = 260
_KEPT = 2 * STILLS


class Still(NamedTuple):
    """A frame that is kept for a picture."""
    number: int
    image: np.ndarray  # (H, W, 3) uint8 RGB


class Stills:
    """A few frames of a video, evenly spread, whatever its length.

    Attributes:
        kept (list[Still]): In order.
    """

    def __init__(self) -> None:
        self.kept: list[Still] = []
        self._seen, self._step = 0, 1

    def add(self, number: int, image: np.ndarray) -> None:
        """Keep a frame, or not; the next one of the video."""
        if self._seen % self._step == 0:
            self.kept.append(Still(number, image.copy()))
            if len(self.kept) > _KEPT:
                self.kept, self._step = self.kept[::2], 2 * self._step
        self._seen += 1


def notice(kind: str, title: str, text: str = '') -> str:
    """A card that says one thing.

    Args:
        kind: ``'hint'``, ``'busy'``, ``'empty'`` or ``'refused'``.
        title: A short sentence.
        text: What to do.
    """
    below = f'<p>{_escape(text)}</p>' if text else ''
    return (f'<div class="hp-notice hp-{kind}" role="status">'
            f'<strong>{_escape(title)}</strong>{below}</div>')


def busy(text: str, share: float) -> str:
    """A card that says how far it is.

    Args:
        text: What is being done.
        share: Of all that is done, 0 to 1.
    """
    return (f'<div class="hp-notice hp-busy"><strong>{_escape(text)}</strong>'
            f'<i class="hp-progress"><i style="width:{100 * share:.1f}%"></i>'
            '</i></div>')


def summary(result: VideoResult, remarks: list[str]) -> str:
    """The line about a video, and what is to be remarked."""
    facts = [count(len(result.timelines), 'person', 'people'),
             f'{result.duration:.1f} s',
             f'{result.shape[1]} × {result.shape[0]}',
             f'looked at in {result.seconds:.1f} s']
    if result.model:
        facts.append(result.model)
    lines = ''.join(f'<p class="hp-remark">{_escape(remark)}</p>'
                    for remark in remarks)
    return (f'<div class="hp-summary"><strong>{_escape(result.source)}'
            f'</strong><span>{_escape(" · ".join(facts))}</span></div>'
            + lines)


def timelines(result: VideoResult) -> str:
    """A bar a person; a click on a stretch plays the video from there.

    Page.js looks for ``data-seek`` and moves ``.hp-head`` along.
    """
    duration = max([result.duration, 1e-3, *(
        s.end for t in result.timelines for s in t.segments)])
    colors = label_colors(result.timelines)
    people = _shown(result)
    rows = ''.join(_row(timeline, chip, duration, colors)
                   for timeline, chip in people)
    labels = dict.fromkeys(segment.label for timeline, _ in people
                           for segment in timeline.segments)
    legend = ''.join(
        f'<li><i style="background:{_rgb(colors[label])}"></i>'
        f'{_escape(label)}</li>' for label in labels)
    return (f'<div class="hp-card hp-timelines" data-duration="{duration:.3f}'
            f'"><h3>Timeline</h3>{rows}<div class="hp-axis"><span>0:00</span>'
            f'<span>{clock(duration, 1)}</span></div>'
            f'<ul class="hp-legend">{legend}</ul></div>')


def _row(timeline: Timeline, chip: str, duration: float,
         colors: Mapping[str, Any]) -> str:
    stretches = []
    for start, end, label, _, score in timeline.segments:
        about = f'{label}, {clock(start, 1)} to {clock(end, 1)}'
        if label != UNKNOWN:
            about += f', {100 * score:.0f} %'
        stretches.append(
            f'<button type="button" data-seek="{start:.3f}" '
            f'title="{_escape(about)}" aria-label="{_escape(about)}" style="'
            f'left:{100 * start / duration:.3f}%;'
            f'width:{100 * (end - start) / duration:.3f}%;'
            f'background:{_rgb(colors[label])}">'
            f'<span>{_escape(label)}</span></button>')
    return (f'<div class="hp-row">{chip}<div class="hp-bar">'
            f'{"".join(stretches)}<i class="hp-head"></i></div></div>')


def _shown(result: VideoResult) -> list[tuple[Timeline, str]]:
    """The timelines of who is seen longest, each with the person's chip.

    Colours are those of the overlay, which shows everybody.
    """
    colors = person_colors(result.timelines)
    kept = sorted(result.timelines, key=lambda t: -sum(
        segment.end - segment.start for segment in t.segments))[:PEOPLE]
    return [(t, f'<span class="hp-chip" style="background:'
             f'{_rgb(colors[t.track])}">{t.track}</span>')
            for t in result.timelines if t in kept]


def actions(result: VideoResult) -> str:
    """The best classes of each person over the whole video, with bars."""
    cards = []
    for timeline, chip in _shown(result):
        mine = [p for p in result.predictions if p.track == timeline.track]
        bars = ''.join(_bar(name, share, f'{100 * share:.0f} %')
                       for name, share in overall(mine, result.classes))
        cards.append(
            f'<div class="hp-card"><h3>Person {chip}</h3>'
            f'<ol class="hp-bars">{bars}</ol>{_segments(timeline)}</div>')
    return f'<div class="hp-cards">{"".join(cards)}</div>'


def overall(predictions: list[Prediction], classes: tuple[str, ...]
            ) -> list[tuple[str, float]]:
    """The best classes of one person over all windows.

    Args:
        predictions: Of one person.
        classes: Names in label order.

    Returns:
        list[tuple[str, float]]: Name and mean probability, weighted by the
        windows' lengths, the best first.
    """
    if not predictions:
        return []
    share = np.average([p.probabilities for p in predictions], axis=0,
                       weights=[max(p.end - p.start, 1e-6)
                                for p in predictions])
    return [(classes[i], float(share[i]))
            for i in np.argsort(-share, kind='stable')[:TOP]]


def _segments(timeline: Timeline) -> str:
    """The stretches as a list, which fingers can hit."""
    items = ''.join(
        f'<li><button type="button" data-seek="{start:.3f}">'
        f'<time>{clock(start, 1)}</time> {_escape(label)}</button></li>'
        for start, _, label, _, _ in timeline.segments)
    return f'<ul class="hp-segments">{items}</ul>'


def energies(result: VideoResult, stills: list[Still]) -> str:
    """Which joints carry the pooled features' energy, a card a person.

    Args:
        result: Of the video.
        stills: Frames of it, for pictures.

    Returns:
        str: Empty where the model pools no features.
    """
    cards = []
    for timeline, chip in _shown(result):
        mine = _Energy([p for p in result.predictions
                        if p.track == timeline.track
                        and p.energy is not None])
        if not mine.numbers:
            continue
        strongest = mine.joints()
        peak = strongest[0][1] or 1.
        bars = ''.join(_bar(name, value / peak, f'{value:.3g}')
                       for name, value in strongest)
        cards.append(
            f'<div class="hp-card"><h3>Person {chip}</h3>'
            f'<ol class="hp-bars hp-joints">{bars}</ol>'
            + _picture(mine.strip(stills), 'The pooled energy at the joints, '
                       'on some frames')
            + _picture(mine.figure(), 'Energy of each joint over time')
            + '</div>')
    if not cards:
        return ''
    return ('<div class="hp-energy"><h3>Pooled energy</h3><p>How strong the '
            'feature is that is pooled at each joint (its L2 norm): where the '
            'model finds something to look at.</p>'
            f'<div class="hp-cards">{"".join(cards)}</div></div>')


class _Energy:
    """The energy of one person's joints, of all windows."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        self.frames: dict[int, tuple[float, np.ndarray, np.ndarray,
                                     np.ndarray]] = {}
        for p in predictions:
            for i, (number, time) in enumerate(zip(p.numbers, p.times)):
                if p.energy is not None and (p.joint_scores[i] > 0).any():
                    self.frames[int(number)] = (
                        float(time), p.energy[i], p.joint_scores[i],
                        p.joints[i])
        self.numbers = sorted(self.frames)
        if self.numbers:
            self.times, self.energy, self.scores, self.places = (
                np.array(part) for part in zip(*(
                    self.frames[number] for number in self.numbers)))
            self.limits = energy_limits(self.energy, self.scores)

    def joints(self) -> list[tuple[str, float]]:
        """The strongest joints, name and mean energy."""
        found = self.scores > 0
        mean = (self.energy * found).sum(0) / np.maximum(found.sum(0), 1)
        return [(_joint(v, len(mean)), float(mean[v]))
                for v in np.argsort(-mean, kind='stable')[:TOP]]

    def figure(self) -> Figure | None:
        """Joints down, time across; empty where the person is absent."""
        if self.energy.shape[1] != len(JOINTS) or len(self.numbers) < 2:
            return None
        rate = 1 / max(float(np.median(np.diff(self.times))), 1e-3)
        cells = np.round(self.times * rate).astype(int)
        energy = np.zeros((1, cells[-1] + 1, len(JOINTS)), np.float32)
        scores = np.zeros_like(energy)
        energy[0, cells], scores[0, cells] = self.energy, self.scores
        return energy_figure(energy, scores, rate)

    def strip(self, stills: Any) -> np.ndarray | None:
        """Some frames, cut out around the person."""
        if self.energy.shape[1] != len(JOINTS):
            return None
        stills = [still for still in stills if still.number in self.frames]
        if not stills:
            return None
        picked = np.linspace(0, len(stills) - 1,
                             min(STILLS, len(stills))).round().astype(int)
        images = []
        for number, image in (stills[i] for i in picked):
            _, energy, scores, joints = self.frames[number]
            cut, joints = zoom(image, joints[None],
                               people_box(joints[None], scores[None]),
                               STILL_HEIGHT)
            images.append(draw_energy(cut, joints, scores[None],
                                      energy[None], self.limits))
        return strip(images)


def _joint(v: int, count: int) -> str:
    return JOINTS[v] if count == len(JOINTS) else f'joint {v}'


def _picture(image: np.ndarray | Figure | None, caption: str) -> str:
    if image is None:
        return ''
    kind, data = encode(image)
    return (f'<figure><div class="hp-scroll"><img alt="{_escape(caption)}" '
            f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}'
            f'"></div><figcaption>{_escape(caption)}</figcaption></figure>')


def _bar(name: str, share: float, value: str) -> str:
    return (f'<li><div><span>{_escape(name)}</span><b>{_escape(value)}</b>'
            f'</div><i><i style="width:{100 * min(share, 1):.1f}%"></i></i>'
            '</li>')


def _rgb(color: Sequence[float]) -> str:
    return f'rgb{tuple(int(v) for v in color)}'


def _escape(text: object) -> str:
    return html.escape(str(text), quote=True)

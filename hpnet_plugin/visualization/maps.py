"""What a pose net sees of people: maps and pooled features (Fig. 3, 4, 8)."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .joints import draw_joints, joint_names
from .style import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..apis.feature_maps import Person, PersonMaps

_SHOWN = 352  # height in pixels of the crops that are drawn on


def maps_figure(titles: Sequence[str],
                nets: dict[str, list[PersonMaps]],
                pooled: str | None = None) -> Figure:
    """Feature maps over people, a column a person (Fig. 3 and 4).

    Args:
        titles: Of the columns.
        nets: Name shown to what the net sees of each of the people.
        pooled: The feature to show below, of the last net.

    Returns:
        From top to bottom: the crop with its joints; each map of each net over
        the crop, in colours from its 2nd to its 98th percentile over all
        columns; and pooled features, joints down, channels across.
    """
    first = next(iter(nets.values()))
    rows = [(net, name) for net, seen in nets.items()
            for name in (*seen[0].maps, None)]
    height, width = first[0].crop.shape[:2]
    tall = 1.75 * height / width
    heights = [tall] * (1 + len(rows)) + [2.3] * (pooled is not None)
    # the joints' names at the left, the bar at the right
    figure, axes = new_figure(
        max(5.4, 1.1 + 1.8 * len(titles) + .7),
        sum(heights) + .27 * len(heights), rows=len(heights),
        columns=len(titles), height_ratios=heights)
    images = [[_with_joints(seen) for seen in first]]
    for row, (net, name) in enumerate(rows, 1):
        seen = nets[net]
        values = [maps.heatmap if name is None else maps.maps[name]
                  for maps in seen]
        low, high = limits(values)
        images.append([
            overlay(maps.crop, value, low, high, heatmap=name is None)
            for maps, value in zip(seen, values)])
        cells = 'x'.join(map(str, values[0].shape[::-1]))
        about = f'{name or "heatmaps of the joints"}, {cells} cells, ' \
            f'{low:.3g} to {high:.3g}'
        _row_title(axes[row, 0],
                   f'{net}: {about}' if len(nets) > 1 else about)
    for axis, image in zip(axes.ravel(), sum(images, [])):
        axis.imshow(image)
        axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=9)
    if pooled is not None:
        last = list(nets.values())[-1]
        _show_pooled(axes[-1], pooled, [maps.pooled[pooled] for maps in last])
    _bar(figure, axes)
    return figure


def _show_pooled(axes: Sequence[Axes], name: str,
                 values: Sequence[np.ndarray]) -> None:
    """A row of pooled features, (V, C) each."""
    low, high = limits(values)
    for axis, value in zip(axes, values):
        axis.imshow(value, aspect='auto', cmap='inferno', vmin=low, vmax=high,
                    interpolation='nearest')
        axis.set(xticks=[], yticks=[], xlabel='channel')
    joints, channels = values[0].shape
    axes[0].set_yticks(range(joints), joint_names(joints), fontsize=8)
    _row_title(axes[0], f'pooled features of {name}: {joints} joints x '
               f'{channels} channels, {low:.3g} to {high:.3g}')


def detector_figure(titles: Sequence[str],
                    people: Sequence[Person],
                    inputs: Sequence[Sequence[np.ndarray]],
                    shares: Sequence[Sequence[float]]) -> Figure:
    """Frames with and without a human detector (Fig. 8).

    Args:
        titles: Of the columns.
        people: A column each.
        inputs: What the RGB branch is given of each: the whole frame, and the
            window around the person, (side, side, 3) uint8.
        shares: Part of the image that the person's box covers, in each.

    Returns:
        The frame with the box; the input without, and with a detector.
    """
    figure, axes = new_figure(
        max(2.9, .4 + 2.3 * len(people)), 6.9, rows=3, columns=len(people),
        height_ratios=(1.45, 2, 2))
    for title, person, pair, share, column in zip(titles, people, inputs,
                                                  shares, axes.T):
        column[0].imshow(_with_box(person.image, person.box))
        column[0].set_title(title, fontsize=9)
        for axis, image, part in zip(column[1:], pair, share):
            axis.imshow(image)
            axis.set_xlabel(f'person: {100 * part:.0f} % of it')
        for axis in column:
            axis.set(xticks=[], yticks=[])
    for axis, text in zip(axes[:, 0], ('frame', '(a) without detector',
                                       '(b) with detector')):
        axis.set_ylabel(text, color=INK)
    return figure


def overlay(crop: np.ndarray, values: np.ndarray, low: float, high: float,
            heatmap: bool = False) -> np.ndarray:
    """A map in colours over the crop in grey.

    Args:
        crop: (h, w, 3) uint8.
        values: (h', w') float32.
        low: What is darkest.
        high: What is brightest.
        heatmap: Whether cell i of the map stands for pixel s * i, as heatmaps
            are read; else for the s pixels from s * i on.

    Returns:
        (H, W, 3) uint8, the crop enlarged.
    """
    from matplotlib import colormaps
    image = _enlarged(crop)
    height, width = image.shape[:2]
    scale = np.array([width / values.shape[1], height / values.shape[0]])
    shift = scale * 0 if heatmap else (scale - 1) / 2
    values = cv2.warpAffine(
        np.ascontiguousarray(values, np.float32),
        np.column_stack((np.diag(scale), shift)), (width, height),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    level = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    colors = 255 * colormaps['inferno'](level)[..., :3]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return (.35 * grey + .65 * colors).round().astype(np.uint8)


def limits(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """The 2nd and the 98th percentile of arrays together.

    Args:
        values: Of any shapes.

    Returns:
        Low and high.
    """
    flat = np.concatenate([value.ravel() for value in values])
    low, high = np.percentile(flat, (2, 98))
    return float(low), float(high)


def _with_joints(seen: PersonMaps) -> np.ndarray:
    image = _enlarged(seen.crop)
    factor = image.shape[0] / seen.crop.shape[0]
    joints = (seen.joints + .5) * factor - .5
    return draw_joints(image, joints[None], seen.scores[None])


def _enlarged(crop: np.ndarray) -> np.ndarray:
    height, width = crop.shape[:2]
    size = (round(width * _SHOWN / height), _SHOWN)
    return cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)


def _with_box(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    image = np.ascontiguousarray(image).copy()
    thick = max(2, round(image.shape[0] / 150))
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    for color, width in (((20, 20, 20), 3 * thick), ((255, 190, 60), thick)):
        cv2.rectangle(image, (x1, y1), (x2, y2), color, width, cv2.LINE_AA)
    return image


def _row_title(axis: Axes, text: str) -> None:
    """A title that may be longer than its column is wide."""
    axis.set_title(' ', fontsize=9)  # its height
    axis.annotate(text, (0, 1), (0, 5), xycoords='axes fraction', fontsize=9,
                  textcoords='offset points').set_in_layout(False)


def _bar(figure: Figure, axes: np.ndarray) -> None:
    """One bar for all rows, whose numbers stand in their titles."""
    from matplotlib.cm import ScalarMappable
    bar = figure.colorbar(ScalarMappable(cmap='inferno'),
                          ax=axes.ravel().tolist(), aspect=40, pad=.02,
                          fraction=.03, shrink=min(1, 3 / len(axes)))
    bar.outline.set_visible(False)
    bar.set_ticks([0, 1], labels=['low', 'high'])
    bar.ax.tick_params(labelsize=9, length=0, colors=MUTED)

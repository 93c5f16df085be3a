"""Figures of what moved the score of a clip.

What they show is defined in :mod:`hpnet_plugin.apis.explain`.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.metrics import names_or_numbers
from .joints import joint_names
from .style import INK, MUTED, add_grid, halo, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..apis.explain import Explanation, StreamParts, TextParts

_NAMES = 12  # class names that are shown one by one
# of the colour map PuOr, which common kinds of colour blindness tell apart
_RAISES, _LOWERS = '#e08214', '#8073ac'


def explained_class(explanation: Explanation, chosen: int | None = None
                    ) -> int:
    """The class that is explained.

    Args:
        explanation: Of the clip.
        chosen: A class, or None.

    Returns:
        The chosen class, else the predicted one.
    """
    return int(explanation.scores.argmax()) if chosen is None else chosen


def activation_figure(streams: dict[str, StreamParts], label: int, name: str,
                      duration: float = 0) -> Figure:
    """What each joint at each time gives to the logit of a class.

    Args:
        streams: By the name shown.
        label: The class.
        name: What it is called.
        duration: Of the clip in s; time is in percent of the clip if it is not
            known.

    Returns:
        A panel a stream and person: joints down, time across. Orange raises
        the logit, purple lowers it; a stream's people share a scale.
    """
    from matplotlib.ticker import FuncFormatter
    rows = [(title, parts, person) for title, parts in streams.items()
            for person in range(parts.cells.shape[1])]
    figure, axes = new_figure(8.6, .45 + 3.1 * len(rows), rows=len(rows))
    for (title, parts, person), axis in zip(rows, axes[:, 0]):
        cells = parts.cells[label]
        people, _, joints = cells.shape
        limit = float(np.abs(cells).max()) or 1.
        image = axis.imshow(
            cells[person].T, aspect='auto', cmap='PuOr_r', vmin=-limit,
            vmax=limit, interpolation='nearest',
            extent=(0, duration or 100, joints - .5, -.5))
        axis.set_yticks(range(joints), joint_names(joints), fontsize=8.5)
        logit, bias = parts.logits[label], parts.bias[label]
        who = f', person {person + 1}: {cells[person].sum():+.2f}' \
            if people > 1 else ''
        axis.set_title(
            f'{title}{who}\n{name}, logit {logit:.2f} = bias {bias:.2f} '
            f'{logit - bias:+.2f} of all cells', loc='left', fontsize=9.5)
        bar = figure.colorbar(image, ax=axis, aspect=18, pad=.015)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8.5, length=0)
        # three digits, but no 1e-3 above the bar
        bar.formatter = FuncFormatter(lambda value, _: f'{value:+.2g}')
        bar.set_label('part of the logit', color=MUTED, fontsize=9)
    axes[-1, 0].set_xlabel('seconds' if duration else 'percent of the clip')
    return figure


def contribution_figure(parts: dict[str, np.ndarray], name: str,
                        what: str = 'part of the logit') -> Figure:
    """What each joint gives to the score of a class.

    Args:
        parts: (V,) numbers by the name of the stream, which is short where
            there are several.
        name: The class.
        what: The numbers.

    Returns:
        A panel a stream, joints from top to bottom.
    """
    count = len(next(iter(parts.values())))
    figure, (axes, ) = new_figure(
        max(5.6, 1.2 + 2.5 * len(parts)), .95 + .225 * count,
        columns=len(parts), sharey=True)
    down = np.arange(count)
    for axis, (title, values) in zip(axes, parts.items()):
        axis.barh(down, values, height=.68, color=[
            _RAISES if value > 0 else _LOWERS for value in values])
        axis.axvline(0, color=MUTED, linewidth=.8)
        span = float(np.abs(values).max()) or 1.
        low, high = min(values.min(), 0.), max(values.max(), 0.)
        digits = max(0, 1 - int(np.floor(np.log10(span / 2))))
        # room for the numbers, of a panel that is about 2.2 inches wide
        share = (.07 * len(f'{span:+.{digits}f}') + .06) / 2.2
        room = share * (high - low) / (1 - share * (1 + (low < 0)))
        axis.set_xlim(low - room * (low < 0), high + room)
        for v, value in enumerate(values):
            shown = round(float(value), digits) + 0.  # no -0.00
            axis.annotate(
                f'{shown:+.{digits}f}', (value, v),
                (3 if value >= 0 else -3, 0), textcoords='offset points',
                ha='left' if value >= 0 else 'right', va='center',
                fontsize=8, color=INK)
        axis.set_title(title, loc='left')
        axis.locator_params(axis='x', nbins=4)
        add_grid(axis, 'x')
    axes[0].set_yticks(down, joint_names(count), fontsize=8.5)
    axes[0].set_ylim(count - .4, -.6)
    figure.supxlabel(f'{what} of {name}', fontsize=9.5, color=MUTED)
    return figure


def text_figure(text: TextParts, classes: Sequence[str] | None = None,
                label: int = -1) -> Figure:
    """What the pooled features made of the class names.

    Args:
        text: Of the clip.
        classes: K names.
        label: The clip's class, which is marked and always shown; -1: none.

    Returns:
        A line a class name, the highest score first: its logit with the text
        as the text tower gives it and with the refined text; how far the
        refinement turned it; and how long psi and eta are beside the text.
    """
    names = names_or_numbers(classes, len(text.after))
    order = np.argsort(-text.after, kind='stable')
    shown = list(order[:_NAMES])
    if label >= 0 and label not in shown:
        shown[-1] = label
    down = np.arange(len(shown))
    lengths = {'psi': text.psi, 'eta': text.eta}
    lengths = {key: value for key, value in lengths.items()
               if value is not None}
    figure, (axes, ) = new_figure(
        10.2 if lengths else 7.6, 1.25 + .27 * len(shown),
        columns=3 if lengths else 2, sharey=True,
        width_ratios=(1.5, 1, 1) if lengths else (1.5, 1))
    _show_logits(axes[0], text.before[shown], text.after[shown])
    _show_turns(axes[1], text.cosine[shown])
    if lengths:
        height = .7 / len(lengths)
        for index, (key, value) in enumerate(lengths.items()):
            axes[2].barh(
                down + (index - (len(lengths) - 1) / 2) * height,
                value[shown] / text.text[shown], height=height * .9,
                color=series_color(5 - index), label=key)
        axes[2].set_xlabel('length, in lengths of the text')
    axes[0].set_yticks(down, [
        f'{names[i]} (label)' if i == label else names[i] for i in shown])
    axes[0].set_ylim(len(shown) - .4, -.6)
    for axis in axes:
        add_grid(axis, 'x')
        if axis is not axes[1]:
            axis.legend(frameon=False, fontsize=9, ncols=2, loc='lower left',
                        bbox_to_anchor=(0, 1), borderaxespad=.2)
    if len(names) > len(shown):
        axes[1].set_title(f'the best {len(shown)} of {len(names)}',
                          fontsize=9, color=MUTED)
    return figure


def _show_logits(axis: Axes, before: np.ndarray, after: np.ndarray) -> None:
    """Logits with the text as it is and with the refined one, a row each."""
    down = np.arange(len(before))
    axis.hlines(down, before, after, linewidth=5, alpha=.35, colors=[
        series_color(int(up)) for up in after > before])
    for index, (values, title) in enumerate(((before, 'text as it is'),
                                             (after, 'refined text'))):
        axis.plot(values, down, 'os'[index], color=series_color(index),
                  markersize=6, label=title)
    axis.set_xlabel('logit')
    axis.margins(x=.08)


def _show_turns(axis: Axes, cosines: np.ndarray) -> None:
    """By how much the text was turned, a row each."""
    turned = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    axis.barh(np.arange(len(turned)), turned, height=.6,
              color=series_color(2), alpha=.85)
    for row, (angle, cosine) in enumerate(zip(turned, cosines)):
        halo(axis.annotate(
            f'{angle:.1f}° (cos {cosine:.3f})', (angle, row), (3, 0),
            va='center', textcoords='offset points', fontsize=8, color=INK))
    axis.set_xlim(0, 1.75 * (turned.max() or 1))
    axis.set_xlabel('degrees by which the text is turned')


def explanation_figures(name: str, explanation: Explanation,
                        classes: Sequence[str] | None = None,
                        chosen: int | None = None, duration: float = 0
                        ) -> dict[str, Figure]:
    """All figures of what moved the score of a clip.

    Args:
        name: Of the model.
        explanation: Of the clip.
        classes: K names.
        chosen: The class; by default the one that is predicted.
        duration: Of the clip in s, 0 where it is not known.

    Returns:
        ``activation`` and ``joints``, and of HP-Net ``text`` and ``hidden``.
    """
    label = explained_class(explanation, chosen)
    called = names_or_numbers(classes, len(explanation.scores))[label]
    streams = {key or name: parts
               for key, parts in explanation.streams.items()}
    figures = dict(
        activation=activation_figure(streams, label, called, duration),
        joints=contribution_figure(
            {key: parts.cells[label].sum((0, 1))
             for key, parts in streams.items()}, called))
    if explanation.text is not None:
        figures.update(
            text=text_figure(explanation.text, classes, explanation.label),
            hidden=contribution_figure(
                {name: explanation.text.moved[:, label]}, called,
                'lost of the logit when the joint is hidden,'))
    return figures


def explanation_record(explanation: Explanation,
                       classes: Sequence[str] | None = None,
                       chosen: int | None = None, duration: float = 0
                       ) -> dict[str, Any]:
    """The numbers behind the figures, as JSON data.

    Args:
        explanation: Of the clip.
        classes: K names.
        chosen: The class; by default the one that is predicted.
        duration: Of the clip in s, 0 where it is not known.

    Returns:
        ``label``, ``predicted`` and ``explained`` class; ``logits``;
        ``seconds`` of the clip; a dict a stream (``logit``, ``bias``,
        ``joints`` and ``cells``, (M, T', V), both without the bias); and of
        HP-Net ``text``.
    """
    names = names_or_numbers(classes, len(explanation.scores))
    label = explained_class(explanation, chosen)

    def by_joint(values: np.ndarray) -> dict[str, float]:
        return dict(zip(joint_names(len(values)), values.tolist()))

    record = dict(
        label=names[explanation.label] if explanation.label >= 0 else None,
        predicted=names[int(explanation.scores.argmax())],
        explained=names[label],
        logits=dict(zip(names, explanation.scores.tolist())),
        seconds=duration,
        streams={key: dict(
            logit=float(parts.logits[label]), bias=float(parts.bias[label]),
            joints=by_joint(parts.cells[label].sum((0, 1))),
            cells=parts.cells[label].tolist())
            for key, parts in explanation.streams.items()})
    text = explanation.text
    if text is not None:
        lengths = dict(text=text.text, psi=text.psi, eta=text.eta)
        keys = dict(before=text.before, after=text.after, cosine=text.cosine,
                    **{key: value for key, value in lengths.items()
                       if value is not None})
        record['text'] = dict(
            turned_most=names[int(text.cosine.argmin())],
            raised_most=names[int((text.after - text.before).argmax())],
            classes={name: {key: float(value[k])
                            for key, value in keys.items()}
                     for k, name in enumerate(names)},
            hidden_joints=by_joint(text.moved[:, label]),
            baseline=float(text.baseline[label]))
    return record

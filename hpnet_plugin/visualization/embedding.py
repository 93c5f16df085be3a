"""Clips as points, by what a model knows of them (Fig. 6 of the paper)."""
import numpy as np

from .style import INK, halo, marker, new_figure, series_color

_COLORS = 7


def embedding_figure(panels, labels, classes):
    """Points of one or several models side by side, the same clips in each.

    Classes differ in colour and shape, and each has its number on that of
    its points that is nearest to the others, because no set of colours tells
    sixty classes apart.

    Args:
        panels (dict[str, tuple]): Title to points (N, 2) and a line of text
            below it.
        labels (np.ndarray): (N,) ints.
        classes (list[str]): Names in label order.

    Returns:
        matplotlib.figure.Figure: The panels and the names of the classes.
    """
    present = np.unique(labels)
    # The numbers of many classes need room.
    side, count = np.clip(1.35 * len(present)**.4, 4.6, 8.5), len(panels)
    width = side * count
    names = [f'{label}  {classes[label]}' for label in present]
    # About 0.075 inches a letter, and the mark.
    columns = max(1, int(width / (.075 * max(map(len, names)) + .42)))
    lines = -(-len(names) // columns)
    figure, (axes, ) = new_figure(width, side + .65 + .165 * lines,
                                  columns=count)
    size = np.clip(260 / np.sqrt(len(labels)), 6, 34)
    for axis, (title, (points, text)) in zip(axes, panels.items()):
        handles = []
        for label in present:
            own = points[labels == label]
            color = series_color(label % _COLORS)
            handles.append(axis.scatter(
                *own.T, s=size, color=color, marker=marker(label // _COLORS),
                alpha=.75, linewidths=0, rasterized=len(labels) > 2000))
            _number(axis, own, label)
        axis.set(xticks=[], yticks=[], xlabel=text)
        axis.set_title(title, loc='left')
        axis.set_box_aspect(1)
        axis.margins(.03)
        for spine in axis.spines.values():
            spine.set(visible=True, color='#d5d9de')
    legend = figure.legend(
        handles, names, loc='outside lower center', ncols=columns,
        fontsize=8, frameon=False, handletextpad=.2, columnspacing=1,
        labelspacing=.3)
    for handle in legend.legend_handles:
        handle.set(sizes=[26], alpha=1)
    for text in legend.get_texts():
        text.set_color(INK)
    return figure


def _number(axis, points, label):
    """The class's number, on the medoid of its points."""
    far = np.linalg.norm(points[:, None] - points, axis=-1).sum(1)
    halo(axis.annotate(
        str(label), points[far.argmin()], ha='center', va='center',
        fontsize=8, fontweight='bold', color=INK))

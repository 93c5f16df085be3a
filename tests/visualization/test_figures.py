"""Figures of classes and of energy: complete and readable."""
import io
import itertools

import numpy as np
import pytest

from hpnet_plugin.visualization.classes import (
    comparison_figure,
    confusion_figure,
)
from hpnet_plugin.visualization.energy import energy_figure, strip
from hpnet_plugin.visualization.joints import JOINTS


def boxes(figure, texts):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [t.get_window_extent(canvas.get_renderer()) for t in texts]


@pytest.mark.parametrize('count', [3, 31, 120])
def test_every_class_name_is_readable(count):
    names = [f'put on something ({i})' for i in range(count)]
    figure = confusion_figure(np.eye(count, dtype=int), names)
    axis = figure.axes[0]
    rows = axis.get_yticklabels()
    assert [t.get_text() for t in rows] == names
    drawn = boxes(figure, [*rows, *axis.get_xticklabels()])
    for labels, extents, low, high in (
            (rows, drawn[:count], 'y0', 'y1'),
            (axis.get_xticklabels(), drawn[count:], 'x0', 'x1')):
        assert labels[0].get_fontsize() >= 8
        for a, b in itertools.pairwise(
                sorted(extents, key=lambda e: getattr(e, low))):
            assert getattr(a, high) <= getattr(b, low) + 1
        width, height = figure.canvas.get_width_height()
        assert all(e.x0 >= 0 and e.y0 >= 0 and e.x1 <= width
                   and e.y1 <= height for e in extents)


def test_confusions_in_percent_of_the_row():
    figure = confusion_figure(np.array([[3, 1, 0], [0, 8, 0], [0, 0, 0]]))
    share = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(share, [[75, 25, 0], [0, 100, 0],
                                          [0, 0, 0]])
    assert {t.get_text() for t in figure.axes[0].texts} == {'75', '25', '100'}


def test_comparison_orders_by_difference_and_leaves_absent_classes_out():
    first = np.array([.5, .2, np.nan, .9, .4])
    second = np.array([.5, .9, np.nan, .6, .5])
    names = ['same', 'better', 'absent', 'worse', 'slightly']
    axis = comparison_figure(first, second, ('a', 'b'), names).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == [
        'worse', 'same', 'slightly', 'better']
    assert [t.get_text() for t in axis.texts] == [
        '-30.0', '0', '+10.0', '+70.0']
    axis = comparison_figure(first, second, ('a', 'b'), names, 2).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ['worse',
                                                              'better']


def test_energy_over_time():
    energy = np.random.default_rng(0).random((2, 40, 17))
    scores = np.ones((2, 40, 17))
    scores[1, 10:20] = 0
    figure = energy_figure(energy, scores, fps=20)
    shown = [axis.images[0].get_array() for axis in figure.axes[:2]]
    np.testing.assert_array_equal(shown[0], energy[0].T)
    assert shown[1].mask[:, 10:20].all() and shown[1].mask.sum() == 170
    assert figure.axes[1].images[0].get_extent() == [0, 2, 16.5, -0.5]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(
        JOINTS)
    energy_figure(energy, 0 * scores).savefig(io.BytesIO())


def test_strip():
    images = [np.full((4, w, 3), w, np.uint8) for w in (2, 5)]
    row = strip(images, gap=3)
    assert row[0, :, 0].tolist() == [2, 2, 255, 255, 255, 5, 5, 5, 5, 5]

"""Figures of the analyses: complete, and readable with many classes."""
import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from hpnet_plugin.evaluation.fisher import FisherScore
from hpnet_plugin.visualization.classes import accuracy_figure, gains_figure
from hpnet_plugin.visualization.embedding import embedding_figure
from hpnet_plugin.visualization.fisher import fisher_figure
from hpnet_plugin.visualization.joints import JOINTS
from hpnet_plugin.visualization.style import save_figure


def draw(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def check_inside(figure, texts):
    """Whole and legible; returns where they are."""
    renderer = draw(figure)
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width + 1
               and b.y1 <= height + 1 for b in boxes)
    assert all(text.get_fontsize() >= 8 for text in texts)
    return boxes


def check_apart(boxes):
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize('count', [10, 31, 60, 120])
def test_accuracy_of_every_class(count):
    records = [{'class': f'put on something ({i})', 'clips': 276,
                'accuracy': 100 * i / count} for i in range(count)]
    records.append({'class': 'absent', 'clips': 0, 'accuracy': None})
    figure = accuracy_figure(records, dict(mean_class_accuracy=50, top1=60))
    ticks = [t for axis in figure.axes for t in axis.get_yticklabels()]
    assert [t.get_text() for t in ticks] == [
        f'{r["class"]} (276)' for r in records[-2::-1]]
    check_apart(check_inside(figure, ticks))
    bars = [p.get_width() for axis in figure.axes for p in axis.patches]
    assert bars == [r['accuracy'] for r in records[-2::-1]]


def test_gains_in_panels():
    figure = gains_figure(
        [('gain', ['a', 'b'], [10, 20], [40, 30.5]), ('lose', [], [], []),
         ('all', ['top-1'], [50], [50])], ('first', 'second'))
    gain, every = figure.axes
    # From top to bottom, which is from the end.
    assert [t.get_text() for t in gain.get_yticklabels()] == ['b', 'a']
    assert [t.get_text() for t in gain.texts] == ['+10.5', '+30.0']
    assert [t.get_text() for t in every.texts] == ['0']
    np.testing.assert_array_equal(gain.lines[0].get_xdata(), [20, 10])
    np.testing.assert_array_equal(gain.lines[1].get_xdata(), [30.5, 40])
    check_inside(figure, [*gain.get_yticklabels(),
                          *figure.legends[0].get_texts()])


@pytest.mark.parametrize('count', [10, 120])
def test_clips_as_points(count):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), 5)
    points = rng.normal(size=(len(labels), 2))
    classes = [f'put on something {i}' for i in range(count)]
    panels = {'pose': (points, 'silhouette 0.1'),
              'pooled': (points[::-1], 'silhouette 0.2')}
    figure = embedding_figure(panels, labels, classes)
    names = figure.legends[0].get_texts()
    assert [t.get_text() for t in names] == [
        f'{i}  {name}' for i, name in enumerate(classes)]
    check_apart(check_inside(figure, names))
    for axis, title in zip(figure.axes, panels):
        assert axis.get_title('left') == title
        assert len(axis.collections) == count
        assert {t.get_text() for t in axis.texts} == {
            str(i) for i in range(count)}
    # Colour and shape tell neighbours, and up to 70 classes, apart.
    looks = {(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes())
             for c in figure.axes[0].collections}
    assert len(looks) == min(count, 70)


def test_numbers_hide_no_points():
    """Where there is room; a number has a line to the medoid of its class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 12)
    points = rng.normal(size=(120, 2)) + 12 * np.c_[labels % 4, labels // 4]
    figure = embedding_figure({'a': (points, '')}, labels, list('0123456789'))
    axis, = figure.axes
    renderer = draw(figure)
    pixels = axis.transData.transform(points)
    for text in axis.texts:
        box = text.get_window_extent(renderer)
        if text.arrow_patch:  # the extent has the line in it
            text.arrow_patch.set_visible(False)
            box = Text.get_window_extent(text, renderer)
        assert not box.count_contains(pixels)
    # classes without names are called by their numbers, once
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list(
        '0123456789')


def test_the_number_is_that_of_the_medoid():
    points = np.array([[0, 0], [1, 0], [1.1, 0], [9, 0], [5, 5.]])
    figure = embedding_figure({'a': (points, '')}, np.array([0, 0, 0, 0, 1]),
                              ['one', 'two'])
    np.testing.assert_array_equal([t.xy for t in figure.axes[0].texts],
                                  [[1, 0], [5, 5]])


@pytest.mark.parametrize('count', [1, 3, 8])
def test_fisher_scores(count):
    rng = np.random.default_rng(0)
    scores = {f'backbone.stage{i}.0.branches.1': FisherScore(
        rng.random((17, 96)), np.ones((17, 96)), np.ones((17, 96)),
        np.full(17, .02), 100, 10) for i in range(count)}
    figure = fisher_figure(scores)
    bars, dots = figure.axes
    assert [p.get_width() for p in bars.patches] == [
        s.score for s in scores.values()]
    names = [t for t in bars.texts if t.get_text() in scores]
    assert len(names) == count
    assert [t.get_text() for t in dots.get_yticklabels()] == list(JOINTS)
    np.testing.assert_array_equal(
        dots.lines[0].get_xdata(), next(iter(scores.values())).joints)
    check_apart(check_inside(figure, names))
    assert dots.lines[-1].get_xdata() == [.02, .02]


def test_files_repeat_and_are_whole(tmp_path):
    for name in 'ab':
        save_figure(tmp_path / name, gains_figure(
            [('all', ['top-1'], [50], [60])], ('first', 'second')))
    for kind in ('png', 'svg'):
        a, b = ((tmp_path / f'{name}.{kind}').read_bytes() for name in 'ab')
        assert a == b and len(a) > 1000
    assert len(list(tmp_path.iterdir())) == 4

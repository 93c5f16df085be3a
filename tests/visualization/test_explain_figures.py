"""Figures of what moved a score: the numbers, and texts that can be read."""
import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hpnet_plugin.apis.explain import Explanation, StreamParts, TextParts
from hpnet_plugin.visualization.curves import apart
from hpnet_plugin.visualization.explain import (
    activation_figure,
    contribution_figure,
    explanation_figures,
    explanation_record,
    text_figure,
)
from hpnet_plugin.visualization.joints import JOINTS


def boxes(figure, texts):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    found = [t.get_window_extent(canvas.get_renderer()) for t in texts]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width + 1
               and b.y1 <= height + 1 for b in found)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(found, 2))


def parts(people=1, scale=1., seed=0):
    rng = np.random.default_rng(seed)
    cells = scale * rng.normal(size=(3, people, 8, 17))
    bias = rng.normal(size=3)
    return StreamParts(cells.sum((1, 2, 3)) + bias, bias, cells)


def text(count):
    rng = np.random.default_rng(0)
    return TextParts(*rng.random((6, count)), rng.random((17, count)),
                     rng.random(count))


def test_activation():
    streams = {'j': parts(2), 'bm': parts(1, 1e-3, 1)}
    figure = activation_figure(streams, 1, 'drink', 3.2)
    panels = [axis for axis in figure.axes if axis.images
              and axis.get_title('left')]
    assert len(panels) == 3
    np.testing.assert_array_equal(panels[1].images[0].get_array(),
                                  streams['j'].cells[1, 1].T)
    # purple and orange mean the same in both people of a stream
    limit = np.abs(streams['j'].cells[1]).max()
    for panel in panels[:2]:
        assert panel.images[0].get_clim() == (-limit, limit)
    assert panels[0].images[0].get_extent() == [0, 3.2, 16.5, -.5]
    title = panels[2].get_title('left')
    logit, bias = streams['bm'].logits[1], streams['bm'].bias[1]
    assert title == (f'bm\ndrink, logit {logit:.2f} = bias {bias:.2f} '
                     f'{logit - bias:+.2f} of all cells')
    assert 'person 2' in panels[1].get_title('left')
    assert panels[2].get_xlabel() == 'seconds'
    boxes(figure, [t for panel in panels for t in panel.get_yticklabels()])
    unknown = activation_figure({'': parts()}, 0, 'x')
    assert unknown.axes[0].get_xlabel() == 'percent of the clip'


@pytest.mark.parametrize('scale', [1e-3, 1, 300])
def test_joints(scale):
    values = scale * np.linspace(-.4, 1.2, 17)
    values[3] = 0
    figure = contribution_figure({'j': values, 'b': -values, 'jm': values},
                                 'drink')
    axes = figure.axes
    assert [bar.get_width() for bar in axes[0].patches] == values.tolist()
    assert [t.get_text() for t in axes[0].get_yticklabels()] == list(JOINTS)
    said = [float(t.get_text()) for t in axes[0].texts]
    np.testing.assert_allclose(said, values, atol=.01 * scale * 1.2)
    assert not any(t.get_text().startswith('-0.0')
                   and not float(t.get_text()) for t in axes[0].texts)
    boxes(figure, [*axes[0].get_yticklabels(),
                   *(t for axis in axes for t in axis.texts)])


@pytest.mark.parametrize('count', [3, 40])
def test_class_names(count):
    found = text(count)
    names = [f'put on something {i}' for i in range(count)]
    label = int(found.after.argmin())  # the last one is shown all the same
    figure = text_figure(found, names, label)
    order = np.argsort(-found.after)[:12]
    rows = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert len(rows) == min(count, 12)
    assert rows[0] == names[order[0]] and rows[-1] == f'{names[label]} (label)'
    before, after = figure.axes[0].lines
    assert after.get_xdata()[0] == found.after.max()
    assert before.get_xdata()[0] == found.before[order[0]]
    angle = np.degrees(np.arccos(found.cosine[order[0]]))
    assert figure.axes[1].texts[0].get_text() == (
        f'{angle:.1f}° (cos {found.cosine[order[0]]:.3f})')
    assert [t.get_text() for t in figure.axes[2].get_legend().get_texts()
            ] == ['psi', 'eta']
    assert figure.axes[2].patches[0].get_width() == pytest.approx(
        found.psi[order[0]] / found.text[order[0]])
    boxes(figure, [*figure.axes[0].get_yticklabels(),
                   *figure.axes[1].texts])


def test_all_of_one_clip():
    logits = np.array([1., 3., 2.])
    stream = Explanation('a', 2, logits, {'': parts()})
    assert list(explanation_figures('hp_j', stream)) == ['activation',
                                                         'joints']
    whole = Explanation('a', -1, logits, {'j': parts()}, text(3))
    assert list(explanation_figures('hpnet', whole)) == [
        'activation', 'joints', 'text', 'hidden']
    names = ['drink', 'read', 'wave']
    record = explanation_record(whole, names, duration=2.5)
    assert record['label'] is None and record['seconds'] == 2.5
    assert record['explained'] == 'read'
    moved = whole.text.moved[:, 1]
    assert record['text']['hidden_joints']['nose'] == moved[0]
    # a fusion that has neither psi nor eta
    bare = TextParts(*whole.text.__dict__.values())
    object.__setattr__(bare, 'psi', None)
    object.__setattr__(bare, 'eta', None)
    assert len(text_figure(bare).axes) == 2


def test_numbers_stand_apart():
    np.testing.assert_allclose(apart([10, 90, 50]), [10, 90, 50])
    np.testing.assert_allclose(apart([50, 50]), [47.25, 52.75])
    places = apart([66.5, 64.4, 66, 10])
    assert np.diff(np.sort(places)).min() >= 5.5 - 1e-9
    assert np.argsort(places).tolist() == [3, 1, 2, 0]
    assert places[:3].mean() == pytest.approx(np.mean([66.5, 64.4, 66]))

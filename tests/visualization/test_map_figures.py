"""Maps over people: each cell where it belongs, each row with its name."""
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hpnet_plugin.apis.feature_maps import (
    Person,
    PersonMaps,
    middles,
    rgb_inputs,
    titles,
)
from hpnet_plugin.visualization.joints import JOINTS
from hpnet_plugin.visualization.maps import (
    detector_figure,
    limits,
    maps_figure,
    overlay,
)


def maps(seed=0):
    rng = np.random.default_rng(seed)
    return PersonMaps(
        rng.integers(0, 255, (64, 48, 3), np.uint8),
        rng.uniform(5, 40, (17, 2)).astype('f4'), np.ones(17, 'f4'),
        {name: rng.random((side, side * 3 // 4)).astype('f4')
         for name, side in (('H1', 16), ('H2', 8), ('H3', 4))},
        rng.random((16, 12)).astype('f4'), dict(H2=rng.random((17, 9))))


@pytest.mark.parametrize('heatmap, centre', [(False, (3 * 11 + 5, 2 * 11 + 5)),
                                             (True, (3 * 11, 2 * 11))])
def test_a_cell_is_drawn_where_it_looks(heatmap, centre):
    """A map of 32 rows over an image of 352: 11 pixels a cell."""
    crop = np.full((32, 24, 3), 90, np.uint8)
    values = np.zeros((32, 24), 'f4')
    values[2, 3] = 1
    image = overlay(crop, values, 0, 1, heatmap)
    assert image.shape == (352, 264, 3)
    y, x = np.unravel_index(image.sum(-1).argmax(), image.shape[:2])
    assert (x, y) == centre
    # a third of what is below shines through, where the map is dark
    np.testing.assert_allclose(image[300, 200], .35 * 90, atol=3)


def test_figure_of_several_nets():
    seen = [maps(0), maps(1)]
    figure = maps_figure(['a\n0.5 s', 'b\n0.7 s'],
                         dict(one=seen, other=seen), 'H2')
    rows = figure.axes[:-1]  # the last one is the bar
    assert len(rows) == 2 * (1 + 2 * 4 + 1)
    assert [axis.get_title() for axis in rows[:2]] == ['a\n0.5 s',
                                                       'b\n0.7 s']
    said = [t.get_text() for axis in rows for t in axis.texts]
    low, high = limits([m.maps['H1'] for m in seen])
    assert said[0] == f'one: H1, 12x16 cells, {low:.3g} to {high:.3g}'
    assert said[3].startswith('one: heatmaps of the joints, 12x16 cells')
    assert said[4].startswith('other: H1') and len(said) == 9
    assert said[-1].startswith('pooled features of H2: 17 joints x 9 chan')
    pooled = rows[-2]
    np.testing.assert_array_equal(pooled.images[0].get_array(),
                                  seen[0].pooled['H2'])
    assert [t.get_text() for t in pooled.get_yticklabels()] == list(JOINTS)
    # names that are longer than a column leave the columns side by side
    FigureCanvasAgg(figure).draw()
    left, right = (axis.get_position() for axis in rows[2:4])
    assert 0 < right.x0 - left.x1 < .3 * left.width


def test_without_and_with_detector():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 90:110] = 200  # the person
    person = Person('clip', 1.5, 0, image, np.array([90., 20, 110, 60]))
    (whole, cut), = images = rgb_inputs([person])[0]
    share, = shares = rgb_inputs([person])[1]
    # of a square of 220 pixels, and of one of 44
    np.testing.assert_allclose(share, [800 / 220**2, 800 / 44**2])
    for shown, part in zip((whole, cut), share):
        assert shown.shape == (224, 224, 3)
        assert (shown > 100).all(-1).mean() == pytest.approx(part, rel=.1)
    figure = detector_figure(titles([person]), [person], images, shares)
    frame, without, detected = figure.axes
    assert frame.get_title() == '1.5 s'
    assert without.get_xlabel() == 'person: 2 % of it'
    assert detected.get_xlabel() == 'person: 41 % of it'
    assert without.get_ylabel() == '(a) without detector'


def test_titles_and_moments():
    people = [Person(name, 1, number, None, None)
              for name, number in (('a', 0), ('a', 1))]
    assert titles(people) == ['1.0 s, person 1', '1.0 s, person 2']
    assert titles([people[0], people[0]._replace(source='b')]) == [
        'a\n1.0 s', 'b\n1.0 s']
    assert middles(10, 2) == [2, 7] and middles(2, 4) == [0, 1]

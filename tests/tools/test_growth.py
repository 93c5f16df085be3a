"""hpnet benchmark growth: what grows, how fast, and beside what."""
import json

import numpy as np
import pytest

from hpnet_plugin.benchmarks import growth
from hpnet_plugin.benchmarks.growing import clips, curves, networks, videos
from hpnet_plugin.commands.benchmark import main
from hpnet_plugin.visualization.growth import growth_figure


def curve(ours, bound, sizes=(1, 2, 4, 8, 16, 32), unit=curves.TIME):
    sizes = np.array(sizes, float)
    return curves.Curve('reading', 'clips', unit, [*sizes], [*ours(sizes)],
                        [*bound(sizes)], 'numpy.load')


def test_exponent():
    """Of the larger half: what is constant at first does not count."""
    sizes = 2.**np.arange(8)
    assert growth.exponent(sizes, 3 * sizes**1.5) == pytest.approx(1.5)
    assert growth.exponent(sizes, np.maximum(sizes, 8)) == pytest.approx(1)
    assert growth.exponent(sizes[:1], [3]) == 0


def test_what_grows_faster_is_told():
    square = growth.summary(curve(np.square, np.array))
    assert square['exponent'] == 2 and square['bound_exponent'] == 1
    assert square['verdict'] == 'grows faster than its bound'
    assert square['times_the_bound'] == 32
    assert (square['from'], square['to']) == ('1: 1', '32: 1.02e+03')
    for ours, bound in ((np.array, np.array), (np.sqrt, np.array),
                        (lambda x: x**.1, lambda x: 1 / x)):
        assert growth.summary(curve(ours, bound))['verdict'] == \
            'as its bound or slower'


def test_peak():
    """What was freed again counts, in a process of its own."""
    def call():
        np.ones(10**7)
        return np.ones(100)

    found = curves.memory_curve('', '', '', [1], lambda size: (call, 80.))
    assert 75 < found.ours[0] < 95 and found.bound == [80]


def test_times_are_of_one_call(monkeypatch):
    """Short ones are done many times a turn; the bound by its factor."""
    calls = dict(ours=0, bound=0)

    def side(name):
        def call():
            calls[name] += 1
        return call

    def clock(sides, repeat, warm):
        assert repeat == 3 and not warm
        times = {}
        for name, several in sides.items():
            before = calls[name]
            several()
            times[name] = [calls[name] - before] * 3
        return times

    monkeypatch.setattr(curves, 'cpu_times', clock)
    found = curves.time_curve('', '', '', [1, 2], lambda size: curves.Point(
        side('ours'), side('bound'), factor=size), 3)
    assert found.ours == [1, 1] and found.bound == [1, 2]
    assert calls['ours'] > 20


@pytest.fixture
def small(monkeypatch):
    """The smallest sizes, which cost little."""
    monkeypatch.setattr(networks, 'SIZES', dict(frames=(8, 16)))
    for name, sizes in (('SCORED', (20, 40)), ('LENGTHS', (8, 16)),
                        ('BATCHES', (1, 2)), ('ROWS', (1000, 10_000, 1))):
        monkeypatch.setattr(clips, name, sizes)
    for name, sizes in (('SECONDS', (1, )), ('LONG', (2, )),
                        ('PEOPLE', (1, 2)), ('CROWD', 3), ('KEPT', 4)):
        monkeypatch.setattr(videos, name, sizes)


def test_all_is_measured(small, tmp_path, capsys):
    """But prediction, whose model takes long to make."""
    out = tmp_path / 'numbers.json'
    words = ['growth', '--repeat', '1', '--figure',
             str(tmp_path / 'figure.png'), '--json', str(out), '--parts']
    assert main([*words, 'network', 'loading', 'fusing', 'extraction']) == 0
    found, points = json.loads(out.read_text())['tables'].values()
    assert len(found) == 2 + 2 + 2 + 4
    assert {row['against'] for row in found} == {
        'frames', 'frames stored', 'clips in a batch', 'clips',
        'seconds of video', 'people in each frame'}
    assert len(points) == 2 * 2 + 2 * 2 + 2 * 2 + 1 + 1 + 2 + 1
    assert all(row['ours'] >= 0 and row['bound'] > 0 for row in points)
    assert (tmp_path / 'figure.png').stat().st_size > 10_000
    assert not (tmp_path / 'figure.svg').exists()
    with pytest.raises(SystemExit):
        main(['growth', '--figure', 'figure.svg'])
    assert main([*words, 'store', '--leave-out', '1']) == 0
    found, points = json.loads(out.read_text())['tables'].values()
    assert len(found) == 3
    opened = [row for row in points if row['what'] == 'opening a store']
    assert [row['size'] for row in opened] == [1000, 10_000]
    capsys.readouterr()


def test_a_store_of_many_rows(tmp_path):
    """Its clips are there, and their checksums are right."""
    from hpnet_plugin.store import FeatureStore
    clips._write_rows(str(tmp_path / 'store'), 50)
    store = FeatureStore(tmp_path / 'store')
    assert len(store) == 50
    assert (store.read(clips._name(49), clips.TAP) == 0).all()


def test_figure():
    panels = [curve(np.array, np.sqrt), curve(np.square, np.array),
              curve(np.array, np.array, unit=curves.MEMORY),
              curve(np.array, np.array, sizes=[1000])]
    figure = growth_figure(panels, [1, 2, 1, 0])
    shown = [axis for axis in figure.axes if axis.axison]
    assert len(figure.axes) == 6 and len(shown) == 4
    bound, ours = shown[1].lines
    assert (ours.get_ydata() == np.array(shown[0].lines[1].get_xdata())**2
            ).all()
    assert bound.get_linestyle() == '--'
    assert [text.get_text() for text in shown[1].texts] == [
        'numpy.load', '$n^{2.00}$']

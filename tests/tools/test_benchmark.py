"""hpnet benchmark: every command measures, prints and writes numbers."""
import json
import os
import resource
import sys

import numpy as np
import pytest

from hpnet_plugin.benchmarks import common, inputs, loader, startup, store
from hpnet_plugin.cli import COMMANDS
from hpnet_plugin.commands.benchmark import main
from hpnet_plugin.estimation.video import VideoReader


@pytest.fixture
def measure(tmp_path, capsys):
    """Run a command: its tables, and what it printed."""
    def call(*words):
        path = tmp_path / 'numbers.json'
        assert main([*words, '--json', str(path)]) == 0
        content = json.loads(path.read_text())
        printed = capsys.readouterr().out
        assert content['command'] in printed
        assert content['machine']['cpu'] in printed
        assert content['machine']['versions']['numpy'] == np.__version__
        return list(content['tables'].values()), printed
    return call


def test_ratio():
    """Of the turns each, not of the medians."""
    assert common.ratio([4, 6, 8], [2, 2, 8]) == dict(
        median=2, low=1, high=3)
    assert common.spread([0.012345]) == dict(
        median=.0123, low=.0123, high=.0123)


def test_a_run_apart(capfd):
    assert common.apart(lambda a: a + os.getpid() * 0, 3) == 3
    with pytest.raises(RuntimeError, match='see above'):
        common.apart(lambda: 1 / 0)
    assert 'ZeroDivisionError' in capfd.readouterr().err


def test_extract(measure):
    (speed, pooling), printed = measure(
        'extract', '--clips', '1', '--repeat', '1')
    assert [row['what'] for row in speed] == ['plain', '1 worker']
    assert '1 clip, 100 frames' in printed
    rates = [row['frames_per_second']['median'] for row in speed]
    assert speed[1]['faster_than_plain']['median'] == pytest.approx(
        rates[1] / rates[0], rel=.02)
    row, = pooling
    assert row['extractor_by_net']['median'] == pytest.approx(
        row['extractor']['median'] / row['bare_net']['median'], rel=.02)


def test_options_that_do_not_fit(capsys):
    assert main(['extract', '--pose', 'net.onnx']) == 2
    assert '--pose and --tap' in capsys.readouterr().err
    assert main(['extract', 'videos', '--long', '9']) == 2
    assert 'leave the source out' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['store', '--clips', '0'])


def test_store(measure):
    (reads, cold, many), printed = measure(
        'store', '--clips', '300', '--shards', '7', '--repeat', '1')
    assert '300 tiny clips in 7 shards, at most 256' in printed
    assert all(row['store'] > 0 and row['plain'] > 0 for row in reads)
    assert any('300 to 64 frames' in row['what'] for row in reads)
    assert len(cold) == 3 and '8 random frames' in cold[2]['what']
    for row in cold[:2]:  # float32 has twice the bytes of the store
        assert row['plain_MB'] == pytest.approx(2 * row['store_MB'], rel=.05)
    assert many[0]['what'] == 'open'


def test_loader(monkeypatch, tmp_path):
    """Both sides are compared; each kind of process has its numbers."""
    monkeypatch.setattr(loader, 'BATCH', 4)
    monkeypatch.setattr(loader, 'BATCHES', 3)
    names = loader.write_folder(str(tmp_path), 70, clips=3)
    times = loader.measure(str(tmp_path), names, 'bm', 1)
    row = loader._row('bm', 70, times)
    assert row['times_as_fast']['median'] > 0
    assert row['what'] == 'hp_bm, 70 frames stored'
    with pytest.raises(RuntimeError, match='hp_b.*differs'):
        loader.compare(*[loader.ours(str(tmp_path), part)()
                         for part in ('b', 'j')], 'b')
    rows = loader.measure_workers(str(tmp_path), names, 70, 1)
    assert [row['what'] for row in rows] == [
        'ours, 70 frames stored', 'plain, 70 frames stored']
    assert all(row['main_process_us']['median'] > 0 for row in rows)


def test_both_sides_read_the_same(tmp_path):
    """What is timed is the same clip: features as stored and plain."""
    from hpnet_plugin.store import FeatureStore
    names = store.make(str(tmp_path), clips=2, frames=9, channels=4)
    kept = FeatureStore(tmp_path / 'store')
    for name in names:
        plain = np.load(tmp_path / 'plain' / f'{name}.npy')
        assert plain.dtype == np.float32
        assert (kept.read(name, store.TAP) == plain).all()


def test_descriptors_are_limited():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with store.descriptors(100):
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_tracking(measure):
    (rows, ), printed = measure('tracking', '--scenes', '1')
    assert {row['people'] for row in rows} == {2, 3, 4, 5, 6}
    assert 'ours, whole clip' in printed


def test_filling_is_as_long_as_it_says(tmp_path):
    """Copies are appended: frames, times and key frames go on."""
    path = str(tmp_path / 'v.mp4')
    inputs.fill_video(path, 45, copies=4)
    with VideoReader(path) as reader:
        numbers = [n for chunk in reader.chunks() for n in chunk.numbers]
        assert numbers == list(range(180))
        assert reader.damage is None
        np.testing.assert_allclose(reader.times, np.arange(180) / 30)


def test_a_long_video_with_its_boxes(tmp_path):
    videos, boxes = inputs.draw_long(str(tmp_path), 200, size=(192, 108))
    rows = json.loads(open(boxes).read())['long']
    assert len(rows) == 200 and rows[0] == rows[190]  # 95 there, 95 back
    with VideoReader(os.path.join(videos, 'long.mp4')) as reader:
        assert reader.count == 200
        image = next(reader.chunks()).images[0]
    assert image.shape == (108, 192, 3)
    x1, y1, x2, y2, _ = np.array(rows[0][0])
    assert -1 <= x1 < x2 <= 193 and -1 <= y1 < y2 <= 109


def test_startup(measure, monkeypatch):
    """Without the trainings, and with a clock instead of programs."""
    times = {'import mmaction': 4., 'import mmaction, hpnet_plugin': 6.}
    ran = []

    def clock(command, env):
        ran.append(command)
        return times.get(command[-1], 2.)

    monkeypatch.setattr(startup, 'cpu_seconds', clock)
    (imports, helps), printed = measure('startup', '--no-train', '--repeat',
                                        '3')
    rows = {row['what']: row for row in imports}
    ours = rows['import mmaction, hpnet_plugin']
    assert ours['beside'] == 'import mmaction'
    assert ours['ratio']['median'] == 1.5
    assert ours['more_seconds']['median'] == 2
    assert 'ratio' not in rows['import mmaction']
    assert rows['import hpnet_plugin.store']['ratio']['median'] == 1
    assert {f'hpnet {name} --help' for name in COMMANDS} < {
        row['what'] for row in helps}
    assert 'python -c pass' in printed
    assert all(ran.count([sys.executable, '-m', 'hpnet_plugin.cli', name,
                          '--help']) == 3 for name in COMMANDS)


def test_the_clock_of_programs():
    busy = [sys.executable, '-c', 'import os; os.environ["MORE"]\n'
            'sum(range(10**7))']
    assert startup.cpu_seconds(busy, dict(MORE='1')) > .05
    with pytest.raises(RuntimeError, match='KeyError'):
        startup.cpu_seconds(busy)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Small, and untrained."""
    return inputs.untrained_model(str(tmp_path_factory.mktemp('model')))


def test_growth_of_prediction(monkeypatch, model, tmp_path):
    """Against the length of a video, all of which is predicted."""
    from hpnet_plugin.benchmarks.growing import videos
    monkeypatch.setattr(videos, 'WATCHED', (2, 4))
    monkeypatch.setattr(videos.inputs, 'untrained_model', lambda _: model)
    time, memory = videos.prediction(str(tmp_path), 1)
    assert time.sizes == memory.sizes == [2, 4]
    assert min(*time.ours, *time.bound, *memory.ours) > 0


def test_predict(monkeypatch, model, tmp_path, capsys):
    """In this process: others would import everything again."""
    from hpnet_plugin.benchmarks import predict
    monkeypatch.setattr(predict, 'apart', lambda call, *args: call(*args))
    monkeypatch.setattr(inputs, 'untrained_model', lambda _: model)
    monkeypatch.setattr(inputs, 'ACTED', 3)
    path = tmp_path / 'numbers.json'
    assert main(['predict', '--minutes', '1', '--detector', 'frame',
                      '--fps', '2', '--paced', '5', '--json',
                      str(path)]) == 0
    (about, (speed, )), stages, sizes, delays = json.loads(
        path.read_text())['tables'].items()
    assert about == '1.0 minutes of video, 2 frames/s looked at, windows ' \
        'of 3 s'
    assert speed['frames'] == 120 and speed['people_a_frame'] == 1
    # of 3 s, each 1.5 s, and what is left at the end
    assert 39 <= speed['windows'] <= 40
    assert speed['times_real_time'] == pytest.approx(
        60 / speed['seconds'], rel=0.05)
    shares = {row['stage']: row['share_percent'] for row in stages[1]}
    assert sum(shares.values()) == pytest.approx(100, abs=1)
    assert min(shares.values()) >= 0 and len(shares) == 6
    assert shares['pose net and pooling'] > shares['cutting crops'] > 0
    when = {row['when']: row for row in sizes[1]}
    assert when['end']['video_s'] == 60
    assert when['peak']['RSS_MB'] >= when['end']['RSS_MB'] > 100
    (delay, ), = delays[1:]
    # windows that end at 3 and 4.5 s; what is left at the end is not timed
    assert delay['windows'] == 2
    assert 0 < delay['p50_ms'] <= delay['p95_ms'] <= delay['worst_ms']
    assert 'times real time' in capsys.readouterr().out

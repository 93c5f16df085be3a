"""hpnet plan: its arithmetic, in closed form and beside real files."""
import json

import numpy as np
import pytest

from hpnet_plugin.benchmarks.extraction_rates import (
    annotation_rate,
    index_rate,
    repeated,
    write_rate,
)
from hpnet_plugin.cli import main
from hpnet_plugin.datasets.sources import SourceClip
from hpnet_plugin.extraction import planning
from hpnet_plugin.extraction.planning import Job, Rates, RatesError, Site
from hpnet_plugin.store import FeatureStore

JOB = Job(1_000_000, 10)  # of 300 frames, one person
RATES = Rates(workers=8, frames=600., frame_seconds=.012, decode_seconds=.002,
              crop_seconds=.008, crops=1., frame_bytes=5000., write=100e6,
              annotate=50e6, consolidate=50_000., index_bytes=200.)


class TestArithmetic:

    def test_bytes_are_those_of_the_formats(self, tmp_path):
        """Beside a store, annotations and an index that were written."""
        job = Job(3, 2, fps=10, people=2)
        root = str(tmp_path / 'noise')
        write_rate(root, job, 3 * int(planning.feature_bytes(job)))
        store = FeatureStore(root)
        assert len(store) == 3
        assert planning.feature_bytes(job) == sum(
            store.read(store.names[0], key).nbytes for key in (
                'keypoint', 'keypoint_score', 'timestamp', 'noise'))
        assert annotation_rate(root) > 0
        size = (tmp_path / 'annotations.pkl').stat().st_size
        joints = 3 * planning.annotation_bytes(job)
        assert joints < size < joints + 3 * 1000
        found = index_rate(str(tmp_path / 'index'), 1000, 60)
        holes = FeatureStore(str(tmp_path / 'index'))
        assert len(holes) == 1000 and found['consolidate'] > 0
        assert holes.shape('clip00000999', 'keypoint') == (1, 300, 17, 2)
        assert found['index_bytes'] * 1000 == (
            tmp_path / 'index/consolidated.index').stat().st_size

    def test_a_machine(self):
        """Rates of other clips follow from the parts of a frame's time."""
        assert planning.machine_rate(JOB, RATES) == pytest.approx(2)
        assert planning.machine_rate(
            JOB._replace(people=2), RATES) == pytest.approx(2 * 12 / 20)
        # 150 of 300 frames are posed
        assert planning.machine_rate(
            JOB._replace(kept=150), RATES) == pytest.approx(2 * 12 / 8)
        # frames have to be decoded all the same
        assert planning.machine_rate(JOB._replace(people=0, kept=1), RATES
                                     ) == pytest.approx(2 * 12 / 4)
        assert planning.shares(JOB, RATES) == pytest.approx({
            'pose net': 8 / 12, 'decoding': 2 / 12,
            'people and the rest': 2 / 12})
        bare = Rates(8, 600.)
        assert planning.machine_rate(JOB._replace(people=2), bare) == 2
        assert 'annotate' in planning.unknown(bare)

    def test_where_the_bottleneck_moves(self):
        """One writer bounds at 100 MB/s; many writers at the storage."""
        size = 300 * (17 * 204 + 8)
        ray = Site(single=True, network=1000e6, source=30e6)
        assert planning.bounds(JOB, RATES, ray, 4) == pytest.approx({
            'workers (pose net)': 8, 'writing the store': 100e6 / size,
            "the driver's network": 1000e6 / size, 'reading videos': 20})
        assert planning.moves(JOB, RATES, ray) == pytest.approx({
            'reading videos': 10, 'writing the store': 100e6 / size / 2,
            "the driver's network": 1000e6 / size / 2})
        shard = Site(storage=500e6)
        assert planning.moves(JOB, RATES, shard) == pytest.approx({
            'the storage': 500e6 / size / 2})
        assert planning.bounds(JOB, RATES, shard, 4)[
            'writing the store'] == pytest.approx(400e6 / size)

    def test_hours_and_cost(self):
        """Each of four machines writes annotations.pkl; Ray's driver once."""
        index, joints = 20, 1e6 * 300 * 17 * 12 / 50e6
        row = planning.plan(JOB, RATES, Site(price=3.), 4)
        assert row.rate == pytest.approx(8)
        assert row.finish == pytest.approx((index + 4 * joints) / 3600)
        assert row.hours == pytest.approx(1e6 / 8 / 3600 + row.finish)
        assert row.cost == pytest.approx(4 * 3 * row.hours)
        ray = planning.plan(JOB, RATES, Site(single=True), 4)
        assert ray.finish == pytest.approx((index + joints) / 3600)
        assert planning.plan(JOB, RATES, Site(), 1000).bottleneck == \
            planning.FINISH

    def test_machines_for_a_time(self):
        site = Site(single=True)
        row = planning.machines_for(JOB, RATES, site, 24)
        assert row.hours <= 24 < planning.plan(
            JOB, RATES, site, row.machines - 1).hours
        assert planning.machines_for(JOB, RATES, site, 1) is None

    def test_repeated(self):
        clips = repeated([SourceClip('a', 'x'), SourceClip('b', 'y')], 3)
        assert [clip.name for clip in clips] == [
            '0000_a', '0000_b', '0001_a', '0001_b']


class TestCommand:

    def rates(self, tmp_path, **changes):
        path = tmp_path / 'rates.json'
        path.write_text(json.dumps(dict(
            rates=dict(RATES._asdict(), **changes))))
        return str(path)

    def test_a_plan(self, tmp_path, capsys):
        out = tmp_path / 'plan.json'
        figure = tmp_path / 'plan.png'
        assert main(['plan', '--rates', self.rates(tmp_path), '--clips',
                     '1000000', '--price', '2', '--hours', '48', '--launcher',
                     'ray', '--source', '30', '--machines', '1', '16',
                     '--json', str(out), '--figure', str(figure)]) == 0
        said = capsys.readouterr().out
        content = json.loads(out.read_text())
        assert content['bytes']['features'] == 1_042_800e6
        assert [row['machines'] for row in content['rows']] == [1, 16]
        assert content['rows'][1]['bottleneck'] == 'reading videos'
        assert '1,042.80' in said and 'crop_bytes' in said
        assert 'From 10.0 machines on, reading videos bounds' in said
        assert '3 machines are done in 46.' in said
        assert figure.read_bytes()[1:4] == b'PNG'

    def test_rates_of_a_benchmark(self, tmp_path):
        """The frames a second of most workers."""
        path = tmp_path / 'extract.json'
        path.write_text(json.dumps(dict(tables={'6 clips': [
            dict(what='plain', frames_per_second=dict(median=5.)),
            dict(what='2 workers', frames_per_second=dict(median=30.)),
            dict(what='1 worker', frames_per_second=dict(median=20.))],
            'A batch': [dict(what='pooling and bookkeeping')]})))
        assert planning.read_rates(str(path)) == Rates(2, 30.)

    @pytest.mark.parametrize('text', [
        '', '[]', '{}', '{"rates": []}', '{"rates": {"workers": 2}}',
        '{"tables": {"a": []}}', '{"tables": 3}', '[' * 100_000, '\xff',
        '{"rates": {"workers": 2, "frames": 3, "speed": 4}}'])
    def test_what_is_no_file_of_rates(self, tmp_path, text):
        path = tmp_path / 'rates.json'
        path.write_text(text, encoding='latin1')
        with pytest.raises(RatesError, match=f'{path}: no file of hpnet'):
            planning.read_rates(str(path))

    @pytest.mark.parametrize('name, value', [
        ('frames', 0), ('frames', None), ('write', -1), ('workers', 'two'),
        ('annotate', float('nan')), ('index_bytes', True)])
    def test_rates_that_are_none(self, tmp_path, name, value):
        with pytest.raises(RatesError, match=f'{name} is .*a number above 0'):
            planning.read_rates(self.rates(tmp_path, **{name: value}))

    @pytest.mark.parametrize('words, why', [
        (['--rates', 'x'], '--clips is needed'),
        (['--clips', '3'], 'one of the arguments --measure --rates'),
        (['--rates', 'x', '--clips', '3', '--save', 'y'], 'go with'),
        (['--rates', 'x', '--clips', '3', '--', '--pose'], 'go with')])
    def test_options_that_do_not_fit(self, words, why, capsys):
        with pytest.raises(SystemExit):
            main(['plan', *words])
        assert why in capsys.readouterr().err

    @pytest.mark.slow
    def test_measured(self, tmp_path, capsys):
        """A real extraction, of a short video and with the tiny net."""
        from hpnet_plugin.demo import people
        video = tmp_path / 'clip.mp4'
        people.save_video(str(video), people.make_clip(0, 0, length=6).frames)
        saved = tmp_path / 'saved.json'
        assert main(['plan', '--measure', str(video), '--save', str(saved),
                     '--written', '5', '--indexed', '1000', '--folder',
                     str(tmp_path), '--', '--pose', 'tiny', '--detector',
                     'frame', '--workers', '1']) == 0
        rates = planning.read_rates(str(saved))
        assert rates.crops == 1 and rates.workers == 1
        assert rates.frame_bytes == pytest.approx(video.stat().st_size / 6)
        assert np.isfinite([value for value in rates if value]).all()
        assert planning.unknown(rates) == ['crop_bytes']
        about = json.loads(saved.read_text())['measured']
        assert about['options'][:2] == ['--pose', 'tiny']
        assert {path.name for path in tmp_path.iterdir()} == {
            'clip.mp4', 'saved.json'}

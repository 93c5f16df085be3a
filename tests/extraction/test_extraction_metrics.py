"""Metrics are scraped, by Prometheus' own parser, from a run that goes on."""
import math
import os
import socket
import urllib.request

import pytest

import hpnet_plugin  # noqa: F401
from hpnet_plugin.benchmarks.inputs import write_video
from hpnet_plugin.commands.extract import main
from hpnet_plugin.datasets.sources import find_clips
from hpnet_plugin.demo import people
from hpnet_plugin.estimation.detectors import FrameDetector
from hpnet_plugin.estimation.extractor import build_extractor
from hpnet_plugin.extraction.clips import Settings
from hpnet_plugin.extraction.metrics import (
    MetricsError,
    Target,
    parse_target,
    published,
)
from hpnet_plugin.extraction.run import Estimate, Extraction
from hpnet_plugin.extraction.tally import Tally, kind_of_loss
from hpnet_plugin.extraction.watch import Watch
from hpnet_plugin.extraction.workers import Workers
from hpnet_plugin.store import FeatureStore

parser = pytest.importorskip('prometheus_client.parser')
TAP = 'backbone.stage4.0.branches.1'
PORT = Target('127.0.0.1', 0, '')


def numbers(text):
    """Samples of the text form: (name, value of its only label) to value."""
    return {(sample.name.removeprefix('hpnet_extraction_'),
             *(value for label, value in sorted(sample.labels.items())
               if label != 'worker')): sample.value
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples}


def scrape(line):
    """What the address in a line serves."""
    with urllib.request.urlopen(line.removeprefix('metrics: '),
                                timeout=60) as answer:
        assert answer.headers['Content-Type'].startswith('text/plain')
        return numbers(answer.read().decode())


class ShyPeople(FrameDetector):
    """A frame is one person, but nobody is in clips of that name."""

    def people(self, frames, clip, numbers):
        found = super().people(frames, clip, numbers)
        return [one._replace(boxes=one.boxes[:0]) for one in found] \
            if clip == 'nobody' else found


class Scraping(Watch):
    """Scrapes at some events, and kills the first worker that gets on."""

    def __init__(self, lines):
        self.lines, self.seen, self.killed = lines, [], False

    def progress(self, worker, count):
        self.seen.append(scrape(self.lines[0]))
        if not self.killed and count:
            self.killed = True
            for process in children():
                os.kill(process, 9)

    def lost(self, worker, how):
        self.seen.append(scrape(self.lines[0]))


def children():
    with open(f'/proc/{os.getpid()}/task/{os.getpid()}/children') as file:
        return [int(word) for word in file.read().split()]


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Two good clips, one without people, one cut off, one that is none."""
    folder = tmp_path_factory.mktemp('videos')
    frames = people.make_clip(0, 0, length=9).frames
    for name in ('a', 'b', 'nobody'):
        people.save_video(str(folder / f'{name}.mp4'), frames)
    (folder / 'none.mp4').write_text('no video')
    write_video(str(folder / 'cut.mkv'), [*frames, *frames],
                options=dict(g='4'))
    os.truncate(folder / 'cut.mkv', (folder / 'cut.mkv').stat().st_size // 2)
    return folder


def test_a_run_is_scraped(root, videos, tmp_path):
    """While it goes on, a worker is killed, and at the end."""
    import mmpose.apis  # noqa: F401  before any fork, as hpnet extract does

    def build(device):
        return ShyPeople(), build_extractor(
            str(root / 'configs/pose/tiny_hrnet.py'),
            str(root / 'hpnet_plugin/estimation/tiny_pose.pth'), [TAP])

    tally, lines = Tally('1 of 1'), []
    with published(PORT, tally, lines.append):
        watch = Scraping(lines)
        failures = Extraction(build, Settings(batch=8, damaged='mark'))(
            find_clips(str(videos)), str(tmp_path / 'out'), progress=False,
            watches=[watch], tally=tally)
        last = scrape(lines[0])
    assert list(failures) == ['none']
    first, lost = watch.seen[0], next(
        seen for seen in watch.seen if seen['workers', 'lost'])
    assert first['clips_in_flight', ] == first['workers', 'busy'] == 1
    assert first['planned_clips', ] == first['found_clips', ] == 5
    assert first['running', ] == 1 and math.isnan(first['remaining_seconds', ])
    assert lost['worker_restarts_total', 'SIGKILL'] == 1
    assert lost['clips_in_flight', ] == 0
    assert {outcome: last['clips_total', outcome] for outcome in (
        'stored', 'nobody', 'damaged', 'failed', 'crops')} == dict(
            stored=2, nobody=1, damaged=1, failed=1, crops=0)
    store = FeatureStore(str(tmp_path / 'out/features'))
    assert last['stored_bytes_total', ] == sum(
        store.read(name, key).nbytes for name in store.names
        for key in ('keypoint', 'keypoint_score', 'timestamp', TAP))
    frames = sum(store.info(name)['num_frames'] for name in store.names)
    # what the killed attempt read is read again
    assert frames < last['frames_total', ] <= frames + 9
    assert last['worker_clips_total', ] == 5
    assert last['clips_in_flight', ] == last['remaining_seconds', ] == 0
    assert last['worker_seconds_total', ] > 0


def test_workers_do_not_inherit_the_server():
    """Neither those that were forked while a request was answered."""
    lines = []
    with published(PORT, Tally(), lines.append):
        host, port = lines[0].split('/')[2].split(':')
        with socket.create_connection((host, port)) as client:
            client.send(b'GET /metrics HTTP/1.0\r\n')  # and never the rest
            scrape(lines[0])  # so that the one before was accepted
            with Workers(lambda number: (sockets, None), 1) as workers:
                (_, found), = workers.run([int(port)], Watch())
    assert found == []
    with socket.create_server((host, int(port))):
        pass  # it is free again


def sockets(port, report):
    """TCP sockets of this process at a port."""
    with open('/proc/self/net/tcp') as file:
        rows = [line.split() for line in file]
    inodes = {row[9] for row in rows if row[1].endswith(f':{port:04X}')}
    held = []
    for fd in os.listdir('/proc/self/fd'):
        try:
            held.append(os.readlink(f'/proc/self/fd/{fd}'))
        except OSError:  # the one that listed the folder
            continue
    return [one for one in held if one[8:-1] in inodes
            and one.startswith('socket:')]


def test_a_port_that_is_taken(tmp_path, capsys):
    """It is said in one line, before there is any work."""
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        assert main(['nowhere', '--out', str(tmp_path / 'out'), '--metrics',
                     str(port)]) == 2
    said = capsys.readouterr().err
    assert said == (
        f'hpnet extract: --metrics 127.0.0.1:{port}: the port is used by '
        'another program; choose another one, or 0 for any that is free\n')
    assert not (tmp_path / 'out').exists()


def test_a_file(tmp_path):
    """It is there from the start, and says in the end that it is the end."""
    path = tmp_path / 'run.prom'
    tally = Tally()
    with published(parse_target(str(path)), tally, lambda text: None) as (
            watch, ):
        assert numbers(path.read_text())['running', ] == 1
        tally.opened(Estimate(4, 40, 400, {}, found=6, stored=2))
        watch.passing()  # it is not time yet
        assert ('planned_clips', ) not in numbers(path.read_text())
    found = numbers(path.read_text())
    assert found['running', ] == 0 and found['stored_before_clips', ] == 2
    assert path.read_text().endswith('\n')
    with pytest.raises(MetricsError, match='cannot be written'), published(
            parse_target(str(path / 'x.prom')), tally):
        pass


def test_where_metrics_go():
    assert parse_target('9100') == ('127.0.0.1', 9100, '')
    assert parse_target('[::1]:0') == ('::1', 0, '')
    assert parse_target('0.0.0.0:80') == ('0.0.0.0', 80, '')
    assert parse_target('a:b/run.prom') == ('', 0, 'a:b/run.prom')
    for wrong in ('', 'host:', '70000', '-1', 'file.txt', '٣'):
        with pytest.raises(MetricsError, match='expected a port'):
            parse_target(wrong)
    assert [*map(kind_of_loss, (
        'was ended by SIGSEGV', 'no progress for 3 s: it was given up',
        'ended with status 1', 'was ended by Ray, because memory ran out',
        'was lost with its machine', 'died'))] == [
            'SIGSEGV', 'timeout', 'exit', 'memory', 'machine', 'other']

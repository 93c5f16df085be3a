"""Whatever happens to a clip happens to it alone, by name, and once."""
import faulthandler
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import hpnet_plugin  # noqa: F401
from hpnet_plugin.datasets.sources import SourceClip, find_clips
from hpnet_plugin.demo import people
from hpnet_plugin.estimation.detectors import FrameDetector
from hpnet_plugin.estimation.extractor import build_extractor
from hpnet_plugin.extraction import run
from hpnet_plugin.extraction.clips import ExtractedClip, Settings
from hpnet_plugin.extraction.failures import FailureLog
from hpnet_plugin.extraction.run import Extraction
from hpnet_plugin.extraction.worker_process import Failure
from hpnet_plugin.store import FeatureStore, StoreError

TAP = 'backbone.stage4.0.branches.1'


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """A clip of nine frames."""
    path = tmp_path_factory.mktemp('video') / 'clip.mp4'
    people.save_video(str(path), people.make_clip(0, 0, length=9).frames)
    return path


@pytest.fixture(scope='module', autouse=True)
def imported():
    """Before any fork, as hpnet extract does."""
    import mmpose.apis  # noqa: F401


class HarmfulSource(FrameDetector):
    """Does what the clip's name says; a frame is one person."""

    def people(self, frames, clip, numbers):
        if clip.startswith('crash'):
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        if clip.startswith('hang'):
            signal.pause()
        if clip.startswith('raise'):
            raise RuntimeError('what nobody thought of')
        if clip.startswith('gone'):
            os.unlink(Path(self.folder) / f'{clip}.mp4')
        return super().people(frames, clip, numbers)


class NanExtractor:
    """A net one of whose maps is not finite, for a clip's third frame."""

    def __init__(self, extractor):
        self.extractor = extractor

    def submit(self, crops, matrices, joints=None, areas=None):
        joints, scores, pooled = self.extractor(crops, matrices, joints,
                                                areas)
        pooled[TAP][2] = np.inf
        return Done((joints, scores, pooled))

    def __call__(self, *args):
        return self.submit(*args).result()

    def __getattr__(self, name):
        return getattr(self.extractor, name)


class Done:

    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value


@pytest.fixture
def extract(root, tmp_path):
    """Extract clips of a folder; which failed, and why."""
    def call(clips, harmful_net=False, workers=1, timeout=60, retry=False,
             **settings):
        def build(device):
            source = HarmfulSource()
            source.folder = tmp_path / 'videos'
            extractor = build_extractor(
                str(root / 'configs/pose/tiny_hrnet.py'),
                str(root / 'hpnet_plugin/estimation/tiny_pose.pth'), [TAP])
            return source, NanExtractor(extractor) if harmful_net \
                else extractor

        return Extraction(
            build, Settings(batch=8, **settings), workers=workers,
            timeout=timeout)(
                clips, str(tmp_path / 'out'), retry=retry, progress=False)

    return call


@pytest.fixture
def link(video, tmp_path):
    """A video under another name."""
    def call(name):
        folder = tmp_path / 'videos'
        folder.mkdir(exist_ok=True)
        path = os.fsencode(folder) + b'/' + os.fsencode(name) + b'.mp4'
        os.link(video, path)
        return SourceClip(name, os.fsdecode(path))

    return call


def stored(tmp_path):
    return FeatureStore(tmp_path / 'out/features').names


def test_clips_that_harm_their_process(extract, link, tmp_path):
    clips = [link(name) for name in ('a', 'crash', 'b', 'hang', 'raise',
                                     'c')]
    # a frame of the tiny net takes far less, on any machine
    failed = extract(clips, timeout=8)
    assert stored(tmp_path) == ['a', 'b', 'c']
    assert sorted(failed) == ['crash', 'hang', 'raise']
    assert 'SIGSEGV, 3 times in a row' in failed['crash']
    assert 'no progress for 8 s' in failed['hang']
    assert failed['raise'] == 'RuntimeError: what nobody thought of'
    # none of them costs anything again, unless that is asked for
    assert extract(clips) == failed
    harmless = [clip._replace(name=clip.name.replace('raise', 'fine'))
                for clip in clips[4:5]]
    assert extract([*clips, *harmless]) == failed
    assert stored(tmp_path) == ['a', 'b', 'c', 'fine']
    FailureLog(tmp_path / 'out').add('b', 'stored by now: no failure')
    assert extract(clips) == failed
    assert set(extract(clips[4:5], retry=True)) == {'raise'}


def test_a_video_that_goes_away(extract, link, tmp_path):
    """Its file is deleted between two chunks: frames come or it fails."""
    failed = extract([link('gone'), link('stays')])
    assert 'stays' in stored(tmp_path)
    assert ('gone' in failed) != ('gone' in stored(tmp_path))


def test_a_map_that_is_not_finite(extract, link, tmp_path):
    failed = extract([link('a')], harmful_net=True)
    assert 'a: ' + TAP in failed['a'] and 'frame 2' in failed['a']
    assert extract([link('b')]) == {}  # into the same store
    assert stored(tmp_path) == ['b']


NAMES = ('line\nbreak', 'tab\there', 'zero\u200bwidth', 'bell\a',
         os.fsdecode(b'latin\xe9'))


def test_names_that_can_be_no_key(extract, link, tmp_path, capfd):
    """Each is its clip's failure, with crops or without; the rest goes on."""
    clips = find_clips(str(Path(link('plain').path).parent))
    clips += [link(name) for name in NAMES]
    failed = extract(clips, workers=0, crops=dict(size=32))
    assert stored(tmp_path) == ['plain']
    assert set(failed) == set(NAMES)
    for why in failed.values():
        assert 'rename the video' in why and why.isprintable()
    assert FailureLog(tmp_path / 'out').read() == failed
    capfd.readouterr().err.encode('ascii', 'replace')
    # the longest name that a file system takes is fine, its crops included
    longest = 'y' * 251
    assert extract([link(longest)], workers=0, crops=dict(size=32)) == {}
    assert (tmp_path / f'out/crops/{longest}.mp4').is_file()


def test_a_thousand_failures_leave_no_threads(extract, link, tmp_path):
    """In one process: as many threads and open files as after one."""
    def state():
        return (len(os.listdir('/proc/self/task')),
                len(os.listdir('/proc/self/fd')))

    extract([link('a')], workers=0)
    before = state()
    clip = link('raise')
    clips = [clip._replace(name=f'raise{i}') for i in range(200)]
    assert len(extract(clips, workers=0)) == 200
    assert state() == before


def test_what_the_store_refuses_is_a_failure():
    class Refusing:

        def add(self, name, arrays, info):
            raise StoreError(f'{name} is there')

    def add(result):
        return run._add(Refusing(), 'a', result)[2]

    assert add(ExtractedClip({}, {})) == 'a is there'
    assert add(Failure('no video')) == 'no video'
    assert add(ExtractedClip(None, {})) is None  # its crops alone


class TestFailureLog:

    def test_lines_that_a_kill_left_unfinished(self, tmp_path):
        log = FailureLog(tmp_path)
        assert log.read() == {}
        log.add('a', 'first')
        with open(log.path, 'ab') as file:
            file.write(b'{"clip": "b", "wh')
        log.add('c', 'last\n"quoted"')
        log.add('a', 'second')
        assert log.read() == dict(a='second', c='last\n"quoted"')

    def test_anything_else_in_it(self, tmp_path):
        log = FailureLog(tmp_path)
        with open(log.path, 'wb') as file:
            file.write(b'[]\n\xff\xfe\n3\n{"clip": 1, "why": 2}\n\n')
        assert log.read() == {'1': '2'}

import os

import numpy as np
import pytest
from odd_videos import ODD, RATE, draw, even, scene, write

from hpnet_plugin.apis.media import (
    ArrayMedia,
    MediaInfo,
    VideoMedia,
)
from hpnet_plugin.apis.media_sources import open_media
from hpnet_plugin.datasets.clips import SourceError
from hpnet_plugin.estimation.frame_choice import frames_at_rate
from hpnet_plugin.estimation.video import VideoError, VideoReader


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('odd')


@pytest.fixture(scope='module')
def video(folder):
    return draw('strange name', folder)


def read(media, fps=None):
    """Numbers, times and images of a medium."""
    chunks = list(media.chunks(fps))
    return tuple([value for chunk in chunks for value in chunk[i]]
                 for i in range(3))


@pytest.mark.parametrize('name', ODD)
def test_odd_videos(folder, name):
    odd = ODD[name]
    path = draw(name, folder)
    media, = open_media(path)
    info = media.info
    numbers, times, images = read(media)
    assert media.name == path and not media.live
    assert {image.shape for image in images} == {(*odd.size, 3)}
    assert (info.height, info.width) == odd.size
    assert numbers == list(range(len(numbers)))
    assert odd.damaged == bool(media.damage)
    if odd.damaged:
        assert 0.3 < len(times) / len(odd.times) < 0.7
    else:
        assert len(times) == len(odd.times)
    assert info.frames == len(times)
    # containers count milliseconds
    np.testing.assert_allclose(times, odd.times[:len(times)], atol=1e-3)
    rate = (len(times) - 1) / times[-1] if len(times) > 1 else RATE
    assert info.fps == pytest.approx(rate, rel=0.01)
    assert info.duration == pytest.approx(times[-1] + 1 / rate, rel=0.01)


def test_turned_frames_are_upright(tmp_path):
    path = str(tmp_path / 'turned.mp4')
    images = list(scene(6))
    write(path, (np.rot90(image, -1).copy() for image in images), rotation=90)
    found = read(*open_media(path))[2]
    assert np.abs(np.float32(found) - np.stack(images)).mean() < 8
    assert np.abs(np.float32(found)[:, ::-1] - np.stack(images)).mean() > 16


class TestRate:

    @pytest.mark.parametrize('fps, numbers', [
        (5, [*range(0, 30, 3)]), (15, [*range(30)]), (14.99, [*range(30)]),
        (60, [*range(30)]), (0.5, [0]), (1, [0, 15]),
        # 0.1 s is as near to frame 1 as to frame 2
        (10, [n for n in range(30) if n % 3 != 2])])
    def test_of_one_rate(self, video, fps, numbers):
        media, = open_media(video)
        whole = read(media)
        found = read(media, fps)
        assert found[0] == numbers
        for part, every in zip(found, whole):
            np.testing.assert_array_equal(
                part, [every[number] for number in numbers])
        array = ArrayMedia(np.stack(whole[2]), RATE)
        for part, other in zip(found, read(array, fps)):
            np.testing.assert_allclose(part, other, atol=1e-6)

    def test_of_many_rates(self):
        """What it is defined to be, one instant after the other."""
        rng = np.random.RandomState(0)
        for _ in range(100):
            times = np.cumsum(rng.choice([.03, .04, .1, 2.7], 40))
            times -= times[0]
            fps = rng.uniform(0.3, 40)
            end = times[-1] + np.median(np.diff(times)) / 2
            instants = np.arange(int(end * fps) + 1) / fps
            nearest = np.abs(np.subtract.outer(instants, times)).argmin(1)
            np.testing.assert_array_equal(
                frames_at_rate(times, fps), np.unique(nearest))

    def test_times_that_jump_far(self):
        """Take no memory for the instants between."""
        assert frames_at_rate(np.array([0, 0.1, 1e15]), 1e6).tolist() == [
            0, 1, 2]
        assert frames_at_rate(np.zeros(1), 5).tolist() == [0]

    def test_of_variable_rate(self, folder):
        media, = open_media(draw('variable rate', folder))
        times = read(media, 4)[1]
        # half a second at 15 frames/s, a pause, 5 frames/s
        np.testing.assert_allclose(
            times, [0, .267, .467, 1.5, 1.7, 1.9, 2.3, 2.5, 2.7, 2.9, 3.3,
                    3.5, 3.7], atol=1e-3)

    def test_only_these_are_converted(self, video, monkeypatch):
        converted = []
        from hpnet_plugin.estimation import frame_decoding as module
        call = module.UprightImages.__call__
        monkeypatch.setattr(
            module.UprightImages, '__call__',
            lambda self, frame: converted.append(0) or call(self, frame))
        with VideoReader(video, fps=5) as reader:
            for chunk in (1, 3, 8):
                converted.clear()
                found = [number for part in reader.chunks(chunk)
                         for number in part.numbers]
                assert found == list(range(0, 30, 3))
                assert len(converted) == 10

    @pytest.mark.parametrize('fps', [0, -1, float('nan'), float('inf')])
    def test_out_of_range(self, video, fps):
        for media in (*open_media(video), ArrayMedia(np.ones(
                (1, 2, 2, 3), np.uint8))):
            with pytest.raises(ValueError, match='fps must be above 0'):
                next(media.chunks(fps))

    def test_excludes_others(self, video):
        with pytest.raises(ValueError, match='length and fps exclude'):
            VideoReader(video, length=3, fps=5)


def test_asking_on_the_way(video):
    """``info`` disturbs no iteration under way."""
    media, = open_media(video)
    count = 0
    for chunk in media.chunks():
        assert media.info.frames == 30
        count += len(chunk.images)
    assert count == 30
    chunks = media.chunks()
    next(chunks)
    media.close()
    assert list(chunks) == []


class TestSources:

    @pytest.fixture
    def tree(self, tmp_path, video):
        data = open(video, 'rb').read()
        for name in ('b.mp4', 'a.MKV', 'deep/er/c.avi', '.hidden/d.mp4',
                     '.e.mp4', '0.txt', 'without'):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (tmp_path / 'back').symlink_to(tmp_path)
        return tmp_path

    def names(self, source):
        return [os.path.relpath(media.name, os.getcwd())
                for media in open_media(source)]

    def test_kinds(self, tree, monkeypatch):
        monkeypatch.chdir(tree)
        everything = ['a.MKV', 'b.mp4', 'deep/er/c.avi']
        (tree / 'list').write_text(
            '# mine\nb.mp4 3\n\n"deep/er/c.avi" wave hello\n')
        for source, names in (
                ('b.mp4', ['b.mp4']), (tree / 'b.mp4', ['b.mp4']),
                (str(tree), everything), ('deep', everything[2:]),
                (['b.mp4', 'deep'], ['b.mp4', 'deep/er/c.avi']),
                ('*.mp4', ['b.mp4']), ('deep/**', everything[2:]),
                ('list', ['b.mp4', 'deep/er/c.avi']),
                # no suffix says so, but it is no text
                ('without', ['without']), ('0.txt', ['0.txt'])):
            assert self.names(source) == names

    def test_media_are_passed_on(self, video):
        media, = open_media(video)
        assert open_media([media, video])[0] is media

    def test_names_count_last(self, tree, monkeypatch, video):
        """What is there is meant, whatever it looks like."""
        monkeypatch.chdir(tree)
        for name in ('a*[b].mp4', 'http:c.mp4'):
            os.rename('b.mp4', name)
            assert self.names(name) == [name]
            os.rename(name, 'b.mp4')

    def test_bad_ones(self, tree, monkeypatch):
        monkeypatch.chdir(tree)
        (tree / 'empty').mkdir()
        (tree / 'nothing.txt').write_text('# no line\n')
        (tree / 'prose.txt').write_text('no video\n')
        os.mkfifo(tree / 'pipe')
        for source, message in (
                ('none.mp4', 'none.mp4: no such video'),
                ('empty', 'empty holds no video, nor does a folder'),
                ('*.mov', r'\*.mov: no video matches'),
                ('nothing.txt', 'nothing.txt lists no video'),
                ('prose.txt', "prose.txt, line 1: 'no video' is neither"),
                ('pipe', 'pipe is no ordinary file'),
                ('ftp://a/b.mp4', 'ftp:// is no kind of stream'),
                ([], 'list of sources is empty'),
                (1.5, 'type float is not known')):
            with pytest.raises(SourceError, match=message):
                open_media(source)

    def test_a_bad_file_is_found_when_it_is_read(self, tmp_path, video):
        (tmp_path / 'a.mp4').write_text('this is no video')
        (tmp_path / 'b.mp4').write_bytes(open(video, 'rb').read())
        bad, good = open_media(tmp_path)
        for use in (lambda: bad.info, lambda: next(bad.chunks())):
            with pytest.raises(VideoError, match='a.mp4 is no'):
                use()
        assert good.info.frames == 30


def test_arrays():
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros(
        (20, 4, 6, 3), np.uint8)
    media, = open_media(frames, rate=10)
    assert media.info == MediaInfo(10, 2, 20, 4, 6)
    numbers, times, images = read(media)
    assert numbers == list(range(20)) == [image[0, 0, 0] for image in images]
    np.testing.assert_allclose(times, even(20, 10))
    for bad, message in ((frames[0], r'shape \(4, 6, 3\)'),
                         (frames / 255, 'type float64'),
                         (frames[..., :1], 'expected .*RGB'),
                         (frames[:0], 'holds no frame')):
        with pytest.raises(SourceError, match=message):
            open_media(bad)
    with pytest.raises(SourceError, match='rate of an array'):
        open_media(frames, rate=0)


def test_limits(video):
    from hpnet_plugin.estimation.video import Limits
    with pytest.raises(VideoError, match='the limit is 3,000 pixels'):
        VideoMedia(video, Limits(pixels=3000)).info  # noqa: B018

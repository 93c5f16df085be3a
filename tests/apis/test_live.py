import glob
import http.server
import logging
import threading
from functools import partial

import numpy as np
import pytest
from odd_videos import scene, write
from stream_server import COUNT, JpegServer, RtspServer, number_of

from hpnet_plugin.apis import HPNetInferencer, live, open_media, reception
from hpnet_plugin.apis.live import LiveMedia
from hpnet_plugin.apis.reception import Clock
from hpnet_plugin.datasets.clips import SourceError
from hpnet_plugin.estimation.video import VideoError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(reception, 'FIRST_PAUSE', 0.2)


def take(chunks, count):
    """Numbers, times and images of some frames that come next."""
    found = [next(chunks) for _ in range(count)]
    assert all(len(chunk.images) == 1 for chunk in found)
    return tuple([chunk[i][0] for chunk in found] for i in range(3))


@pytest.mark.parametrize('kind', [RtspServer, JpegServer])
def test_dropped_and_back_again(kind, caplog):
    with kind() as server:
        media, = open_media(server.address)
        assert media.live and media.info.height == 0
        chunks = media.chunks()
        numbers, times, images = take(chunks, 12)
        info = media.info
        assert (info.height, info.width, info.frames) == (48, 64, 0)
        assert info.fps == (25 if kind is RtspServer else 0)
        assert images[0].shape == (48, 64, 3)
        # frames that are passed over are counted in numbers, too
        levels = [number_of(image) for image in images]
        assert len({(n - m) % COUNT for n, m in zip(numbers, levels)}) == 1
        assert (np.diff(numbers) > 0).all() and (np.diff(times) > 0).all()
        assert media.dropped == numbers[-1] + 1 - 12
        if kind is RtspServer:  # by the clock of the stream
            np.testing.assert_allclose(
                np.diff(times), np.diff(numbers) / 25, atol=2e-3)
        with caplog.at_level(logging.WARNING, 'hpnet_plugin.apis.reception'):
            server.stop()
            threading.Timer(0.5, server.start).start()
            # what had come before it was cut may come first
            more = [take(chunks, 1) for _ in range(40)]
        later = [times[-1], *(part[1][0] for part in more)]
        counted = [numbers[-1], *(part[0][0] for part in more)]
        gap = int(np.argmax(np.diff(later)))
        assert later[gap + 1] - later[gap] > 0.4
        # frames are numbered as if it had not been lost
        assert counted[gap + 1] - counted[gap] > 5
        assert (np.diff(later) > 0).all()
        assert (np.diff([part[0][0] for part in more]) > 0).all()
        said = [record.getMessage() for record in caplog.records]
        assert f'{media.name} is lost' in said[0]
        assert f'{media.name} is back after' in said[-1]
        media.close()
        assert list(chunks) == [] and media.damage is None


def test_people_of_a_stream(models, caplog):
    """Predictions go on after a gap, and no window spans it."""
    inferencer = HPNetInferencer(models('hp_j'), detector='frame', window=1,
                                 stride=0.5)
    with RtspServer(images=list(scene(50))) as server:
        stream = inferencer(server.address, stream=True)
        before = next(stream)
        assert (before.source, before.track) == (server.address, 0)
        server.stop()
        threading.Timer(2, server.start).start()
        found = [before]
        while 'is back after' not in caplog.text or len(found) < 8:
            found.append(next(stream))
        stream.close()
    assert max(b.start - a.end for a, b in zip(found, found[1:])) > 1
    assert max(np.diff(one.times).max() for one in found
               if len(one.times) > 1) < 1


def test_slow_caller():
    """The newest frame is given out, others are counted, none is kept."""
    with RtspServer() as server:
        media, = open_media(server.address)
        chunks = media.chunks()
        before = take(chunks, 1)[0][0]
        come = threading.Event()
        beats = server.rate
        # the server, not a clock, says that 30 more frames were sent
        threading.Timer(30 / beats, come.set).start()
        come.wait()
        number = take(chunks, 1)[0][0]
        assert number - before > 10
        assert media.dropped >= number - before - 1
        chunks.close()


def test_at_a_rate():
    """At most so many a second, and none of the others is dropped."""
    with RtspServer() as server:
        media, = open_media(server.address)
        chunks = media.chunks(5)
        numbers, times, _ = take(chunks, 8)
        assert (np.diff(np.round(np.array(times) * 5)) >= 1).all()
        np.testing.assert_allclose(
            np.array(times) * 5, np.round(np.array(times) * 5), atol=0.51)
        assert media.dropped < numbers[-1] - 8
        chunks.close()
    with pytest.raises(ValueError, match='fps must be above 0'):
        next(media.chunks(0))


def test_user_and_password(caplog):
    with RtspServer(password='se:cret') as server:
        address = server.address.replace('se:cret', 'se%3Acret')
        media, = open_media(address)
        assert media.name == f'rtsp://127.0.0.1:{server.port}/live'
        assert len(take(media.chunks(), 2)[0]) == 2
        media.close()
        wrong, = open_media(address.replace('se%3A', 'x'))
        with pytest.raises(VideoError) as error:
            next(wrong.chunks())
        assert 'gives no frame' in str(error.value)
        assert 'cret' not in str(error.value) + caplog.text


def test_given_up(caplog):
    with RtspServer() as server:
        media = LiveMedia('door', server.address, give_up=1,
                          options=open_media(server.address)[0].options)
        chunks = media.chunks()
        take(chunks, 2)
        server.stop()
        for _ in chunks:
            pass
        assert 'not back within 1 s' in media.damage
        assert f'door was {media.damage}' in caplog.text
    with pytest.raises(VideoError, match='door gives no frame: Connection '
                       'refused'):
        next(media.chunks())


def test_silence(monkeypatch, caplog):
    """A connection on which nothing comes any more is given up."""
    monkeypatch.setattr(reception, 'SILENCE', 0.5)
    with JpegServer() as server:
        media, = open_media(server.address)
        chunks, come = media.chunks(), threading.Event()
        take(chunks, 2)
        with server.silent():
            while 'is lost' not in caplog.text:
                come.wait(0.05)
        take(chunks, 2)
        media.close()


class TestHttp:

    @pytest.fixture
    def site(self, tmp_path):
        """A folder with a video in parts, and its address."""

        class Handler(http.server.SimpleHTTPRequestHandler):

            def log_message(self, *_):
                pass

        write(str(tmp_path / 'part.ts'), scene(30))
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), partial(Handler, directory=str(tmp_path)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        server.server_close()

    def playlist(self, folder, part, end=True):
        (folder / 'list.m3u8').write_text(
            '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n'
            f'#EXTINF:2,\n{part}\n' + '#EXT-X-ENDLIST\n' * end)

    def test_playlist(self, site):
        folder, address = site
        self.playlist(folder, 'part.ts', end=False)
        media, = open_media(f'{address}/list.m3u8')
        assert take(media.chunks(), 1)[2][0].shape == (120, 160, 3)
        media.close()

    def test_playlists_open_no_file(self, site, monkeypatch):
        monkeypatch.setattr(reception, 'OPENING', 1)  # else it tries for long
        folder, address = site
        for part in (f'file://{folder}/part.ts', f'{folder}/part.ts'):
            self.playlist(folder, part, end=False)
            media, = open_media(f'{address}/list.m3u8')
            with pytest.raises(VideoError, match='gives no frame'):
                next(media.chunks())

    def test_recordings(self, site):
        """Of which frames would be dropped."""
        folder, address = site
        self.playlist(folder, 'part.ts')
        for name in ('list.m3u8', 'part.ts'):
            media, = open_media(f'{address}/{name}')
            with pytest.raises(VideoError, match=f'{name} is a recording and '
                               'no live stream: download it'):
                next(media.chunks())


def test_files_open_no_network(tmp_path):
    with JpegServer() as server:
        for name, text in (
                ('a.mp4', f'ffconcat version 1.0\nfile {server.address}\n'),
                ('b.mp4', '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n'
                 f'{server.address}.ts\n#EXT-X-ENDLIST\n'),
                ('list', f'{server.address}/a.mp4\n')):
            (tmp_path / name).write_text(text)
            media, = open_media(str(tmp_path / name))
            assert not media.live
            with pytest.raises(VideoError):
                next(media.chunks())
        assert server.asked == []


class TestCamera:

    def test_device_of_the_system(self):
        """FFmpeg's device that needs no hardware, opened as cameras are."""
        media = LiveMedia('camera 0', 'testsrc=size=64x48:rate=25,realtime',
                          'lavfi')
        numbers, times, images = take(media.chunks(), 5)
        np.testing.assert_allclose(times, np.array(numbers) / 25, atol=2e-3)
        assert images[0].shape == (48, 64, 3)
        media.close()

    @pytest.mark.skipif(not glob.glob('/dev/video*'),
                        reason='this computer has no camera')
    def test_camera(self):
        path = sorted(glob.glob('/dev/video*'))[0]
        media, = open_media(path)
        assert len(take(media.chunks(), 3)[0]) == 3
        media.close()

    def test_none(self, monkeypatch):
        monkeypatch.setattr(live.glob, 'glob', lambda _: [])
        for source in (77, '77', '/dev/video77'):
            with pytest.raises(SourceError, match='/dev/video77: there is no '
                               'such camera; the system knows none'):
                open_media(source)
        monkeypatch.setattr(live.glob, 'glob', lambda _: ['/dev/video3'])
        with pytest.raises(SourceError, match='there are: /dev/video3'):
            open_media(77)


class TestClock:

    def test_of_the_stream(self):
        clock = Clock()
        # three frames were buffered, the fourth comes late
        assert [clock(stamp, now) for stamp, now in (
            (7.0, 50.), (7.1, 50.), (7.2, 50.), (7.3, 50.4))] == \
            pytest.approx([0, .1, .2, .3])
        clock.restart()
        # what was 0.2 s old when the first came is so again
        assert clock(123., 60.) == pytest.approx(10.2)
        assert clock(123.1, 60.2) == pytest.approx(10.3)

    def test_of_arrival(self):
        clock = Clock()
        assert [clock(None, now) for now in (5., 5.5, 5.5, 6.)] == \
            pytest.approx([0, .5, .501, 1.])

    def test_stamps_that_jump(self):
        clock = Clock()
        assert [clock(stamp, now) for stamp, now in (
            (0., 5.), (1., 6.), (9e4, 7.), (9e4 + 1, 8.), (3., 9.),
            (2.9, 9.))] == pytest.approx([0, 1, 2, 3, 4, 4.001])

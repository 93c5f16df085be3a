import os
import os.path as osp
import subprocess
import sys
from collections import Counter
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import hpnet_plugin
from hpnet_plugin.demo import people
from hpnet_plugin.estimation.frame_choice import spread, spread_times
from hpnet_plugin.estimation.frame_decoding import FrameDecoder
from hpnet_plugin.estimation.video import (
    Limits,
    VideoError,
    VideoReader,
    probe,
    read_frames,
    read_frames_at,
)
from hpnet_plugin.resampling import weighted_frames


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """23 frames whose grey level is ten times their number."""
    path = str(tmp_path_factory.mktemp('video') / 'grey.mp4')
    with av.open(path, 'w') as container:
        stream = container.add_stream('mpeg4', rate=15)
        stream.width, stream.height = 64, 48
        for i in range(23):
            frame = np.full((48, 64, 3), 10 * i, np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
        container.mux(stream.encode())
    return path


def levels(chunks):
    return [round(frame.mean() / 10)
            for _, frames in chunks for frame in frames]


def test_frames_come_in_order(video):
    assert probe(video) == (23, 15, 48, 64)
    chunks = list(read_frames(video, chunk=8))
    assert [len(frames) for _, frames in chunks] == [8, 8, 7]
    assert chunks[0][1][0].shape == (48, 64, 3)
    assert sum((numbers for numbers, _ in chunks), []) == list(range(23))
    assert levels(chunks) == list(range(23))


def test_max_frames_are_spread(video):
    (numbers, frames), = read_frames(video, 4)
    assert numbers == [2, 8, 14, 20] == levels([(numbers, frames)])
    assert levels(read_frames(video, 30)) == list(range(23))
    assert spread(10, 5).tolist() == [1, 3, 5, 7, 9]
    assert spread(3, 5).tolist() == [0, 1, 2]


def test_colours_are_rgb(tmp_path):
    path = str(tmp_path / 'red.mp4')
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 250
    with av.open(path, 'w') as container:
        stream = container.add_stream('mpeg4', rate=15)
        stream.width, stream.height = 64, 48
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, 'rgb24')))
        container.mux(stream.encode())
    frame = next(read_frames(path))[1][0]
    assert frame[..., 0].mean() > 200 and frame[..., 2].mean() < 50


def test_bad_files(tmp_path, video):
    text = tmp_path / 'text.mp4'
    text.write_text('this is no video\n' * 50)
    empty = tmp_path / 'empty.mp4'
    empty.touch()
    sound = tmp_path / 'sound.wav'
    import wave
    with wave.open(str(sound), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(8000))
    data = open(video, 'rb').read()
    (tmp_path / 'half.mp4').write_bytes(data[:len(data) // 2])
    for name, message in (('text.mp4', 'no readable video'),
                          ('empty.mp4', 'is an empty file'),
                          ('sound.wav', 'a kind that is not read'),
                          ('half.mp4', 'no readable video'),
                          ('none.mp4', 'no such file')):
        with pytest.raises(VideoError, match=f'{name}.*{message}'):
            list(read_frames(str(tmp_path / name)))


def test_container_without_frames(tmp_path):
    path = str(tmp_path / 'none.avi')
    with av.open(path, 'w') as container:
        stream = container.add_stream('mpeg4', rate=15)
        stream.width, stream.height = 64, 48
        container.start_encoding()
    with pytest.raises(VideoError, match='holds no frame|no readable video'):
        list(read_frames(path))


def test_truncated(tmp_path, shared):
    data = (shared / 'data/ntu/S001C001P001R001A001_rgb.avi').read_bytes()
    path = tmp_path / 'cut.avi'
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(VideoError, match='promises 103 frames'):
        list(read_frames(str(path)))


FORMATS = dict(mjpeg='yuvj420p', gif='rgb8')


def stepped(path, codec, n=30, times=None, movflags='', **options):
    """A pattern that moves, and all its frames as decoded one by one."""
    still = np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
    with av.open(str(path), 'w', options=dict(movflags=movflags) if movflags
                 else {}) as container:
        stream = container.add_stream(codec, rate=15)
        stream.width = stream.height = 64
        stream.pix_fmt = FORMATS.get(codec, 'yuv420p')
        stream.options = options
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(np.roll(still, 3 * i, 1),
                                               'rgb24')
            if times is not None:
                frame.pts = times[i]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return frames_of(path)


def break_inside(path, number):
    """Damage a frame in such a place that a plain decoder sees it.

    Streams have no check sums: what a decoder makes of some damages passes
    for a frame. Which these are depends on the encoded bytes, and so on the
    processor that has converted the colours.
    """
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0)
                  if packet.size][number]
    whole = path.read_bytes()
    for part in (.5, .25, .75, .4, .6):
        data = bytearray(whole)
        start = packet.pos + int(part * packet.size)
        data[start:start + 40] = bytes(40)
        path.write_bytes(data)
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            try:
                seen = any(frame.is_corrupt
                           for frame in container.decode(video=0))
            except av.error.InvalidDataError:
                seen = True
        if seen:
            return
    raise AssertionError(f'no damage to frame {number} is seen')


def frames_of(path):
    return [frame for _, chunk in read_frames(str(path)) for frame in chunk]


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'avi'])
@pytest.mark.parametrize('codec, options', [
    ('libx264', dict(g='8', bf='0')),
    ('libx264', dict(g='8', bf='2')),
    ('libx264', {'g': '8', 'bf': '2', 'x264-params': 'open-gop=1'}),
    ('mpeg4', dict(g='8', bf='2'))])
def test_chosen_frames(tmp_path, suffix, codec, options):
    """Whatever the order and the times of the frames in the file."""
    path = tmp_path / f'clip.{suffix}'
    whole = stepped(path, codec, **options)
    assert len({frame.tobytes() for frame in whole}) == 30
    for ask in ([29], [7], [8], [9, 9, 0], [28, 3, 17], range(30)):
        np.testing.assert_array_equal(
            read_frames_at(path, ask), [whole[i] for i in ask])
    for number in (30, -1):
        with pytest.raises(VideoError, match=f'has no frame {number}'):
            read_frames_at(path, [3, number])
    assert read_frames_at(path, []) == []


@pytest.mark.parametrize('suffix', ['mp4', 'avi'])
def test_chosen_frames_beside_a_pause(tmp_path, suffix):
    """For which an AVI file holds empty frames, that are none."""
    path = tmp_path / f'clip.{suffix}'
    whole = stepped(path, 'mpeg4', g='8', times=[*range(10), *range(12, 32)])
    assert len(whole) == 30
    for ask in ([29], [16], [9, 10, 27]):
        np.testing.assert_array_equal(
            read_frames_at(path, ask), [whole[i] for i in ask])


def test_chosen_frames_of_a_shortened_file(tmp_path):
    """Its first frames are in the file, and are not shown."""
    stepped(tmp_path / 'whole.mp4', 'libx264', g='8', bf='0')
    path = str(tmp_path / 'short.mp4')
    with av.open(str(tmp_path / 'whole.mp4')) as source, av.open(
            path, 'w', options=dict(avoid_negative_ts='disabled')) as target:
        stream = source.streams.video[0]
        to = target.add_stream_from_template(stream)
        cut = int(5 / stream.average_rate / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts = packet.pts - cut, packet.dts - cut
                packet.stream = to
                target.mux(packet)
    with av.open(path) as container:
        whole = [frame.to_ndarray(format='rgb24')
                 for frame in container.decode(video=0)]
    assert len(whole) == 25
    np.testing.assert_array_equal(
        read_frames_at(path, [0, 4, 13, 24]),
        [whole[i] for i in (0, 4, 13, 24)])


def test_chosen_frames_of_videos(tmp_path, shared):
    drawn = tmp_path / 'drawn.mp4'
    people.save_video(str(drawn), people.make_clip(0, 0).frames)
    for path in (drawn, shared / 'data/ntu/S001C001P001R001A050_rgb.avi'):
        whole = frames_of(path)
        for ask in ([len(whole) - 1, 2, 13], [0], [13, 13]):
            np.testing.assert_array_equal(
                read_frames_at(path, ask), [whole[i] for i in ask])


def test_chosen_frames_of_a_damaged_file(tmp_path):
    """None that was decoded from what is not there."""
    path = tmp_path / 'clip.mp4'
    whole = stepped(path, 'libx264', g='10', bf='0')
    with av.open(str(path)) as container:
        keys = [entry.is_keyframe for entry
                in container.streams.video[0].index_entries]
    assert np.flatnonzero(keys).tolist() == [0, 10, 20]
    break_inside(path, 12)
    np.testing.assert_array_equal(
        read_frames_at(path, [3, 25]), [whole[3], whole[25]])
    with pytest.raises(VideoError, match='clip.mp4 is damaged at frame 12'):
        read_frames_at(path, [3, 16])


def plain(path):
    """All frames as PyAV gives them, one after the other."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [np.rot90(frame.to_ndarray(format='rgb24'),
                         round(frame.rotation / 90) % 4)
                for frame in container.decode(video=0)]


def read(path, **options):
    """Numbers, times, images and the reader."""
    with VideoReader(str(path), **options) as reader:
        asked = reader.numbers.tolist()
        chunks = list(reader.chunks())
    numbers = [n for chunk in chunks for n in chunk.numbers]
    times = [t for chunk in chunks for t in chunk.times]
    assert reader.numbers.tolist() == numbers
    assert reader.times.tolist() == times
    assert numbers == asked or reader.damage
    return (numbers, times, [i for chunk in chunks for i in chunk.images],
            reader)


@pytest.fixture
def work(monkeypatch):
    """Counts packets that were decoded to find single frames."""
    work = Counter()
    attempt, everything = FrameDecoder._try, FrameDecoder._all

    def counted(self, packet):
        work['packets'] += packet.size > 0
        return attempt(self, packet)

    def noted(self, *args, **options):
        work['everything'] += 1
        return everything(self, *args, **options)

    monkeypatch.setattr(FrameDecoder, '_try', counted)
    monkeypatch.setattr(FrameDecoder, '_all', noted)
    return work


OPEN = {'g': '8', 'bf': '3', 'x264-params': 'open-gop=1:b-pyramid=normal'}
KINDS = {
    'closed.mp4': ('libx264', dict(g='8', bf='2')),
    'open.mp4': ('libx264', OPEN),
    'open.mkv': ('libx264', OPEN),
    'fragments.mp4': ('libx264', dict(
        g='8', movflags='frag_keyframe+empty_moov')),
    'b.flv': ('libx264', dict(g='8', bf='2')),
    'asp.avi': ('mpeg4', dict(g='8', bf='0')),
    'asp.mp4': ('mpeg4', dict(g='8', bf='2')),
    'vp9.webm': ('libvpx-vp9', dict(g='8')),
    'vp8.webm': ('libvpx', {'g': '8', 'auto-alt-ref': '1',
                            'lag-in-frames': '16'}),
    'intra.avi': ('mjpeg', {}),
    # files that cannot be jumped in
    'b.avi': ('mpeg4', dict(g='8', bf='2')),
    'h264.avi': ('libx264', dict(g='8', bf='2')),
    'refresh.mkv': ('libx264', {'g': '8', 'bf': '0',
                                'x264-params': 'intra-refresh=1'}),
    'a.wmv': ('wmv2', dict(g='8')),
    'a.mpg': ('mpeg2video', dict(g='8', bf='2')),
    'a.gif': ('gif', {}),
}
IN_ORDER = ('b.avi', 'h264.avi', 'refresh.mkv', 'a.wmv', 'a.mpg', 'a.gif')


@pytest.mark.parametrize('name', KINDS)
def test_only_what_is_wanted_is_decoded(tmp_path, work, name):
    """And is what plain decoding gives."""
    codec, options = KINDS[name]
    stepped(tmp_path / name, codec, **options)
    whole = plain(tmp_path / name)
    assert len(whole) == 30
    for options, numbers in ((dict(max_frames=2), [7, 22]),
                             (dict(max_frames=9, threads=0), None),
                             (dict(length=3), [4, 5, 14, 15, 24, 25]),
                             (dict(), list(range(30)))):
        work.clear()
        found, times, images, reader = read(tmp_path / name, **options)
        assert reader.count == 30 and reader.damage is None
        assert numbers in (None, found)
        np.testing.assert_array_equal(images, [whole[n] for n in found])
        np.testing.assert_allclose(
            times, np.array(found) / 15, atol=0.011)
        if options == dict(max_frames=2):
            jumps = name not in IN_ORDER
            assert bool(work['everything']) != jumps
            assert not jumps or work['packets'] <= 22


@pytest.mark.parametrize('frames', [0, 5, 13])
@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
def test_frames_that_an_edit_leaves_out(tmp_path, suffix, frames):
    """Negative times, and in mkv a file that begins amid a group."""
    stepped(tmp_path / 'whole.mp4', 'libx264', g='8', bf='2')
    path = str(tmp_path / f'short.{suffix}')
    with av.open(str(tmp_path / 'whole.mp4')) as source, av.open(
            path, 'w', options=dict(avoid_negative_ts='disabled')) as target:
        stream = source.streams.video[0]
        to = target.add_stream_from_template(stream)
        cut = int(frames / stream.average_rate / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None and (suffix == 'mp4'
                                           or packet.dts >= cut):
                packet.pts, packet.dts = packet.pts - cut, packet.dts - cut
                packet.stream = to
                target.mux(packet)
    with av.open(path) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    # what comes before is in pieces
    whole = plain(path)[keys.index(True) if suffix == 'mkv' else 0:]
    for options in (dict(max_frames=3), dict(length=4), dict()):
        numbers, times, images, _ = read(path, **options)
        np.testing.assert_array_equal(images, [whole[n] for n in numbers])
        assert (np.diff(times) > 0).all() and min(times) >= 0


def test_turned_frames(tmp_path):
    path = tmp_path / 'turned.mp4'
    still = np.random.RandomState(0).randint(0, 255, (48, 64, 3), np.uint8)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=15)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = 'yuv420p'
        stream.options = dict(g='8')
        stream.set_display_rotation(90)
        for i in range(30):
            frame = np.roll(still, 3 * i, 1)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
        container.mux(stream.encode())
    whole = plain(path)
    numbers, _, images, _ = read(path, max_frames=3)
    assert numbers == [5, 15, 25] and images[0].shape == (64, 48, 3)
    np.testing.assert_array_equal(images, [whole[n] for n in numbers])


def test_ntu_clips(shared, work):
    path = shared / 'data/ntu/S001C001P001R001A001_rgb.avi'
    whole = plain(path)
    for options in (dict(max_frames=5), dict(length=4)):
        work.clear()
        numbers, times, images, _ = read(path, **options)
        np.testing.assert_array_equal(images, [whole[n] for n in numbers])
        np.testing.assert_allclose(times, np.array(numbers) / 30)
        assert work['packets'] < len(whole) and not work['everything']


def test_frames_with_weight():
    """They alone give the clip that all frames give."""
    for frames in (1, 3, 63, 64, 65, 100, 127, 128, 129, 1000):
        values = np.random.RandomState(frames).rand(1, 1, frames)
        length = 64
        kept = weighted_frames(frames, length)
        assert len(kept) <= min(frames, 2 * length)
        if frames <= length:
            assert len(kept) == frames
        blank = np.full_like(values, np.nan)
        blank[..., kept] = values[..., kept]
        blank, values = torch.from_numpy(blank), torch.from_numpy(values)
        # a weight of 0 is one of what is beside the last frame too
        blank = blank.nan_to_num(1e9)
        torch.testing.assert_close(*(F.interpolate(
            array, length, mode='linear') for array in (blank, values)))
        for number in kept:  # and none is there in vain
            other = values.clone()
            other[..., number] += 1
            assert not torch.equal(*(F.interpolate(
                array, length, mode='linear') for array in (other, values)))


def test_options():
    for options, message in ((dict(max_frames=3, length=4), 'exclude'),
                             (dict(max_frames=0), 'max_frames must be 1'),
                             (dict(length=0), 'length must be 1'),
                             (dict(damaged='keep'), 'damaged must be one')):
        with pytest.raises(ValueError, match=message):
            VideoReader('none.mp4', **options)


class TestVariableRate:

    # 20 frames at 15 a second, then 10 of which each lasts 8 as long
    ticks = [*range(20), *range(20, 100, 8)]

    @pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'avi'])
    def test_by_time(self, tmp_path, suffix):
        path = tmp_path / f'clip.{suffix}'
        whole = stepped(path, 'mpeg4', g='8', times=self.ticks)
        numbers, times, images, reader = read(path, max_frames=10)
        # 93 ticks in ten parts; a frame nearest to the middle of each
        instants = 9.3 * (np.arange(10) + 0.5) - 0.5
        gaps = np.abs(np.subtract.outer(instants, self.ticks))
        assert numbers == gaps.argmin(1).tolist()
        np.testing.assert_array_equal(images, [whole[n] for n in numbers])
        np.testing.assert_allclose(
            times, [self.ticks[n] / 15 for n in numbers], atol=0.001)
        # every frame is wanted in a resampling, whenever it is shown
        assert read(path, length=64)[0] == list(range(30))

    def test_pauses_give_no_frame_twice(self):
        times = np.array([0, 1, 2, 3, 50, 51, 52.])
        assert spread_times(times, 5).tolist() == [3, 4]
        assert spread_times(times, 7).tolist() == list(range(7))

    def test_one_rate_is_spread_as_ever(self):
        for count in range(1, 60):
            for most in range(1, 60):
                np.testing.assert_array_equal(
                    spread_times(np.arange(count) / 4, most),
                    spread(count, most))

    def test_rounded_times_are_one_rate(self, tmp_path):
        """mkv counts milliseconds: frames are 66 and 67 of them apart."""
        path = tmp_path / 'clip.mkv'
        stepped(path, 'mpeg4', n=50)
        for most in (3, 7, 24, 49):
            assert read(path, max_frames=most)[0] == spread(50, most).tolist()


def test_size_that_changes(tmp_path):
    """The first stays: streams of video calls do this."""
    parts = []
    for side in (64, 32):
        still = np.random.RandomState(0).randint(0, 255, (side, side, 3),
                                                 np.uint8)
        context = av.CodecContext.create('libx264', 'w')
        context.width = context.height = side
        context.pix_fmt, context.time_base = 'yuv420p', Fraction(1, 15)
        context.framerate, context.max_b_frames = Fraction(15), 0
        for i in range(4):
            frame = av.VideoFrame.from_ndarray(np.roll(still, i, 1), 'rgb24')
            frame.pts, frame.time_base = i, Fraction(1, 15)
            parts += context.encode(frame)
        parts += context.encode()
    raw = tmp_path / 'raw.m4v'
    raw.write_bytes(b''.join(bytes(part) for part in parts))
    path = tmp_path / 'clip.mkv'
    with av.open(str(raw), format='h264') as source, av.open(
            str(path), 'w') as target:
        to = target.add_stream_from_template(source.streams.video[0])
        for i, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.pts = packet.dts = i
                packet.time_base = Fraction(1, 15)
                packet.stream = to
                target.mux(packet)
    images = read(path)[2]
    assert len(images) == 8
    assert {image.shape for image in images} == {(64, 64, 3)}


class TestStrangers:
    """Files of which nobody knows where they come from."""

    PLAYLISTS = (
        'ffconcat version 1.0\nfile grey.mp4\n',
        '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ngrey.mp4\n'
        '#EXT-X-ENDLIST\n',
        'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n'
        'm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        'type="static"><Period><AdaptationSet><Representation id="1" '
        'bandwidth="1"><BaseURL>grey.mp4</BaseURL></Representation>'
        '</AdaptationSet></Period></MPD>')

    @pytest.mark.parametrize('text', PLAYLISTS)
    def test_playlists(self, tmp_path, video, text):
        (tmp_path / 'grey.mp4').write_bytes(open(video, 'rb').read())
        for name in ('list.mp4', 'list.m3u8', 'list.mkv'):
            path = tmp_path / name
            path.write_text(text)
            for use in (probe, read, lambda path: read_frames_at(path, [0])):
                with pytest.raises(VideoError, match=f'{name} is no'):
                    use(str(path))

    def test_names(self, tmp_path, video):
        """A name is no protocol, and need not be text."""
        data = open(video, 'rb').read()
        for name in (b'concat:a.mp4', b'http:b.mp4', b'\xff.mp4',
                     b'a\nb.mp4'):
            path = os.path.join(os.fsencode(tmp_path), name)
            with open(path, 'wb') as file:
                file.write(data)
            assert len(read(os.fsdecode(path))[0]) == 23
            os.truncate(path, 100)
            with pytest.raises(VideoError) as error:
                read(os.fsdecode(path))
            str(error.value).encode()

    def test_title_that_is_not_utf8(self, tmp_path):
        path = tmp_path / 'clip.avi'
        with av.open(str(path), 'w') as container:
            container.metadata['title'] = 'Tanz xx'
            stream = container.add_stream('mpeg4', rate=15)
            stream.width, stream.height = 64, 48
            frame = av.VideoFrame(64, 48, 'yuv420p')
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
        data = path.read_bytes()
        assert b'Tanz xx' in data
        path.write_bytes(data.replace(b'Tanz xx', b'Tanz \xfc\xdf'))
        assert len(read(path)[0]) == 1

    def test_unknown_codec(self, tmp_path):
        path = tmp_path / 'clip.avi'
        stepped(path, 'mpeg4')
        data = path.read_bytes()
        for code in (b'XXXX', b'\xff\xfe\x80\x00'):
            path.write_bytes(data.replace(b'FMP4', code))
            for use in (probe, read):
                with pytest.raises(VideoError, match='clip.avi .*codec'):
                    use(str(path))

    def test_sound_alone(self, tmp_path):
        path = tmp_path / 'sound.mkv'
        with av.open(str(path), 'w') as container:
            stream = container.add_stream('pcm_s16le', rate=8000)
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 800), np.int16), 's16', 'mono')
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
        with pytest.raises(VideoError, match='holds no video stream'):
            read(path)

    def test_limits(self, tmp_path, video):
        with pytest.raises(VideoError, match='grey.mp4 has frames of 64x48 '
                           'pixels; the limit is 3,000 pixels'):
            read(video, limits=Limits(pixels=3000))
        with pytest.raises(VideoError, match='more than 22 frames'):
            read(video, limits=Limits(frames=22))
        assert len(read(video, limits=Limits(64 * 48, 23))[0]) == 23
        assert 7680 * 4320 < Limits().pixels < 8000 * 8000

    def test_chunks_are_bounded_in_bytes(self, video, monkeypatch):
        monkeypatch.setattr('hpnet_plugin.estimation.video.CHUNK_BYTES',
                            3 * 64 * 48 * 3 + 1)
        with VideoReader(video) as reader:
            sizes = [len(chunk.images) for chunk in reader.chunks(8)]
        assert sizes == [3] * 7 + [2]
        monkeypatch.setattr('hpnet_plugin.estimation.video.CHUNK_BYTES', 1)
        with VideoReader(video) as reader:
            assert len(list(reader.chunks(8))) == 23

    def test_deleted_on_the_way(self, tmp_path, video):
        path = tmp_path / 'clip.mp4'
        path.write_bytes(open(video, 'rb').read())
        with VideoReader(str(path)) as reader:
            path.unlink()
            with pytest.raises(VideoError, match='clip.mp4: no such file'):
                list(reader.chunks())

    @pytest.mark.parametrize('suffix, codec', [
        ('mp4', 'libx264'), ('avi', 'mpeg4'), ('mkv', 'libx264'),
        ('webm', 'libvpx-vp9')])
    def test_mutated(self, tmp_path, suffix, codec):
        """Frames or a VideoError, and nothing else."""
        path = tmp_path / f'clip.{suffix}'
        stepped(path, codec, n=6, g='3')
        whole = path.read_bytes()
        rng = np.random.RandomState(0)
        for _ in range(60):
            data = bytearray(whole)
            # headers stand at the beginning or at the end
            start = rng.choice([0, max(0, len(data) - 700), 0])
            stop = rng.choice([400, len(data)])
            for _ in range(rng.choice([1, 3, 20])):
                data[(start + rng.randint(stop)) % len(data)] = rng.randint(
                    256)
            path.write_bytes(data[:rng.choice([len(data), len(data),
                                               rng.randint(len(data))])])
            for options in (dict(), dict(max_frames=2, damaged='mark')):
                try:
                    read(path, limits=Limits(10**6, 1000), **options)
                except VideoError as error:
                    assert f'clip.{suffix}' in str(error)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])


class TestDamage:

    @pytest.mark.parametrize('suffix', ['mkv', 'webm', 'avi', 'mp4', 'flv'])
    def test_cut_off(self, tmp_path, suffix):
        """Refused before anything is decoded; or marked."""
        path = tmp_path / f'clip.{suffix}'
        options = dict(movflags='faststart') if suffix == 'mp4' else {}
        codec = 'libvpx-vp9' if suffix == 'webm' else 'libx264'
        whole = stepped(path, codec, n=62, g='8', **options)
        assert read(path)[3].damage is None
        cut(path, 0.5)
        with pytest.raises(VideoError, match=rf'clip.{suffix} is cut off: '
                           r'its header promises .*6\d frames.* are '
                           'there'):
            VideoReader(str(path))
        for options in (dict(), dict(max_frames=5), dict(length=4)):
            numbers, _, images, reader = read(path, damaged='mark', **options)
            assert 15 < reader.count < 62
            assert reader.damage.startswith('cut off')
            assert numbers[-1] < reader.count
            # the last one may be there in part
            for n, image in zip(numbers[:-1], images):
                np.testing.assert_array_equal(image, whole[n])

    @pytest.mark.parametrize('codec, suffix', [
        ('libx264', 'mp4'), ('mpeg4', 'mp4'), ('mpeg4', 'avi')])
    def test_broken_inside(self, tmp_path, codec, suffix):
        """In the middle of one frame, on which those to the next key rest."""
        path = tmp_path / f'clip.{suffix}'
        whole = stepped(path, codec, n=30, g='10', bf='0')
        break_inside(path, 12)
        with pytest.raises(VideoError,
                           match=f'clip.{suffix} is damaged at frame 12 of '
                           '30'):
            read(path)
        numbers, times, images, reader = read(path, damaged='mark')
        assert '1 of 30 frames could' in reader.damage
        assert numbers[-1] == 29 and len(numbers) >= 29
        np.testing.assert_allclose(times, np.array(numbers) / 15, atol=1e-3)
        whole_too = [n for n, image in zip(numbers, images)
                     if np.array_equal(image, whole[n])]
        assert {*range(12), *range(20, 30)} <= {*whole_too}
        # where nothing rests on it, nothing is wrong
        assert read(path, max_frames=2, damaged='mark')[0] == [7, 22]

    def test_header_that_is_a_little_wrong(self, tmp_path):
        """5 % and two frames are forgiven, as edited files need it."""
        path = tmp_path / 'clip.avi'
        stepped(path, 'mpeg4', n=40, g='8')
        data = path.read_bytes()
        count = np.array([40, 42, 50], '<u4')
        start = data.index(b'vids') + 32  # length of the stream
        assert data[start:start + 4] == count[:1].tobytes()
        for promised, fine in zip(count[1:], (True, False)):
            path.write_bytes(data[:start] + promised.tobytes()
                             + data[start + 4:])
            if fine:
                assert len(read(path)[0]) == 40
            else:
                with pytest.raises(VideoError, match='promises 50 frames, '
                                   '40 are there'):
                    read(path)

    @pytest.mark.parametrize('suffix', ['avi', 'mkv', 'mp4'])
    def test_pauses_are_no_damage(self, tmp_path, suffix):
        """An AVI counts frames that are not there, as its header says."""
        path = tmp_path / f'clip.{suffix}'
        stepped(path, 'mpeg4', g='8', n=30,
                times=[*range(20), *range(40, 50)])
        assert len(read(path)[0]) == 30

    def test_header_without_a_length(self, tmp_path):
        """As browsers record."""
        path = tmp_path / 'clip.webm'
        stepped(path, 'libvpx-vp9')
        with av.open(str(path)) as source:
            stream = source.streams.video[0]
            live = tmp_path / 'live.webm'
            with av.open(str(live), 'w', options=dict(live='1')) as target:
                to = target.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.size:
                        packet.stream = to
                        target.mux(packet)
        with av.open(str(live)) as container:
            assert not container.duration
        assert len(read(live)[0]) == 30
        cut(live, 0.5)
        assert 5 < len(read(live)[0]) < 20  # nobody could know

    def test_sound_that_goes_on(self, tmp_path):
        """A video that is shorter than its sound is whole."""
        path = tmp_path / 'clip.mkv'
        with av.open(str(path), 'w') as container:
            stream = container.add_stream('libx264', rate=15)
            stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
            sound = container.add_stream('pcm_s16le', rate=8000)
            for _ in range(15):
                container.mux(stream.encode(
                    av.VideoFrame(64, 48, 'yuv420p')))
            container.mux(stream.encode())
            for i in range(50):
                frame = av.AudioFrame.from_ndarray(
                    np.zeros((1, 800), np.int16), 's16', 'mono')
                frame.sample_rate, frame.pts = 8000, 800 * i
                container.mux(sound.encode(frame))
            container.mux(sound.encode())
        assert len(read(path)[0]) == 15


@pytest.mark.skipif(not osp.exists('/proc/self/status'),
                    reason='only Linux tells the peak of a process')
def test_memory_does_not_grow_with_length(tmp_path):
    """An hour's 300 frames take what a minute's take."""
    stepped(tmp_path / 'second.mp4', 'libx264', g='15')
    sizes = {}
    for minutes in (1, 60):
        path = tmp_path / f'{minutes}.mp4'
        with av.open(str(tmp_path / 'second.mp4')) as source, av.open(
                str(path), 'w') as target:
            stream = source.streams.video[0]
            to = target.add_stream_from_template(stream)
            packets = [packet for packet in source.demux(stream)
                       if packet.size]
            # five frames a second
            step = int(6 / stream.time_base)
            for _ in range(10 * minutes):
                for packet in packets:
                    packet.stream = to
                    target.mux(packet)
                    packet.pts, packet.dts = (packet.pts + step,
                                              packet.dts + step)
        # the package's own imports take ten times what is measured here
        package = osp.dirname(hpnet_plugin.__file__)
        code = (
            'import re, sys, types\n'
            'for name in ("", "/estimation"):\n'
            '    module = types.ModuleType("hpnet_plugin" + name)\n'
            '    module.__path__ = [sys.argv[2] + name]\n'
            '    sys.modules["hpnet_plugin" + name.replace("/", ".")] = '
            'module\n'
            'from hpnet_plugin.estimation.video import VideoReader\n'
            'with VideoReader(sys.argv[1], max_frames=300) as reader:\n'
            '    assert sum(len(c.images) for c in reader.chunks()) == 300\n'
            # not getrusage, which counts what the caller of the process held
            'print(re.search(r"VmHWM:\\s*(\\d+)", '
            'open("/proc/self/status").read())[1])')
        sizes[minutes] = int(subprocess.run(
            [sys.executable, '-c', code, path, package], check=True,
            capture_output=True, text=True).stdout)
    print(sizes)
    assert sizes[60] < 1.05 * sizes[1]

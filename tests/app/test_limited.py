"""Videos of strangers, decoded by a child process with limits."""
import os
import signal
import struct

import numpy as np
import pytest

from hpnet_plugin.apis.media import VideoMedia
from hpnet_plugin.app.limited import DecodingLimits, LimitedVideo
from hpnet_plugin.estimation.video import VideoError, VideoReader


def gone(pid):
    """Whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def same(chunks, expected):
    """Whether two iterations give the same frames at the same times."""
    found, expected = ([
        (number, time, image) for chunk in part for number, time, image in
        zip(chunk.numbers, chunk.times, chunk.images)]
        for part in (chunks, expected))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected):
        assert one[:2] == other[:2]
        np.testing.assert_array_equal(one[2], other[2])


def test_frames_are_those_of_the_video(clip):
    video, plain = LimitedVideo(clip, 'mine.mp4'), VideoMedia(clip)
    assert video.info == plain.info
    assert video.whole == pytest.approx(2)
    assert video.name == 'mine.mp4'
    same(video.chunks(5), plain.chunks(5))
    with VideoReader(clip, length=24) as reader:
        same(video.reader(length=24).chunks(), reader.chunks())
    assert video.damage is None


def test_frames_after_the_limit_are_left_out(clip):
    video = LimitedVideo(clip, 'mine.mp4', DecodingLimits(seconds=.5))
    assert video.info.duration == pytest.approx(.5)
    assert video.whole == pytest.approx(2)
    times = [time for chunk in video.chunks() for time in chunk.times]
    assert times == pytest.approx(np.arange(8) / 16)
    with video.reader() as reader:
        assert len(reader.numbers) == len(reader.times) == 8
    with pytest.raises(VideoError, match='mine.mp4 has 2 s; the limit'):
        video.reader(max_frames=5)


@pytest.mark.parametrize('content', [
    b'', b'no video at all' * 100, b'ffconcat version 1.0\nfile wave.mp4\n'])
def test_what_is_no_video_is_refused_by_the_name_it_was_given(
        tmp_path, content):
    path = tmp_path / 'secret.mp4'
    path.write_bytes(content)
    with pytest.raises(VideoError, match='mine.mp4') as error:
        print(LimitedVideo(str(path), 'mine.mp4').info)
    assert str(tmp_path) not in str(error.value)


def with_frames_elsewhere(data, name):
    """A video whose frames are, so it says, in another file beside it."""
    text = f'/disk/{name}'.encode()
    entry = (bytes(10) + b'\4' + b'disk'.ljust(27, b'\0') + bytes(12)
             + bytes([len(name)]) + name.encode().ljust(63, b'\0') + bytes(16)
             + struct.pack('>HH', 1, 1) + bytes(16)
             + struct.pack('>HH', 2, len(text)) + text
             + bytes(len(text) % 2) + struct.pack('>HH', 0xffff, 0))
    entry = struct.pack('>I4sI', 12 + len(entry), b'alis', 0) + entry
    at = data.index(b'url \0\0\0\1') - 4
    whole = bytearray(data[:at] + entry + data[at + 12:])
    for box in (b'moov', b'trak', b'mdia', b'minf', b'dinf', b'dref'):
        start = whole.rindex(box, 0, at) - 4
        size, = struct.unpack_from('>I', whole, start)
        struct.pack_into('>I', whole, start, size + len(entry) - 12)
    first, last = whole.index(b'mdat') + 4, whole.index(b'moov') - 4
    whole[first:last] = bytes(last - first)
    return bytes(whole)


def test_frames_in_another_file_are_not_read(clip, tmp_path):
    import av
    with open(clip, 'rb') as file:
        data = file.read()
    path = tmp_path / 'x.mp4'
    (tmp_path / 'other.mp4').write_bytes(data)
    path.write_bytes(with_frames_elsewhere(data, 'other.mp4'))
    # FFmpeg does if it is told to
    with av.open(str(path), container_options=dict(enable_drefs='1')) as told:
        assert len(list(told.decode(video=0))) == 32
    with pytest.raises(VideoError, match='holds no frame'), \
            VideoReader(str(path)) as reader:
        list(reader.chunks())


def test_a_cut_video_says_so(clip, tmp_path):
    path = tmp_path / 'cut.mkv'
    import av
    with av.open(clip) as source, av.open(str(path), 'w') as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    video = LimitedVideo(str(path), 'mine.mkv')
    assert sum(len(chunk.numbers) for chunk in video.chunks()) < 32
    assert 'cut off' in video.damage or 'damaged' in video.damage


@pytest.mark.parametrize('limits', [
    dict(memory=150 << 20), dict(pixels=100), dict(frames=10),
    dict(processor=0)])
def test_no_more_is_taken_than_the_limits_allow(clip, limits):
    video = LimitedVideo(clip, 'mine.mp4', DecodingLimits(**limits))
    with pytest.raises(VideoError, match='limit|memory|than it may'):
        print(video.info)


def test_a_decoder_that_hangs_is_killed(clip):
    video = LimitedVideo(clip, 'mine.mp4')
    reader = video.reader()
    pid = video._child.process.pid
    video._child.wait = .5
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(VideoError, match='mine.mp4 takes more than'):
        list(reader.chunks())  # all of them do not fit into the pipe
    video.close()
    assert gone(pid)


def test_who_stops_reading_ends_the_child(clip):
    video = LimitedVideo(clip, 'mine.mp4')
    chunks = video.chunks()
    next(chunks)
    pid = video._child.process.pid
    chunks.close()
    assert gone(pid)


def test_the_child_gets_no_secrets(clip, monkeypatch):
    monkeypatch.setenv('API_TOKEN', 'secret')
    video = LimitedVideo(clip, 'mine.mp4')
    reader = video.reader()
    pid = video._child.process.pid
    if os.path.isdir('/proc'):
        with open(f'/proc/{pid}/environ', 'rb') as file:
            assert b'secret' not in file.read()
        with open(f'/proc/{pid}/limits') as file:
            limits = file.read()
        assert f'{2 << 30}' in limits
    with reader:
        assert not gone(pid)
    assert gone(pid)

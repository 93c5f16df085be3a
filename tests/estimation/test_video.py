import av
import numpy as np
import pytest

from hpnet_plugin.demo import people
from hpnet_plugin.estimation.video import (
    VideoError,
    probe,
    read_frames,
    read_frames_at,
    spread,
)


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


def stepped(path, codec, n=30, times=None, **options):
    """A pattern that moves, and all its frames as decoded one by one."""
    still = np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=15)
        stream.width = stream.height = 64
        stream.pix_fmt = 'yuv420p'
        stream.options = options
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(np.roll(still, 3 * i, 1),
                                               'rgb24')
            if times is not None:
                frame.pts = times[i]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return frames_of(path)


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
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        entries = [(entry.pos, entry.size, entry.is_keyframe) for entry
                   in container.streams.video[0].index_entries]
    assert [i for i, entry in enumerate(entries) if entry[2]] == [0, 10, 20]
    middle = entries[12][0] + entries[12][1] // 2
    data[middle:middle + 40] = bytes(40)
    path.write_bytes(data)
    np.testing.assert_array_equal(
        read_frames_at(path, [3, 25]), [whole[3], whole[25]])
    with pytest.raises(VideoError, match='clip.mp4 is damaged at frame 12'):
        read_frames_at(path, [3, 16])

import av
import numpy as np
import pytest

from hpnet_plugin.estimation.video import (
    VideoError,
    count_packets,
    probe,
    read_frames,
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
    assert count_packets(video) == 23
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
                          ('sound.wav', 'no video stream'),
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

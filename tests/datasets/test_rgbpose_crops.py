"""Crops and joints together."""
import av
import numpy as np
import pytest

import hpnet_plugin  # noqa: F401
from hpnet_plugin.datasets.transforms import MMDecodeCrops
from hpnet_plugin.extraction.crops import CropRecorder

FRAMES, SIZE = 12, 64


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Crops of a white square that walks through frames of 90 x 160."""
    root = tmp_path_factory.mktemp('data')
    recorder, boxes = CropRecorder(str(root), SIZE), []
    for x, y in places():
        frame = np.zeros((90, 160, 3), np.uint8)
        frame[int(y) - 3:int(y) + 4, int(x) - 3:int(x) + 4] = 255
        # the window follows, a little to the side, and grows
        boxes.append(np.array([[x - 20, y - 18, x + 12 + x / 20, y + 22, 1]],
                              np.float32))
        recorder.add(frame, boxes[-1])
    recorder.write('clip', boxes, np.zeros((1, FRAMES), int))
    return root / 'crops'


def places():
    """Middle of the square in each frame, (T, 2)."""
    return np.stack((np.linspace(30, 130, FRAMES).round(),
                     np.linspace(60, 35, FRAMES).round()), 1)


def annotation(folder):
    joints = np.zeros((2, FRAMES, 17, 2), np.float32)
    joints[0] = places()[:, None]  # nobody in the second slot
    return dict(
        frame_dir=str(folder / 'clip'), total_frames=FRAMES, keypoint=joints,
        keypoint_score=np.ones(joints.shape[:3], np.float32),
        img_shape=(90, 160), original_shape=(90, 160),
        RGB_inds=np.array([1, 5, 5, 10]), Pose_inds=np.array([0, 1, 5, 10]))


def test_joints_are_where_the_image_shows_them(folder):
    results = MMDecodeCrops()(annotation(folder))
    assert results['frame_dir'] == 'clip'
    assert results['img_shape'] == results['original_shape'] == (SIZE, SIZE)
    assert results['keypoint'].shape == (2, 4, 17, 2)
    assert results['keypoint_score'].shape == (2, 4, 17)
    assert not results['keypoint'][1].any()
    assert len(results['imgs']) == 4
    for image, t in zip(results['imgs'], (1, 2, 2, 3)):
        bright = image.mean(-1) * (image.mean(-1) > 60)
        y, x = np.mgrid[:SIZE, :SIZE]
        centre = np.array([(bright * x).sum(), (bright * y).sum()]) / \
            bright.sum()
        np.testing.assert_allclose(results['keypoint'][0, t, 0], centre,
                                   atol=.3)


def test_bad_input(folder, tmp_path):
    with pytest.raises(ValueError, match='12 frames.*annotation 11'):
        MMDecodeCrops()(dict(annotation(folder), total_frames=11))
    with pytest.raises(FileNotFoundError, match='no crops.*--crops'):
        MMDecodeCrops()(annotation(tmp_path))
    with av.open(str(folder / 'clip.mp4')) as old, av.open(
            str(tmp_path / 'clip.mp4'), 'w') as new:  # without its comment
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    with pytest.raises(ValueError, match='which windows it shows'):
        MMDecodeCrops()(annotation(tmp_path))

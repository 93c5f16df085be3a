"""The generator: repeatable, truthful, its pairs alike but for the thing."""
import json

import numpy as np
import pytest

from hpnet_plugin.demo import actors, crops, people


def test_clip_depends_on_its_arguments_alone():
    first = people.make_clip(4, 2, seed=5, length=6)
    people.make_clip(1, 0, length=2)
    again = people.make_clip(4, 2, seed=5, length=6)
    other = people.make_clip(4, 2, seed=6, length=6)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert first.joints.shape != other.joints.shape or not np.allclose(
        first.joints, other.joints)


@pytest.mark.parametrize('pair', actors.PAIRS)
@pytest.mark.parametrize('number', [0, 7])
def test_a_pair_differs_in_the_thing_alone(pair, number):
    one, two = (people.make_clip(label, number, length=8) for label in pair)
    np.testing.assert_array_equal(one.joints, two.joints)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    changed = (one.frames != two.frames).any(-1)
    assert changed.any((1, 2)).all()  # seen in every frame
    # and nowhere but near a hand
    height = np.diff(one.boxes[0][:, [1, 3]]).max()
    for t, rows, columns in zip(*np.nonzero(changed)):
        away = np.linalg.norm(
            one.joints[0, t, 9:11] - [columns, rows], axis=-1).min()
        assert away < .3 * height


@pytest.mark.parametrize('label', range(len(people.ACTIONS)))
def test_joints_lie_inside_their_box_and_the_frame(label):
    for number in range(3):
        clip = people.make_clip(label, number, length=32)
        assert clip.frames.dtype == np.uint8
        height, width = clip.frames.shape[1:3]
        assert (width, height) in people.SIZES
        assert clip.joints.shape[1:] == (32, 17, 2)
        low, high = clip.boxes[:, :, None, :2], clip.boxes[:, :, None, 2:]
        assert (clip.joints >= low).all() and (clip.joints <= high).all()
        assert clip.boxes.min() >= 0
        assert (clip.boxes[..., 2] <= width).all()
        assert (clip.boxes[..., 3] <= height).all()
        # the acting person is the larger one
        sizes = np.diff(clip.boxes[:, 0][:, [1, 3]])[:, 0]
        assert sizes.argmax() == 0 or label == 5  # bent down is small


def test_dataset(tmp_path):
    import av
    root = tmp_path / 'people'
    people.make_dataset(root, clips_per_class=2, test_share=.5, length=4,
                        workers=2)
    assert sorted(path.name for path in root.iterdir()) == [
        'boxes.json', 'classes.txt', 'labels.txt', 'splits.json', 'truth.npz',
        'videos']
    labels = dict(line.split() for line in
                  (root / 'labels.txt').read_text().splitlines())
    classes = (root / 'classes.txt').read_text().splitlines()
    splits = json.loads((root / 'splits.json').read_text())
    boxes = json.loads((root / 'boxes.json').read_text())
    truth = np.load(root / 'truth.npz')
    assert len(labels) == 16 and len(classes) == 8
    assert sorted(splits['train'] + splits['test']) == sorted(labels)
    assert len(splits['test']) == 8
    assert not list(tmp_path.glob('*.part'))

    name = splits['train'][0]
    clip = people.make_clip(int(labels[name]), 1, length=4)
    np.testing.assert_array_equal(truth[f'{name}/joints'], clip.joints)
    assert np.allclose(boxes[name][2][0][:4], clip.boxes[0, 2], atol=.01)
    with av.open(str(root / 'videos' / f'{name}.mp4')) as container:
        frames = [frame.to_ndarray(format='rgb24')
                  for frame in container.decode(video=0)]
    assert len(frames) == 4
    # the codec and its halved colours cost little
    assert np.abs(np.float32(frames) - clip.frames).mean() < 8

    with pytest.raises(FileExistsError, match='remove it'):
        people.make_dataset(root)
    with pytest.raises(ValueError, match='split empty'):
        people.make_dataset(tmp_path / 'x', clips_per_class=1)


def test_crop_is_the_affine_crop_of_mmpose():
    """Without jitter the padded box fills the crop and is in its middle."""
    for i in range(8):
        crop = crops.make_crop(np.random.default_rng(i), jitter=0)
        assert crop.image.shape == (128, 96, 3)
        assert crop.inside.all()
        assert crop.box_height <= 128 / 1.25 + 1e-3
        assert (crop.joints > .1 * 96 - 1).all()
        assert (crop.joints < [.9 * 96 + 1, .9 * 128 + 1]).all()

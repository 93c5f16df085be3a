"""Detectors: on real frames, on files of boxes, on mmdet's own configs."""
import json
import time
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

import hpnet_plugin  # noqa: F401  lets mmdet be imported
from hpnet_plugin.demo import people
from hpnet_plugin.estimation import selection, tracking
from hpnet_plugin.estimation.assembly import ClipAssembler
from hpnet_plugin.estimation.detectors import build_detector
from hpnet_plugin.estimation.extractor import build_extractor
from hpnet_plugin.estimation.hog_detector import HogDetector
from hpnet_plugin.estimation.people import PeopleError
from hpnet_plugin.estimation.video import read_frames
from hpnet_plugin.estimation.zoo import choose_pose

A001 = 'S001C001P001R001A001'
A050 = 'S001C001P001R001A050'


def grey(count=1, height=60, width=80):
    return [np.full((height, width, 3), 120, np.uint8)] * count


def overlap(box, truth):
    """IoU of two boxes."""
    width, height = (np.minimum(box[2:4], truth[2:4])
                     - np.maximum(box[:2], truth[:2])).clip(0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, truth)]
    return width * height / (sum(areas) - width * height)


def boxes_of(source, frames, clip, numbers):
    """The boxes alone, of each frame."""
    found = source.people(frames, clip, numbers)
    assert all(one[1:] == (None, None, None) for one in found)
    return [one.boxes for one in found]


def write(path, content):
    path.write_text(json.dumps(content))
    return f'boxes:{path}'


def test_frame_is_one_box():
    detector = build_detector('frame')
    found = boxes_of(detector, grey(2), 'clip', [0, 1])
    assert len(found) == 2 and found[0].dtype == np.float32
    assert found[1].tolist() == [[0, 0, 80, 60, 1]]
    assert (detector.name, detector.sha256) == ('frame', None)


def test_hog_finds_the_same_person(shared):
    """IoU of 0.6 with a modern detector's box in nine of ten frames."""
    truth = json.loads((shared / f'data/ntu/{A001}_boxes.json').read_text())
    detector, boxes, numbers = build_detector('hog'), [], []
    for some, frames in read_frames(shared / f'data/ntu/{A001}_rgb.avi'):
        # every fourth frame, to be done sooner
        boxes += boxes_of(detector, frames[::4], A001, some[::4])
        numbers += some[::4]
    assert len(numbers) == 26
    chosen = selection.select(tracking.link(boxes), boxes, 1)
    assert chosen.shape == (1, 26)
    near = [k >= 0 and overlap(boxes[t][k], truth[number][0]) >= 0.6
            for t, (k, number) in enumerate(zip(chosen[0], numbers))]
    assert np.mean(near) >= 0.9
    # little else is taken for a person
    assert sum(map(len, boxes)) <= 26 + 5
    assert (detector.name, detector.sha256) == ('hog', None)


class Frames(NamedTuple):
    numbers: list
    times: list
    images: list


def selected(source, images):
    """Boxes of the people that are tracked, (M, T, 4), NaN where absent."""
    numbers = list(range(len(images)))
    frames = [seen.people.boxes for seen in source.follow(
        'clip', [Frames(numbers, numbers, images)])]
    chosen = selection.select(tracking.link(frames), frames, 2, source.least)
    boxes = np.full((*chosen.shape, 4), np.nan)
    for m, t in np.argwhere(chosen >= 0):
        boxes[m, t] = frames[t][chosen[m, t], :4]
    return boxes


class Counted(HogDetector):
    """Counts the frames that it looks at."""

    looks = 0

    def people(self, frames, clip, numbers):
        self.looks += len(frames)
        return super().people(frames, clip, numbers)


def test_hog_looks_at_few_frames_of_real_clips(shared):
    """At least the recall of looking at all of them: 1.00 and 0.858."""
    for clip, count, recall, looks in ((A001, 1, .99, 12), (A050, 2, .86, 12)):
        truth = json.loads(
            (shared / f'data/ntu/{clip}_boxes.json').read_text())
        images = [frame for _, some in read_frames(
            shared / f'data/ntu/{clip}_rgb.avi') for frame in some]
        hog = Counted()
        boxes = selected(hog, images)
        assert len(boxes) == count and hog.looks <= looks
        found = [max(overlap(box, row) for box in boxes[:, t]
                     if np.isfinite(box[0])) >= .5
                 for t, rows in enumerate(truth) for row in rows[:count]]
        assert np.mean(found) >= recall
    # the two are never exchanged
    left, right = np.sort(boxes[:, :, 0], 0)
    assert ((boxes[0, :, 0] < boxes[1, :, 0]) == (
        boxes[0, 0, 0] < boxes[1, 0, 0]))[np.isfinite(left + right)].all()


@pytest.fixture(scope='module')
def count():
    """How many people hog and the tiny pose net see in a drawn clip."""
    assemble = ClipAssembler(
        build_detector('hog'), build_extractor(*choose_pose('tiny')[1:4]),
        batch=8)

    def count(label, number, seed):
        clip = people.make_clip(label, number, seed)
        numbers = list(range(len(clip.frames)))
        found = assemble('clip', [Frames(numbers, numbers,
                                         list(clip.frames))])
        return len(clip.boxes), 0 if found.nobody else len(found.chosen)

    return count


# Clips that the settings were not chosen by. Without the pose net's word the
# one person of these becomes two.
@pytest.mark.parametrize('label, number', [(7, 0), (0, 1)])
def test_hog_gives_one_person_no_second(count, label, number):
    assert count(label, number, 31337) == (1, 1)


@pytest.mark.parametrize('label, number', [
    (0, 0), (6, 0)])
def test_hog_keeps_both_of_two_people(count, label, number):
    assert count(label, number, 31337) == (2, 2)


def test_hog_on_every_size_and_without_people(shared):
    """The same boxes of a frame an eighth as large, within IoU 0.7."""
    import cv2
    detector = build_detector('hog')
    _, frames = next(read_frames(shared / f'data/ntu/{A001}_rgb.avi'))
    small = cv2.resize(frames[0], (240, 135), interpolation=cv2.INTER_AREA)
    large, little = boxes_of(detector, [frames[0], small], A001, [0, 1])
    assert little.dtype == np.float32 and little.shape[1] == 5
    assert overlap(large[0], little[0] * 8) > 0.7
    again, = boxes_of(detector, frames[:1], A001, [0])
    np.testing.assert_array_equal(large, again)
    for shape in ((60, 80), (1, 1), (300, 20)):
        nobody, = boxes_of(detector, grey(1, *shape), A001, [0])
        assert nobody.shape == (0, 5) and nobody.dtype == np.float32


def test_hog_boxes_best_first_inside_the_frame(shared):
    """Five people in one picture, all windows that are not refused."""
    import cv2
    image = cv2.imread(str(shared / 'data/coco_persons/000000197388.jpg'))
    height, width = image.shape[:2]
    for threshold in (-0.2, 0.3):
        found, = boxes_of(
            build_detector('hog', score_thr=threshold),
            [np.ascontiguousarray(image[..., ::-1])], 'image', [0])
        assert (np.diff(found[:, 4]) <= 0).all()
        assert (found[:, 4] >= threshold).all()
        assert (found[:, 2:4] > found[:, :2]).all()
        assert (found[:, :4] >= 0).all()
        assert (found[:, :4] <= [width, height] * 2).all()


@pytest.mark.parametrize('path', ['', A050 + '_boxes.json'])
def test_given_boxes_of_real_clips(shared, path):
    """A folder, or the file of one clip; the video's name ends in _rgb."""
    detector = build_detector(f'boxes:{shared / "data/ntu" / path}')
    truth = json.loads((shared / f'data/ntu/{A050}_boxes.json').read_text())
    found = boxes_of(detector, grey(3), A050 + '_rgb', [0, 5, 73])
    assert [len(boxes) for boxes in found] == [2, 2, 2]
    for boxes, number in zip(found, (0, 5, 73)):
        assert boxes.dtype == np.float32
        best_first = sorted(truth[number], key=lambda row: -row[4])
        np.testing.assert_allclose(boxes, best_first, rtol=1e-6)


def test_given_boxes_of_several_clips(tmp_path):
    spec = write(tmp_path / 'boxes.json', {
        'a': [[[1, 2, 3, 4]], []],
        'b': [[[0, 0, 5, 5, .2], [1, 1, 6, 6, .7]]]
    })
    detector = build_detector(spec)
    assert detector.name == 'boxes:boxes.json'
    first, none = boxes_of(detector, grey(2), 'a', [0, 1])
    assert first.tolist() == [[1, 2, 3, 4, 1]]
    assert none.shape == (0, 5)
    both, = boxes_of(detector, grey(), 'b', [0])
    np.testing.assert_allclose(both[:, 4], [.7, .2])
    strict, = boxes_of(build_detector(spec, score_thr=.5), grey(), 'b', [0])
    assert len(strict) == 1
    with pytest.raises(PeopleError, match="'walk_02'.*some of.* .'a', 'b'"):
        boxes_of(detector, grey(), 'walk_02', [0])
    with pytest.raises(PeopleError, match="'a'.* 2 frames.*frame 2"):
        boxes_of(detector, grey(), 'a', [2])


def test_closest_clips_are_named(tmp_path):
    spec = write(tmp_path / 'boxes.json', {'walk_01': [], 'sit_01': []})
    with pytest.raises(PeopleError, match="closest: .'walk_01'"):
        boxes_of(build_detector(spec), grey(), 'walk_1', [0])


def test_boxes_of_one_clip_serve_one_clip(tmp_path):
    """The one after which the file is named, in whatever process."""
    for name in ('a.json', 'a_boxes.json'):
        detector = build_detector(write(tmp_path / name, [[[0, 0, 1, 1]]]))
        with pytest.raises(PeopleError, match="no boxes of clip 'b'.*'a'"):
            boxes_of(detector, grey(), 'b', [0])
        assert len(boxes_of(detector, grey(), 'a', [0])[0]) == 1
        assert len(boxes_of(detector, grey(), 'a_rgb', [0])[0]) == 1


@pytest.mark.parametrize('row', [
    [1, 2, 3], [1, 2, 3, 4, 5, 6], 7, [3, 0, 1, 5], [0, 5, 5, 5],
    [0, 0, 'x', 5], [0, 0, float('nan'), 5], [0, 0, float('inf'), 5, 1], None,
    [0, 0, 10**400, 5], [0, 0, 1e39, 5], [0, 0, True, 5], [[0], 0, 1, 1],
    [9.00000001, 0, 9.00000002, 5]
])
def test_malformed_rows(tmp_path, row):
    spec = write(tmp_path / 'boxes.json', {
        'good': [[[0, 0, 1, 1]]],
        'bad': [[], [[0, 0, 1, 1], row]]
    })
    detector = build_detector(spec)
    assert not len(boxes_of(detector, grey(), 'bad', [0])[0])
    with pytest.raises(PeopleError, match="'bad', frame 1: .* found"):
        boxes_of(detector, grey(), 'bad', [1])
    # the clip fails, the others go on
    assert len(boxes_of(detector, grey(), 'good', [0])[0]) == 1


@pytest.mark.parametrize('clip', [{'x': 1}, 3, None, [4], ['ab']])
def test_malformed_clips(tmp_path, clip):
    detector = build_detector(write(tmp_path / 'boxes.json', {'bad': clip}))
    with pytest.raises(PeopleError, match="'bad'.*expected.*found"):
        boxes_of(detector, grey(), 'bad', [0])


def test_broken_file_in_a_folder_fails_its_clip(tmp_path):
    write(tmp_path / 'a_boxes.json', [[[0, 0, 1, 1]]])
    (tmp_path / 'b.json').write_text('[[[0, 0,')
    detector = build_detector(f'boxes:{tmp_path}')
    with pytest.raises(PeopleError, match='b.json is no JSON'):
        boxes_of(detector, grey(), 'b', [0])
    assert len(boxes_of(detector, grey(), 'a', [0])[0]) == 1


def test_a_missing_clip_among_very_many_is_named_at_once(tmp_path):
    """Without a search of them all for the closest names, which took 2 s."""
    clips = {f'S{i:06d}C001P001R001A001': [] for i in range(20000)}
    detector = build_detector(write(tmp_path / 'boxes.json', clips))
    start = time.process_time()
    for _ in range(100):
        with pytest.raises(PeopleError, match='20000 clips; some of them'):
            boxes_of(detector, grey(), 'S000000C001P001R001A002', [0])
    assert time.process_time() - start < 1


def test_foreign_json_is_refused_by_its_clip(tmp_path):
    """Depth, text that is no UTF-8, a folder of that name."""
    (tmp_path / 'deep.json').write_text('[' * 10**6)
    (tmp_path / 'latin.json').write_bytes(b'["\xe9"]')
    (tmp_path / 'folder.json').mkdir()
    source = build_detector(f'boxes:{tmp_path}')
    for clip in ('deep', 'latin', 'folder'):
        with pytest.raises(PeopleError, match=f'{clip}.json'):
            boxes_of(source, grey(), clip, [0])


def test_wrong_specs(tmp_path, root):
    for spec in ('yolo', '', 'boxes:', 'HOG'):
        with pytest.raises(ValueError, match="'hog'.*'frame'.*'boxes:FILE'"):
            build_detector(spec)
    with pytest.raises(FileNotFoundError, match='absent.json'):
        build_detector(f'boxes:{tmp_path / "absent.json"}')
    with pytest.raises(ValueError, match='no CLIP_boxes.json'):
        build_detector(f'boxes:{tmp_path}')
    (tmp_path / 'text.json').write_text('boxes')
    with pytest.raises(ValueError, match='text.json is no JSON'):
        build_detector(f'boxes:{tmp_path / "text.json"}')
    with pytest.raises(ValueError, match='expected .*clip'):
        build_detector(write(tmp_path / 'number.json', 5))
    with pytest.raises(FileNotFoundError, match='absent.py'):
        build_detector('absent.py')
    with pytest.raises(ValueError, match='weights.pth'):
        build_detector('hog', 'weights.pth')


@pytest.fixture(scope='module')
def rtmdet(tmp_path_factory):
    """RTMDet-tiny of mmdet's own configs, and a checkpoint by chance."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.hub import get_config
    torch.manual_seed(0)
    config = get_config('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    config.model.backbone.init_cfg = None
    config.model.test_cfg.score_thr = 0.
    folder = tmp_path_factory.mktemp('rtmdet')
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
    for layer in model.bbox_head.rtm_cls:  # persons, among other things
        layer.bias.data[1] += 2
    path = folder / 'tiny.py'
    config.dump(path)
    classes = ['cat', 'person', *map(str, range(78))]
    torch.save(dict(state_dict=model.state_dict(),
                    meta=dict(dataset_meta=dict(classes=classes))),
               folder / 'tiny.pth')
    return path


@pytest.fixture(scope='module')
def detector(rtmdet):
    return build_detector(str(rtmdet), str(rtmdet.with_suffix('.pth')),
                          score_thr=0.)


def test_mmdet_boxes(detector, rtmdet):
    rng = np.random.default_rng(0)
    sizes = [(120, 160), (120, 160), (90, 70)]
    frames = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    found = boxes_of(detector, frames, 'clip', [0, 1, 2])
    assert len(found) == 3 and sum(map(len, found)) > 0
    for boxes, (height, width) in zip(found, sizes):
        assert boxes.dtype == np.float32 and boxes.shape[1:] == (5, )
        assert np.isfinite(boxes).all()
        assert (boxes[:, :4] >= 0).all()
        assert (boxes[:, :4] <= [width, height] * 2).all()
        assert (np.diff(boxes[:, 4]) <= 0).all()
    import hashlib
    content = rtmdet.with_suffix('.pth').read_bytes()
    assert detector.name == 'tiny'
    assert detector.sha256 == hashlib.sha256(content).hexdigest()
    assert boxes_of(detector, [], 'clip', []) == []


def test_mmdet_as_its_own_inference(detector, rtmdet):
    """The same persons as mmdet.apis finds in the BGR image."""
    from mmdet.apis import inference_detector, init_detector
    frame = np.random.default_rng(1).integers(0, 256, (100, 140, 3), np.uint8)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = init_detector(
            str(rtmdet), str(rtmdet.with_suffix('.pth')), device='cpu',
            palette='coco')
        stock = inference_detector(
            model, np.ascontiguousarray(frame[..., ::-1])).pred_instances
    stock = stock[stock.labels == 1]  # 'person' of the checkpoint's classes
    found, = boxes_of(detector, [frame], 'clip', [0])
    assert len(found) == len(stock) > 0
    np.testing.assert_allclose(found[:, 4], np.sort(stock.scores)[::-1],
                               rtol=1e-4)


def test_mmdet_threshold(detector, rtmdet):
    """From 0.3 on, where nothing else is asked for."""
    before = DefaultScope.get_current_instance()
    default = build_detector(str(rtmdet), str(rtmdet.with_suffix('.pth')))
    # what is built after it still finds its own registry
    assert DefaultScope.get_current_instance() is before
    frame = np.random.default_rng(2).integers(0, 256, (90, 90, 3), np.uint8)
    every, = boxes_of(detector, [frame], 'clip', [0])
    found, = boxes_of(default, [frame], 'clip', [0])
    np.testing.assert_array_equal(found, every[every[:, 4] >= 0.3])


def test_mmdet_needs_its_weights(rtmdet, tmp_path):
    with pytest.raises(ValueError, match='tiny.py names no weights'):
        build_detector(str(rtmdet))
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        build_detector(str(rtmdet), 'absent.pth')
    content = torch.load(rtmdet.with_suffix('.pth'))
    torch.save(dict(content, meta=dict(dataset_meta=dict(classes=['cat']))),
               tmp_path / 'cats.pth')
    with pytest.raises(ValueError, match="no class 'person' but .'cat'"):
        build_detector(str(rtmdet), str(tmp_path / 'cats.pth'))
    for weights, message in (({}, 'dict without weights'),
                             ({'a': torch.zeros(1)}, 'of another net')):
        torch.save(dict(state_dict=weights), tmp_path / 'other.pth')
        with pytest.raises(ValueError, match=f'other.pth is .*{message}'):
            build_detector(str(rtmdet), str(tmp_path / 'other.pth'))

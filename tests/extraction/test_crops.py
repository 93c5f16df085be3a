"""Person-centred clips: what they show, and when they are written."""
import errno
import json
import resource
import shutil

import av
import numpy as np
import pytest

from hpnet_plugin.demo import people
from hpnet_plugin.estimation.video import probe, read_frames, read_frames_at
from hpnet_plugin.extraction.crops import CropRecorder
from hpnet_plugin.store import FeatureStore


def frames_of(path):
    return np.array([f for _, chunk in read_frames(path) for f in chunk])


def picture(axis):
    """Grey that tells the column, 0.8 times, or the row."""
    y, x = np.mgrid[:200, :300]
    return np.repeat((x * .8, y * 1.)[axis][..., None], 3, 2).astype(np.uint8)


def record(tmp_path, boxes, chosen, **options):
    """Clips of both pictures; (T, 64, 64, 2): column and row that is shown."""
    shown = []
    for axis, scale in ((0, .8), (1, 1)):
        recorder = CropRecorder(tmp_path, size=64, **options)
        for found in boxes:
            recorder.add(picture(axis), found)
        recorder.write('clip', boxes, np.array(chosen))
        shown.append(frames_of(recorder.path('clip'))[..., 1] / scale)
    return np.stack(shown, -1)


def corners(shown):
    """Window that a frame shows, x1, y1, x2, y2, from two of its pixels."""
    first, last = shown[4, 4], shown[-5, -5]
    size = (last - first) * 64 / 55
    first = first - size * 4.5 / 64
    return np.concatenate([first, first + size])


BOX = np.array([[100, 40, 140, 120, .9]], np.float32)  # 40 x 80


def test_a_square_that_keeps_the_aspect(tmp_path):
    image = record(tmp_path, [BOX], [[0]], margin=1.25)[0]
    # the square around the box is 80, the window 100
    np.testing.assert_allclose(corners(image), [70, 30, 170, 130], atol=5)


def test_few_frames_are_decoded_for_one(tmp_path):
    """A key frame every 4, nothing that waits for a later frame."""
    record(tmp_path, [BOX] * 10, [[0] * 10])
    with av.open(str(tmp_path / 'crops' / 'clip.mp4')) as container:
        stream = container.streams.video[0]
        assert not stream.codec_context.has_b_frames
        packets = [packet for packet in container.demux(stream)
                   if packet.size]
    assert [packet.is_keyframe for packet in packets] == [
        t % 4 == 0 for t in range(10)]


def test_stretched_as_the_released_code_does(tmp_path):
    image = record(tmp_path, [BOX], [[0]], margin=1, fit='stretch')[0]
    np.testing.assert_allclose(corners(image), [100, 40, 140, 120], atol=5)


def test_union_of_people_and_frames_without(tmp_path):
    two = np.concatenate([BOX, [[160, 60, 180, 100, .8]]]).astype(np.float32)
    none = np.zeros((0, 5), np.float32)
    clip = record(tmp_path, [two, none, BOX], [[0, -1, 0], [1, -1, -1]],
                  margin=1)
    assert len(clip) == 3
    # both: 100..180 x 40..120
    np.testing.assert_allclose(corners(clip[0]), [100, 40, 180, 120], atol=5)
    # nobody: the window of the nearest frame
    np.testing.assert_allclose(corners(clip[1]), corners(clip[0]), atol=4)
    np.testing.assert_allclose(corners(clip[2]), [80, 40, 160, 120], atol=5)


def test_no_part_of_any_window_is_lost(tmp_path):
    """What is kept covers whoever is chosen later."""
    wide = np.array([[10, 80, 30, 150, .9], [250, 90, 290, 110, .8]],
                    np.float32)
    alone = record(tmp_path, [wide], [[1]], margin=1.5)[0]
    # 60 pixels around (270, 100)
    np.testing.assert_allclose(corners(alone), [240, 70, 300, 130], atol=5)
    tall = record(tmp_path, [wide], [[0]], margin=1.5)[0]
    # 105 pixels around (20, 115): the middle of the crop, and its right edge
    np.testing.assert_allclose(tall[32, 32], [20, 115], atol=5)
    np.testing.assert_allclose(tall[32, 60, 0], 67, atol=5)


@pytest.mark.parametrize('fit, levels', [('keep', {127, 128}),
                                         ('stretch', {0, 255})])
def test_fine_patterns_are_averaged(tmp_path, fit, levels):
    """Stripes of one pixel, four to a pixel of the crop: grey, and none of
    it where the released code would take one of the stripes."""
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[::2] = 255
    recorder = CropRecorder(tmp_path, size=64, margin=1, fit=fit)
    cut = recorder.cut(stripes, np.array([0, .5, 256, 256.5]))
    assert set(np.unique(cut[4:-4])) <= levels


def test_full_disk(tmp_path):
    """The system refuses the file: nothing of it stays."""
    recorder = CropRecorder(tmp_path, size=64)
    for _ in range(9):
        recorder.add(np.random.RandomState(0).randint(
            0, 255, (200, 300, 3), np.uint8), BOX)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match='clip.mp4: no space for') as raised:
            recorder.write('clip', [BOX] * 9, np.zeros((1, 9), int))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    assert list((tmp_path / 'crops').iterdir()) == []


@pytest.mark.parametrize('options', [
    dict(fit='crop'), dict(size=15), dict(size=33), dict(margin=.5)])
def test_bad_options(tmp_path, options):
    with pytest.raises(ValueError, match='crop'):
        CropRecorder(tmp_path, **options)


def test_chosen_frames_are_those_of_the_whole(tmp_path):
    """Against decoding from the first frame on."""
    rng = np.random.RandomState(0)
    recorder = CropRecorder(tmp_path, size=64)
    for t in range(50):
        recorder.add(np.roll(picture(0), 3 * t, 1), BOX)
    recorder.write('clip', [BOX] * 50, np.zeros((1, 50), int))
    whole = frames_of(recorder.path('clip'))
    assert len({frame.tobytes() for frame in whole}) == 50
    for _ in range(5):
        indices = rng.randint(0, 50, 9)
        found = read_frames_at(recorder.path('clip'), indices)
        np.testing.assert_array_equal(found, whole[indices])
    assert read_frames_at(recorder.path('clip'), []) == []
    with pytest.raises(ValueError, match='has no frame 50'):
        read_frames_at(recorder.path('clip'), [3, 50])
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(ValueError, match='no readable video'):
        read_frames_at(tmp_path / 'text.mp4', [0])


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('videos') / 'people'
    people.make_dataset(folder, clips_per_class=2, length=6)
    return folder


def extract(root, videos, out, *more):
    import runpy
    main = runpy.run_path(str(root / 'tools/extract.py'))['main']
    return main([
        str(videos / 'videos'), '--labels', str(videos / 'labels.txt'),
        '--classes', str(videos / 'classes.txt'), '--pose',
        str(root / 'configs/pose/tiny_hrnet.py'), '--checkpoint',
        str(root / 'hpnet_plugin/estimation/tiny_pose.pth'), '--tap',
        'backbone.stage4.0.branches.1', '--detector',
        f'boxes:{videos / "boxes.json"}', '--max-people', '1', '--out',
        str(out), *more])


def test_crops_beside_features(root, videos, tmp_path, capsys):
    out = tmp_path / 'data'
    crops = ('--crops', '--crop-size', '64')
    assert extract(root, videos, out) == 0
    assert not (out / 'crops').exists()
    shards = {p.name: p.read_bytes() for p in (out / 'features').iterdir()}

    # asked for later, they are written without touching the features
    assert extract(root, videos, out, *crops) == 0
    store = FeatureStore(str(out / 'features'))
    found = {p.stem: probe(p).frames for p in (out / 'crops').glob('*.mp4')}
    assert found == {name: store.shape(name, 'keypoint')[1]
                     for name in store.names}
    assert {p.name: p.read_bytes()
            for p in (out / 'features').iterdir()} == shards
    assert json.loads((out / 'extraction.json').read_text())['crops'] == dict(
        size=64, margin=1.1, fit='keep')

    # one that is gone is written again, the same
    gone = out / 'crops' / f'{store.names[3]}.mp4'
    before = frames_of(gone)
    others = {p: p.stat().st_mtime_ns
              for p in (out / 'crops').glob('*.mp4') if p != gone}
    gone.unlink()
    assert extract(root, videos, out, *crops) == 0
    np.testing.assert_allclose(frames_of(gone), before, atol=8)
    assert {p: p.stat().st_mtime_ns
            for p in (out / 'crops').glob('*.mp4') if p != gone} == others

    # a run without crops does not forget what they were made with
    assert extract(root, videos, out) == 0
    assert json.loads((out / 'extraction.json').read_text())['crops'] == dict(
        size=64, margin=1.1, fit='keep')

    # crops of two kinds do not mix
    capsys.readouterr()
    assert extract(root, videos, out, '--crops') == 2
    assert "made with {'size': 64" in capsys.readouterr().err

    # both at once are the same as one after the other
    both = tmp_path / 'both'
    assert extract(root, videos, both, *crops) == 0
    assert {p.name: p.read_bytes()
            for p in (both / 'features').iterdir()} == shards
    np.testing.assert_allclose(
        frames_of(both / 'crops' / gone.name), before, atol=8)
    shutil.rmtree(both)

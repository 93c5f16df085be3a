"""RGB and pooled features on one timeline."""
import json

import av
import cv2
import numpy as np
import pytest
import torch
from mmaction.datasets import PoseDataset
from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.datasets.crops import (
    Crops,
    CropsError,
    _find_images,
    import_crops,
)
from hpnet_plugin.datasets.transforms import (
    EachImage,
    FlipJoints,
    LoadPersonCrops,
    LoadPooledFeature,
    RandomTemporalCrop,
    ResizeTemporal,
)
from hpnet_plugin.extraction.crops import CropRecorder
from hpnet_plugin.recipes import compose

FRAMES = 30


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Clips whose frame t has brightness 8 t, and any features."""
    root = tmp_path_factory.mktemp('data')
    tap = dict(type='LoadPooledFeature')
    dataset = dict(split='train', ann_file='annotations.pkl', pipeline=[tap])
    loader = dict(dataset=dataset)
    cfg = Config(dict(
        model=dict(backbone=dict(in_channels=4), cls_head=dict(num_classes=2)),
        train_dataloader=loader, val_dataloader=loader,
        test_dataloader=loader))
    write_synthetic(cfg, str(root), clips=1, frames=FRAMES)
    box = np.array([[0, 0, 64, 64, 1]], np.float32)
    for name, length in (('train_0', FRAMES), ('short', 3), ('long', 40)):
        recorder = CropRecorder(root, size=32, margin=1)
        for t in range(length):
            recorder.add(np.full((64, 64, 3), 8 * t % 256, np.uint8), box)
        recorder.write(name, [box] * length, np.zeros((1, length), int))
    return root


def clip(folder, name='train_0', frames=FRAMES, **more):
    return dict(frame_dir=str(folder / 'features' / name),
                total_frames=frames, img_shape=(240, 320), **more)


def numbers(results):
    """The frames that images were taken from."""
    return [round(float(image.mean()) / 8) for image in results['imgs']]


def test_sampling_of_xclip():
    """reference.md 2: F=103 in 8 segments."""
    test, load = LoadPersonCrops(8, test_mode=True), LoadPersonCrops(8)
    assert test.sample(103).tolist() == [6, 18, 31, 44, 57, 70, 83, 96]
    for frames in (103, 9, 8, 5, 1):
        edges = [frames * j // 8 for j in range(9)]
        seen = [set() for _ in range(8)]
        for _ in range(200):
            for j, index in enumerate(load.sample(frames)):
                seen[j].add(int(index))
        for j in range(8):
            expected = range(edges[j], max(edges[j + 1], edges[j] + 1))
            assert seen[j] <= {min(i, frames - 1) for i in expected}
            if frames < 20:
                assert seen[j] == {min(i, frames - 1) for i in expected}


def test_views_are_spread():
    load = LoadPersonCrops(2, num_views=3, test_mode=True)
    assert load.sample(80).tolist() == [10, 50, 20, 60, 30, 70]


def test_images_are_those_frames(folder):
    load = LoadPersonCrops(8, test_mode=True)
    results = load(clip(folder))
    assert numbers(results) == load.sample(FRAMES).tolist()
    assert results['imgs'][0].shape == (32, 32, 3)
    assert results['frame_dir'] == 'train_0'


def test_short_clips_repeat_frames(folder):
    results = LoadPersonCrops(8, test_mode=True)(clip(folder, 'short', 3))
    assert numbers(results) == [0, 0, 0, 1, 1, 1, 2, 2]


def test_both_modalities_share_a_random_stretch(folder):
    for seed in range(4):
        np.random.seed(seed)
        results = LoadPooledFeature()(clip(folder))
        whole = results['pooled_feat']
        results = RandomTemporalCrop(min_ratio=.2)(results)
        start, length = results['frame_start'], results['total_frames']
        results = LoadPersonCrops(4)(results)
        assert min(numbers(results)) >= start
        assert max(numbers(results)) < start + length
        np.testing.assert_array_equal(results['pooled_feat'],
                                      whole[:, start:start + length])


def test_flip_is_of_both_or_none(folder):
    loads = [LoadPersonCrops(2), LoadPooledFeature()]

    def load(**options):
        results = clip(folder)
        for step in loads:
            results = step(results)
        results['imgs'] = [np.random.RandomState(i).randint(
            0, 255, (32, 32, 3), np.uint8) for i in range(2)]
        return results, FlipJoints(**options)(dict(results))

    plain, flipped = load(flip_ratio=1)
    for one, other in zip(plain['imgs'], flipped['imgs']):
        np.testing.assert_array_equal(other, one[:, ::-1])
    np.testing.assert_array_equal(flipped['pooled_feat'][:, :, 5],
                                  plain['pooled_feat'][:, :, 6])
    plain, same = load(flip_ratio=0)
    assert same['imgs'] is plain['imgs']
    # as the released code does
    plain, flipped = load(flip_ratio=1, keys=('imgs', ))
    np.testing.assert_array_equal(flipped['imgs'][0],
                                  plain['imgs'][0][:, ::-1])
    np.testing.assert_array_equal(flipped['pooled_feat'],
                                  plain['pooled_feat'])
    with pytest.raises(ValueError, match='keys must be some of'):
        FlipJoints(keys=('rgb', ))


@pytest.mark.parametrize('name, frames, error, message', [
    ('train_1', 30, FileNotFoundError, r'train_1 has no crops.*--crops'),
    ('long', 30, ValueError, 'long.*has 40 frames, the annotation 30'),
])
def test_bad_crops(folder, name, frames, error, message):
    with pytest.raises(error, match=message):
        LoadPersonCrops()(clip(folder, name, frames))


@pytest.fixture
def images(tmp_path):
    """The authors' crops: image k of 2 k + 1 has brightness 8 k."""
    def write(name, count, first=0, size=32):
        path = tmp_path / 'authors' / name
        path.mkdir(parents=True)
        for k in range(count):
            cv2.imwrite(str(path / f'{first + k}.jpg'),
                        np.full((size, size, 3), 8 * k % 256, np.uint8))
        return path

    return write


def test_images_of_the_authors(images, tmp_path):
    """They have a timeline of their own: all of it is all of the clip."""
    images('long', 31)
    images('ones', 20, first=1)
    images('short', 3)
    images('empty', 0)
    out = tmp_path / 'data'
    assert import_crops(
        str(tmp_path / 'authors'), str(out),
        ['long', 'ones', 'short', 'empty', 'none'],
        lambda name: name not in ('empty', 'none')) == 2
    load = LoadPersonCrops(8, test_mode=True)
    # reference.md 2: int((int(F j / 8) + int(F (j + 1) / 8)) / 2)
    for name, frames in (('long', 31), ('ones', 20)):
        assert numbers(load(clip(out, name, 64))) == [
            int((int(frames * j / 8) + int(frames * (j + 1) / 8)) / 2)
            for j in range(8)]
    seen = {tuple(numbers(LoadPersonCrops(8)(clip(out, 'long', 64))))
            for _ in range(40)}
    assert len(seen) > 20
    for drawn in seen:
        for j, k in enumerate(drawn):
            assert int(31 * j / 8) <= k < int(31 * (j + 1) / 8)
    assert numbers(load(clip(out, 'short', 64))) == [0, 0, 0, 1, 1, 1, 2, 2]
    for name in ('empty', 'none'):
        results = load(clip(out, name, 64))
        assert np.shape(results['imgs']) == (8, 224, 224, 3)
        assert not np.any(results['imgs'])
    # a stretch of the features is as large a part of the images
    half = clip(out, 'long', 32, frame_start=32, stored_frames=64)
    assert numbers(load(half)) == [15 + k for k in load.sample(16)]
    # from the image that it begins in to the one that it ends in
    part = clip(out, 'long', 10, frame_start=30, stored_frames=64)
    assert numbers(load(part)) == [14 + k for k in load.sample(6)]


def test_clips_beside_resampled_features(folder, tmp_path):
    """This package's crops, of their own length, by the same way."""
    assert import_crops(str(folder / 'crops'), str(tmp_path), ['long'],
                        bool) == 0
    load = LoadPersonCrops(8, test_mode=True)
    images = load(clip(tmp_path, 'long', 64))['imgs']
    expected = load(clip(folder, 'long', 40))['imgs']
    np.testing.assert_array_equal(images, expected)


def test_jpegs_keep_their_numbers(images, tmp_path):
    """As PIL reads them, which the released loader does."""
    from PIL import Image
    path = images('a', 1)
    noise = np.random.RandomState(0).randint(0, 255, (224, 224, 3), np.uint8)
    cv2.imwrite(str(path / '0.jpg'), cv2.blur(noise, (5, 5)))
    (path / 'Thumbs.db').write_text('not an image, and not counted')
    import_crops(str(tmp_path / 'authors'), str(tmp_path), ['a'], bool)
    image = LoadPersonCrops(1)(clip(tmp_path, 'a', 64))['imgs'][0]
    np.testing.assert_array_equal(
        image, np.asarray(Image.open(path / '0.jpg').convert('RGB')))


def test_images_on_the_features_timeline(images, tmp_path):
    """Not imported, they must be as many as the frames."""
    images('a', 20).parent.rename(tmp_path / 'crops')
    load = LoadPersonCrops(8, test_mode=True)
    assert numbers(load(clip(tmp_path, 'a', 20))) == load.sample(20).tolist()
    with pytest.raises(ValueError, match='has 20 frames, the annotation 64'):
        load(clip(tmp_path, 'a', 64))


def test_images_that_changed(images, tmp_path):
    path = images('a', 20)
    source = str(tmp_path / 'authors')
    import_crops(source, str(tmp_path), ['a'], bool)
    (path / '19.jpg').unlink()
    with pytest.raises(ValueError, match='has 19 frames, and had 20'):
        LoadPersonCrops()(clip(tmp_path, 'a', 64))
    import_crops(source, str(tmp_path), ['a'], bool)
    (path / '3.jpg').write_bytes(b'no image')
    with pytest.raises(CropsError, match='3.jpg is no JPEG'):
        LoadPersonCrops(19)(clip(tmp_path, 'a', 64))
    cv2.imwrite(str(path / '3.jpg'), np.zeros((9, 7, 3), np.uint8))
    with pytest.raises(CropsError, match=r'3.jpg has .* \(9, 7\)'):
        LoadPersonCrops(19)(clip(tmp_path, 'a', 64))
    (path / '3.jpg').unlink()
    with pytest.raises(CropsError, match='but not number 3'):
        LoadPersonCrops()(clip(tmp_path, 'a', 64))


def test_gaps(images):
    for first, gap in ((0, None), (1, None), (2, 1)):
        path = images(f'from{first}', 12, first)
        if gap is None:
            assert [p.rpartition('/')[2] for p in _find_images(str(path))] == [
                f'{first + k}.jpg' for k in range(12)]
        else:
            with pytest.raises(CropsError, match=f'not number {gap}:'):
                _find_images(str(path))


def test_import_refuses(images, tmp_path):
    source = str(images('a', 9).parent)
    with pytest.raises(CropsError, match=r'no crops of 1 of 2 clips.*\(b\)'):
        import_crops(source, str(tmp_path), ['a', 'b'], bool)
    assert not (tmp_path / 'crops').exists()
    CropRecorder(tmp_path).prepare()
    with pytest.raises(CropsError, match="holds crops made with {'size': 256"):
        import_crops(source, str(tmp_path), ['a'], bool)
    other = tmp_path / 'other/crops'
    other.mkdir(parents=True)
    (other / 'a').mkdir()
    with pytest.raises(CropsError, match='a is there already'):
        import_crops(source, str(other.parent), ['a'], bool)
    # and what was imported is not mixed with what is extracted
    out = tmp_path / 'third'
    import_crops(source, str(out), ['a'], bool)
    with pytest.raises(ValueError, match="made with {'imported': True}"):
        CropRecorder(out).prepare()
    assert json.loads((out / 'crops/frames.json').read_text()) == dict(a=9)


def test_folders_of_classes_and_ntu_names(images, tmp_path):
    images('Bowling/v_Bowling_g01_c01', 9)
    images('S001C001P001R001A001_rgb', 8)
    names = ['v_Bowling_g01_c01', 'S001C001P001R001A001']
    import_crops(str(tmp_path / 'authors'), str(tmp_path), names, bool)
    for name, count in zip(names, (9, 8)):
        load = LoadPersonCrops(count, test_mode=True)
        assert numbers(load(clip(tmp_path, name, 64))) == list(range(count))


def test_each_image_for_itself():
    images = [np.full((8, 8, 3), 100, np.uint8)] * 6
    jitter = dict(type='TorchVisionWrapper', op='ColorJitter', brightness=.4)
    with DefaultScope.overwrite_default_scope('mmaction'):
        together = TRANSFORMS.build(jitter)(dict(imgs=images))['imgs']
        apart = EachImage([jitter])
        found = apart(dict(imgs=images, label=3))
    assert len({image.mean() for image in together}) == 1
    assert len({image.mean() for image in found['imgs']}) > 3
    assert found['label'] == 3 and len(found['imgs']) == 6
    assert 'TorchVisionWrapper' in repr(apart)


def test_bad_crops_after_a_cut(folder):
    """A cut that fits into the crops does not hide that they are others."""
    results = dict(clip(folder, 'long'), keypoint=np.ones((1, 30, 17, 2)))
    with pytest.raises(ValueError, match='has 40 frames, the annotation 30'):
        LoadPersonCrops()(RandomTemporalCrop()(results))


def test_joints_stay_in_their_frame(folder):
    """Images have a size of their own, before and after the flip."""
    joints = np.full((1, FRAMES, 17, 2), 20, np.float32)
    results = LoadPersonCrops(2)(clip(folder, keypoint=joints))
    assert results['img_shape'] == (32, 32)
    assert results['original_shape'] == (240, 320)
    results = FlipJoints(flip_ratio=1)(results)
    assert (results['keypoint'] == [299, 20]).all()


def test_every_load_of_a_test_is_the_same(folder):
    load = LoadPersonCrops(8, test_mode=True)
    first = load(clip(folder))['imgs']
    for _ in range(3):
        np.testing.assert_array_equal(load(clip(folder))['imgs'], first)


def test_a_clip_is_opened_once(folder, monkeypatch):
    """For its number of frames and for them; read again, it is opened again.
    """
    opened, real = [], av.open
    monkeypatch.setattr(av, 'open', lambda *words, **options: opened.append(
        words) or real(*words, **options))
    load = LoadPersonCrops(8, test_mode=True)
    first = load(clip(folder))['imgs']
    assert len(opened) == 1
    crops = Crops(str(folder / 'crops' / 'train_0.mp4'))
    numbers = load.sample(crops.frames)
    for _ in range(2):
        np.testing.assert_array_equal(crops.read(numbers), first)
    assert len(opened) == 3
    assert crops.read([]) == []


def test_order_of_transforms(folder):
    results = ResizeTemporal(8)(LoadPooledFeature()(clip(folder)))
    with pytest.raises(ValueError, match='goes before.*resample'):
        LoadPersonCrops()(results)
    with pytest.raises(ValueError, match='at least 1'):
        LoadPersonCrops(0)
    with pytest.raises(ValueError, match='needs test_mode=True'):
        LoadPersonCrops(num_views=3)


def test_pipeline_of_hpnet(folder):
    """The shipped pipelines, in the toolbox's dataset, crops in any place."""
    cfg = Config(compose('hpnet', benchmark='ntu120'))
    steps = [dict(step) for step in cfg.train_dataloader.dataset.pipeline]
    steps[1]['tap'] = None
    with DefaultScope.overwrite_default_scope('mmaction'):
        for pipeline in (steps, [steps[1], steps[0], *steps[2:]]):
            dataset = PoseDataset(
                'annotations.pkl', pipeline, split='train',
                data_root=str(folder), data_prefix=dict(video='features'))
            packed = dataset[0]
            inputs = packed['inputs']
            assert inputs['imgs'].shape == (8, 3, 224, 224)
            assert inputs['imgs'].dtype == torch.uint8
            assert inputs['pooled_feat'].shape == (1, 2, 64, 17, 4)
            assert inputs['pooled_feat'].dtype == torch.float16
            assert packed['data_samples'].frame_dir == 'train_0'
        for step in steps:
            repr(TRANSFORMS.build(step))

"""RGB and pooled features on one timeline."""
import numpy as np
import pytest
import torch
from mmaction.datasets import PoseDataset
from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.datasets.transforms import (
    FlipJoints,
    LoadPersonCrops,
    LoadPooledFeature,
    RandomTemporalCrop,
    ResizeTemporal,
)
from hpnet_plugin.extraction.crops import CropRecorder

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


def test_order_of_transforms(folder):
    results = ResizeTemporal(8)(LoadPooledFeature()(clip(folder)))
    with pytest.raises(ValueError, match='goes before.*resample'):
        LoadPersonCrops()(results)
    with pytest.raises(ValueError, match='at least 1'):
        LoadPersonCrops(0)
    with pytest.raises(ValueError, match='needs test_mode=True'):
        LoadPersonCrops(num_views=3)


def test_pipeline_of_hpnet(folder, root):
    """The shipped pipelines, in the toolbox's dataset, crops in any place."""
    cfg = Config.fromfile(root / 'configs/hpnet_nw_ucla.py')
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

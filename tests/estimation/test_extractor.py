"""What the extractor keeps at the joints, beside plain pooling."""
import numpy as np
import pytest
import torch

import hpnet_plugin  # noqa: F401
from hpnet_plugin.estimation import extractor as extractor_module
from hpnet_plugin.estimation.extractor import PooledExtractor, build_extractor
from hpnet_plugin.estimation.pose import PoseNet, PoseOutput
from hpnet_plugin.estimation.taps import TapError
from hpnet_plugin.pooling import beyond, patch_at_joints, pool_at_joints

SIZE = (48, 64)


class Net(PoseNet):
    """Maps and outputs that are known, for crops of 48 x 64 pixels."""
    size, layout, record = SIZE, 'coco', {}

    def __init__(self, *outputs):
        self.outputs = outputs
        self.taps = dict(conv=3)
        self.maps = torch.randn(2, 3, 8, 6)
        self.joints = np.random.RandomState(0).uniform(
            12, 36, (2, 17, 2)).astype(np.float32)

    def run(self, images):
        n = len(images)
        return PoseOutput(torch.from_numpy(self.joints[:n]),
                          torch.ones(n, 17),
                          dict(conv=self.maps[:n]),
                          tuple(value[:n] for value in self.outputs))


def matrices(zoom=1.):
    return np.tile(np.float32([[zoom, 0, 5], [0, zoom, 7]]), (2, 1, 1))


def run(extractor, zoom=1., crops=None):
    if crops is None:
        crops = np.zeros((2, 64, 48, 3), np.uint8)
    return extractor(crops, matrices(zoom))[2]


def test_regions_of_one_map():
    net = Net(torch.rand(2, 17, 16, 12))
    extractor = PooledExtractor(
        net, features={'conv': ('conv', 1), 'conv@5': ('conv', 5)})
    assert extractor.taps == {'conv': 3, 'conv@5': 3}
    pooled = run(extractor)
    for name, region in (('conv', 1), ('conv@5', 5)):
        expected = pool_at_joints(
            net.maps, torch.from_numpy(net.joints), SIZE, region)
        np.testing.assert_allclose(pooled[name], expected, atol=2e-3)


def test_patches_hold_what_pooling_averages():
    maps, joints = torch.randn(2, 3, 8, 6), torch.rand(2, 5, 2) * 40
    patch = patch_at_joints(maps, joints, SIZE, 3)
    assert patch.shape == (2, 5, 27)
    torch.testing.assert_close(patch.view(2, 5, 3, 9).mean(-1),
                               pool_at_joints(maps, joints, SIZE, 3))
    with pytest.raises(ValueError, match='size must be odd'):
        patch_at_joints(maps, joints, SIZE, 4)


def test_colours_around_the_joint():
    """A ramp of red over the columns, seen at 4 x 4 pixels a colour."""
    net = Net(torch.rand(2, 17, 16, 12))
    crops = np.zeros((2, 64, 48, 3), np.uint8)
    crops[..., 0] = 5 * np.arange(48)
    extractor = PooledExtractor(net, features={}, extras=['rgb'])
    assert extractor.taps == dict(rgb=75)
    rgb = run(extractor, crops=crops)['rgb'].reshape(2, 17, 3, 5, 5)
    assert not rgb[:, :, 1:].any()
    inside = (net.joints > 12).all(-1) & (net.joints < 36).all(-1)
    expected = 5 / 255 * (net.joints[..., :1] + 4 * np.arange(-2, 3))
    for row in range(5):
        np.testing.assert_allclose(rgb[:, :, 0, row][inside],
                                   expected[inside], atol=2e-3)


def test_past_the_joints():
    """A hand lies beyond the wrist, seen from the elbow; the nose has none."""
    net = Net(torch.rand(2, 17, 16, 12))
    extractor = PooledExtractor(
        net, features={'conv': ('conv', 1), 'conv@beyond': ('conv', 1)},
        reaching=['conv@beyond'], extras=['rgb', 'rgb@beyond'])
    crops = np.random.RandomState(1).randint(
        0, 256, (2, 64, 48, 3)).astype(np.uint8)
    found = run(extractor, crops=crops)
    past = net.joints.copy()
    past[:, 9] += (net.joints[:, 9] - net.joints[:, 7]) / 2  # left wrist
    moved = beyond(torch.from_numpy(net.joints), extractor.parents)
    np.testing.assert_allclose(moved[:, [0, 9]], past[:, [0, 9]], rtol=1e-6)
    for tap in ('conv', 'rgb'):
        assert (found[tap][:, 0] == found[f'{tap}@beyond'][:, 0]).all()
        assert (found[tap][:, 9] != found[f'{tap}@beyond'][:, 9]).any()
    np.testing.assert_allclose(found['conv@beyond'], pool_at_joints(
        net.maps, moved, SIZE), atol=2e-3)
    net.joints = moved.numpy()
    np.testing.assert_allclose(
        found['rgb@beyond'], run(extractor, crops=crops)['rgb'], atol=2e-3)


def test_past_joints_without_bones():
    net = Net(torch.rand(2, 17, 16, 12))
    extractor = PooledExtractor(net, features={}, extras=['rgb@beyond'])
    with pytest.raises(TapError, match='rgb@beyond: .* 17 joints, 5 are '):
        extractor(np.zeros((2, 64, 48, 3), np.uint8), matrices(),
                  np.zeros((2, 5, 2), np.float32))
    net.layout = 'mpii'
    with pytest.raises(TapError, match="layout 'mpii' are not known; .*coco"):
        PooledExtractor(net, features={}, extras=['rgb@beyond'])


def test_coordinate_vectors():
    x, y = torch.randn(2, 17, 96), torch.randn(2, 17, 128)
    extractor = PooledExtractor(Net(x, y), extras=['coordinates'])
    assert extractor.taps == dict(conv=3, coordinates=224)
    np.testing.assert_allclose(run(extractor)['coordinates'],
                               torch.cat((x, y), -1), atol=2e-3)
    with pytest.raises(TapError, match='SimCC'):
        PooledExtractor(Net(x, y), extras=['heatmap'])


def test_own_heatmap_of_each_joint():
    """Each joint's map is a bump of its own height at the joint."""
    net = Net(None)
    row, column = np.mgrid[:16, :12]
    at = net.joints / 4  # in cells, as decode_heatmaps has it
    square = (column - at[..., 0, None, None])**2 + (
        row - at[..., 1, None, None])**2
    height = np.arange(1, 18)[:, None, None] / 17
    net.outputs = torch.from_numpy(
        (height * np.exp(-square / 18)).astype(np.float32)),
    extractor = PooledExtractor(net, features={}, extras=['heatmap'])
    assert extractor.taps == dict(heatmap=49, heatmap_scale=1)
    found = run(extractor, zoom=0.5)
    patch = found['heatmap'].reshape(2, 17, 7, 7).astype(float)
    step = np.arange(-3, 4)
    bump = np.exp(-(step[:, None]**2 + step**2) / 18)
    np.testing.assert_allclose(patch[..., 2:5, 2:5] / height,
                               np.broadcast_to(bump, (2, 17, 7, 7))[
                                   ..., 2:5, 2:5], atol=.03)
    # a cell is 4 pixels of the crop, which shows the frame at half size
    assert (found['heatmap_scale'] == 8).all()
    with pytest.raises(TapError, match='gives heatmaps'):
        PooledExtractor(net, extras=['coordinates'])


def test_nothing_asked():
    with pytest.raises(TapError, match='no tap is given'):
        PooledExtractor(Net(torch.rand(2, 17, 16, 12)), features={})


def test_names_of_a_real_net(root):
    """Regions and colours by name, through a net of the package."""
    tap = 'backbone.stage4.0.branches.1'
    config = str(root / 'configs/pose/tiny_hrnet.py')
    weights = str(root / 'hpnet_plugin/estimation/tiny_pose.pth')
    extractor = build_extractor(
        config, weights, [tap, f'{tap}@3', 'rgb', 'heatmap'])
    assert extractor.taps == {tap: 32, f'{tap}@3': 32, 'rgb': 75,
                              'heatmap': 49, 'heatmap_scale': 1}
    with pytest.raises(ValueError, match='the region must be one of'):
        build_extractor(config, weights, [f'{tap}@4'])


TINY = 'backbone.stage4.0.branches.1'


def tiny(root, **options):
    return build_extractor(
        str(root / 'configs/pose/tiny_hrnet.py'),
        str(root / 'hpnet_plugin/estimation/tiny_pose.pth'),
        [TINY, 'rgb', 'heatmap'], **options)


def test_a_batch_may_wait_for_the_next(root):
    """What was submitted keeps its own numbers, in whatever order asked."""
    extractor = tiny(root)
    rng = np.random.RandomState(0)
    batches = [rng.randint(0, 256, (n, 128, 96, 3)).astype(np.uint8)
               for n in (3, 2, 4)]
    where = [np.tile(np.float64([[[.5, 0, n], [0, .5, 2]]]), (n, 1, 1))
             for n in (3, 2, 4)]
    expected = [extractor(*batch) for batch in zip(batches, where)]
    pending = [extractor.submit(*batch) for batch in zip(batches, where)]
    for i in (2, 0, 1):
        joints, scores, pooled = pending[i].result()
        np.testing.assert_array_equal(joints, expected[i][0])
        np.testing.assert_array_equal(scores, expected[i][1])
        assert joints.dtype == scores.dtype == np.float32
        for name, value in pooled.items():
            assert value.dtype == np.float16
            np.testing.assert_array_equal(value, expected[i][2][name])


def test_given_joints_come_back(root):
    extractor = tiny(root)
    crops = np.random.RandomState(0).randint(
        0, 256, (2, 128, 96, 3)).astype(np.uint8)
    own, scores, pooled = extractor(crops, matrices())
    given, none, again = extractor(crops, matrices(), own)
    assert given is own and none is None
    np.testing.assert_allclose(again[TINY], pooled[TINY], atol=2e-3)


@pytest.mark.parametrize('options, noted', [
    (dict(), {}),
    (dict(threads=2), {}),
    (dict(backend='onnxruntime'), dict(backend='onnxruntime')),
    (dict(precision='bf16'), dict(precision='bf16')),
])
def test_record_names_only_what_is_not_default(root, options, noted,
                                               tmp_path, monkeypatch):
    """So that stores of before these options can be resumed."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    record = tiny(root, **options).record['pose']
    assert set(record) == {'config', 'checkpoint', 'sha256', 'norm', 'size',
                           *noted}
    assert noted.items() <= record.items()


def test_other_backends_pool_the_same(root, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    crops = np.random.RandomState(0).randint(
        0, 256, (4, 128, 96, 3)).astype(np.uint8)
    at = np.tile(matrices()[:1], (4, 1, 1))
    plain = tiny(root)(crops, at)
    joints = plain[0]
    for options, limit in ((dict(backend='onnxruntime'), 1e-3),
                           (dict(precision='bf16'), .03)):
        pooled = tiny(root, **options)(crops, at, joints)[2][TINY]
        expected = plain[2][TINY].astype(np.float32)
        difference = np.linalg.norm(pooled - expected)
        assert difference < limit * np.linalg.norm(expected)


def test_settings_are_given_back(root):
    """Threads and modes of the process are the caller's."""
    before = torch.get_num_threads()
    tiny(root, threads=before + 1, precision='bf16')
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled('cpu')


class FakeStream:
    """What the code asks of CUDA's streams, on a machine without a GPU."""

    def __init__(self, log):
        self.log = log

    def record_event(self):
        self.log.append('recorded')
        return self

    def synchronize(self):
        self.log.append('waited')


def test_only_the_result_waits_for_a_gpu(monkeypatch):
    log = []
    monkeypatch.setattr(torch.cuda, 'current_stream',
                        lambda device: FakeStream(log))
    monkeypatch.setattr(extractor_module, '_is_on_gpu', lambda value: True)
    monkeypatch.setattr(extractor_module, '_to_host',
                        lambda value: log.append('copied') or value.clone())
    pending = extractor_module.PendingFeatures(
        dict(joints=torch.rand(2, 17, 2), scores=torch.ones(2, 17)),
        dict(conv=torch.rand(2, 17, 3).half()), matrices(), None)
    assert log == ['copied'] * 3 + ['recorded']
    assert pending.result()[0].shape == (2, 17, 2)
    assert log[-1] == 'waited' and log.count('waited') == 1

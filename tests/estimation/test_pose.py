import numpy as np
import pytest
import torch

import hpnet_plugin  # noqa: F401
from hpnet_plugin.estimation.pose import build_pose_net
from hpnet_plugin.estimation.taps import TapError

TAP = 'hybridsequential0_relu4_fwd'


def crops(count, size=(192, 256), seed=0):
    rng = np.random.RandomState(seed)
    return rng.randint(0, 256, (count, size[1], size[0], 3)).astype(np.uint8)


@pytest.fixture(scope='module')
def config(root):
    return str(root / 'configs/pose/tiny_hrnet.py')


@pytest.fixture(scope='module')
def checkpoint(config, tmp_path_factory):
    """Random weights: these tests ask where numbers go, not which."""
    from mmengine import Config
    from mmpose.apis import init_model
    torch.manual_seed(0)
    model = init_model(Config.fromfile(config), device='cpu')
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, .1)
            module.running_var.uniform_(.5, 1.5)
    path = str(tmp_path_factory.mktemp('pose') / 'random.pth')
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


class TestOnnx:

    def test_taps_and_batches(self, shared):
        path = shared / 'data/simplepose/simplepose.onnx'
        taps = [TAP, 'hybridsequential0_relu2_fwd']
        net = build_pose_net(path, taps=taps)
        assert net.size == (192, 256) and net.num_joints == 17
        assert list(net.taps) == taps and set(net.taps.values()) == {128}
        images = crops(3)
        together = net(images)
        assert together.joints.shape == (3, 17, 2)
        assert together.scores.shape == (3, 17)
        assert together.maps[TAP].shape == (3, 128, 32, 24)
        assert together.maps[taps[1]].shape == (3, 128, 16, 12)
        for i in range(3):
            alone = net(images[i:i + 1])
            np.testing.assert_allclose(
                together.maps[TAP][i], alone.maps[TAP][0], atol=1e-4)

    def test_it_is_the_net_of_the_file(self, shared):
        """The same numbers as the untouched file gives, crop by crop."""
        import onnx
        import onnxruntime
        path = shared / 'data/simplepose/simplepose.onnx'
        graph = onnx.load(str(path))
        graph.graph.output.append(onnx.ValueInfoProto(name=TAP))
        session = onnxruntime.InferenceSession(graph.SerializeToString())
        image = crops(1)
        mean, std = np.array([.485, .456, .406]), np.array([.229, .224, .225])
        x = ((image / 255 - mean) / std).transpose(0, 3, 1, 2)
        heat, tapped = session.run(None, {'data': x.astype(np.float32)})
        output = build_pose_net(path, taps=[TAP])(image)
        np.testing.assert_allclose(output.maps[TAP], tapped, atol=2e-4)
        np.testing.assert_allclose(
            output.scores, heat.max((2, 3)), atol=1e-4)

    def test_wrong_tap_names_the_closest(self, shared):
        with pytest.raises(TapError, match=TAP):
            build_pose_net(
                shared / 'data/simplepose/simplepose.onnx',
                taps=['hybridsequential0_relu4'])

    def test_not_onnx(self, tmp_path):
        path = tmp_path / 'net.onnx'
        path.write_text('hello')
        with pytest.raises(ValueError, match='no ONNX file'):
            build_pose_net(path, taps=['x'])

    def test_simcc_with_a_fixed_batch_in_a_reshape(self, tmp_path):
        """A small SimCC graph whose batch of 1 stands in a Reshape."""
        path = tmp_path / 'simcc.onnx'

        class Net(torch.nn.Module):

            def __init__(self):
                super().__init__()
                self.stem = torch.nn.Conv2d(3, 17, 8, 8)
                self.x = torch.nn.Linear(8 * 6, 96)
                self.y = torch.nn.Linear(8 * 6, 128)

            def forward(self, image):
                maps = self.stem(image).reshape(1, 17, 48)
                return self.x(maps), self.y(maps)

        torch.manual_seed(0)
        model = Net()
        torch.onnx.export(
            model, (torch.zeros(1, 3, 64, 48), ), str(path), dynamo=False,
            output_names=['x', 'y'])
        import onnx
        conv = next(n for n in onnx.load(str(path)).graph.node
                    if n.op_type == 'Conv').output[0]
        net = build_pose_net(path, taps=[conv])
        assert net.size == (48, 64) and net.taps == {conv: 17}
        images = crops(4, net.size)
        output = net(images)
        assert output.joints.shape == (4, 17, 2)
        mean, std = (torch.tensor(v).view(3, 1, 1) * 255 for v in (
            [.485, .456, .406], [.229, .224, .225]))
        with torch.no_grad():
            for i in range(4):
                x = (torch.from_numpy(images[i]).permute(2, 0, 1) - mean) / std
                px, py = model(x[None])
                best = torch.stack((px.argmax(-1), py.argmax(-1)), -1) / 2
                np.testing.assert_allclose(output.joints[i], best[0])


class TestMMPose:

    TAPS = ('backbone.stage4.0.branches.1', 'backbone.stage4.0.branches.2')

    def test_taps_are_the_modules_outputs(self, config, checkpoint):
        net = build_pose_net(config, checkpoint, self.TAPS)
        assert list(net.taps) == list(self.TAPS)
        seen = {}
        module = net.model.get_submodule(self.TAPS[0])
        module.register_forward_hook(
            lambda m, i, o: seen.update(out=o.clone()))
        output = net(crops(2, net.size))
        torch.testing.assert_close(output.maps[self.TAPS[0]], seen['out'])
        assert output.joints.shape == (2, 17, 2)
        assert not output.maps[self.TAPS[0]].requires_grad

    def test_joints_are_mmposes(self, config, checkpoint):
        """The same joints as mmpose's own inference on the same box."""
        from mmengine import Config
        from mmpose.apis import inference_topdown, init_model

        from hpnet_plugin.estimation.extractor import PooledExtractor
        settings = Config.fromfile(config)
        settings.model.test_cfg = dict(flip_test=False)
        model = init_model(settings, checkpoint, device='cpu')
        frame = crops(1, (320, 240))[0]
        import cv2
        frame = cv2.GaussianBlur(frame, (31, 31), 0)
        box = np.array([[40, 30, 130, 220.]])
        # mmpose takes what OpenCV reads, BGR
        stock = inference_topdown(
            model, np.ascontiguousarray(frame[..., ::-1]), box)[0]
        extractor = PooledExtractor(
            build_pose_net(config, checkpoint, self.TAPS[:1]))
        crop, matrix = extractor.crop(frame, box[0])
        joints, scores, pooled = extractor(crop[None], matrix[None])
        np.testing.assert_allclose(
            joints[0], stock.pred_instances.keypoints[0], atol=0.1)
        np.testing.assert_allclose(
            scores[0], stock.pred_instances.keypoint_scores[0], atol=1e-3)
        channels = extractor.net.taps[self.TAPS[0]]
        assert pooled[self.TAPS[0]].shape == (1, 17, channels)
        assert pooled[self.TAPS[0]].dtype == np.float16

    def test_crop_statistics_are_those_of_one_crop(self, config, checkpoint):
        """norm='crop' equals train mode, crop by crop, in any batch."""
        net = build_pose_net(config, checkpoint, self.TAPS[:1], norm='crop')
        train = build_pose_net(config, checkpoint, self.TAPS[:1])
        train.model.train()
        images = crops(3, net.size)
        together = net(images).maps[self.TAPS[0]]
        for i in range(3):
            alone = train(images[i:i + 1]).maps[self.TAPS[0]]
            torch.testing.assert_close(
                together[i:i + 1], alone, rtol=1e-3, atol=1e-3)
        evaluated = build_pose_net(config, checkpoint, self.TAPS[:1])(images)
        assert not torch.allclose(
            together, evaluated.maps[self.TAPS[0]], atol=1e-2)

    @pytest.mark.parametrize('tap, message', [
        ('backbone.stage4.0.branch.1', 'closest: .*backbone.stage4.0'),
        ('backbone.stage4', 'name a module inside'),
    ])
    def test_wrong_taps(self, config, checkpoint, tap, message):
        with pytest.raises(TapError, match=message):
            build_pose_net(config, checkpoint, [tap])

    def test_wrong_weights(self, config, checkpoint, tmp_path):
        with pytest.raises(FileNotFoundError, match='no such checkpoint'):
            build_pose_net(config, tmp_path / 'none.pth', self.TAPS)
        state = torch.load(checkpoint)['state_dict']
        state.pop('backbone.conv1.weight')
        torch.save(state, tmp_path / 'less.pth')
        with pytest.raises(ValueError, match='backbone.conv1.weight'):
            build_pose_net(config, tmp_path / 'less.pth', self.TAPS)

    @pytest.mark.parametrize('name, tap, shape', [
        ('hrnet-w48_simcc_coco-256x192', TAPS[0], (96, 32, 24)),
        ('hrnet-w48_coco-256x192', 'backbone.stage4.2.relu', (48, 64, 48)),
        ('rtmpose-m_body8-256x192', 'backbone.stage3', (384, 16, 12)),
    ])
    def test_ready_configs(self, root, tmp_path, name, tap, shape):
        from mmengine import Config
        from mmpose.apis import init_model
        config = str(root / f'configs/pose/{name}.py')
        model = init_model(Config.fromfile(config), device='cpu')
        torch.save(model.state_dict(), tmp_path / 'random.pth')
        net = build_pose_net(config, tmp_path / 'random.pth', [tap])
        assert net(crops(1)).maps[tap].shape == (1, *shape)


def test_missing_and_mismatched_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such pose net'):
        build_pose_net(tmp_path / 'none.py', taps=['x'])
    with pytest.raises(ValueError, match='norm must be one of'):
        build_pose_net(tmp_path / 'none.py', taps=['x'], norm='batch')

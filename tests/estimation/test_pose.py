import pathlib
import pickle

import numpy as np
import pytest
import torch

import hpnet_plugin  # noqa: F401
from hpnet_plugin.estimation import export
from hpnet_plugin.estimation.devices import device_of
from hpnet_plugin.estimation.pose import build_pose_net, list_taps
from hpnet_plugin.estimation.taps import TapError

# of RGB, times 255: what torchvision's nets are trained with
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
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


def test_missing_and_mismatched_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such pose net'):
        build_pose_net(tmp_path / 'none.py', taps=['x'])
    with pytest.raises(ValueError, match='norm must be one of'):
        build_pose_net(tmp_path / 'none.py', taps=['x'], norm='batch')


def bits(output):
    return [output.joints, output.scores,
            *(value.numpy() for value in output.maps.values())]


class TestSameBits:
    """What a crop's result depends on, as the module's text has it."""

    @pytest.fixture(params=['simplepose', 'torch', 'onnxruntime'])
    def build(self, request, config, checkpoint, monkeypatch,
              tmp_path_factory):
        monkeypatch.setenv('XDG_CACHE_HOME', str(
            tmp_path_factory.getbasetemp() / 'cache'))
        if request.param == 'simplepose':
            shared = request.getfixturevalue('shared')
            path = shared / 'data/simplepose/simplepose.onnx'
            return lambda threads: build_pose_net(
                path, taps=[TAP], threads=threads), 1
        # a lone crop in torch is rounded otherwise
        return lambda threads: build_pose_net(
            config, checkpoint, TestMMPose.TAPS, backend=request.param,
            threads=threads), 2 if request.param == 'torch' else 1

    def test_any_threads_place_and_batch(self, build):
        build, least = build
        net = build(1)
        images = crops(32, net.size)
        whole = bits(net(images))
        for a, b in zip(whole, bits(build(2)(images))):
            np.testing.assert_array_equal(a, b)
        backwards = bits(net(images[::-1]))
        for a, b in zip(whole, backwards):
            np.testing.assert_array_equal(a, b[::-1])
        for size in {least, 3, 8, 16}:
            for start in (0, 32 - size):
                part = bits(net(images[start:start + size]))
                for a, b in zip(whole, part):
                    np.testing.assert_array_equal(a[start:start + size], b)

    def test_a_lone_crop_is_nearly_the_same(self, config, checkpoint):
        net = build_pose_net(config, checkpoint, TestMMPose.TAPS)
        images = crops(2, net.size)
        for a, b in zip(bits(net(images)), bits(net(images[:1]))):
            np.testing.assert_allclose(a[:1], b, rtol=0, atol=2e-5)


class TestNormalisation:
    """By planes and rows, with the bits of the formula a pixel."""

    def test_onnx(self, shared):
        net = build_pose_net(
            shared / 'data/simplepose/simplepose.onnx', taps=[TAP])
        images = crops(3)
        scale = 1 / np.array(IMAGENET_STD, np.float32)
        shift = -np.array(IMAGENET_MEAN, np.float32) * scale
        expected = (images * scale + shift).transpose(0, 3, 1, 2)
        seen = {}
        session = net.session
        net.session = lambda names, x: (seen.update(x=x), session(names, x))[1]
        net.session.dtype = session.dtype
        net(images)
        np.testing.assert_array_equal(seen['x'], expected)

    @pytest.mark.parametrize('to_rgb', [True, False])
    def test_mmpose(self, config, checkpoint, to_rgb):
        net = build_pose_net(config, checkpoint)
        net.to_rgb = to_rgb
        images = crops(3, net.size)
        x = torch.from_numpy(images).flip(-1) if not to_rgb else \
            torch.from_numpy(images)
        expected = ((x.float() - torch.tensor(IMAGENET_MEAN)) /
                    torch.tensor(IMAGENET_STD)).permute(0, 3, 1, 2)
        seen = {}
        net.model.backbone.register_forward_pre_hook(
            lambda module, args: seen.update(x=args[0].clone()))
        net(images)
        assert torch.equal(seen['x'], expected)


class TestExported:
    """mmpose nets in onnxruntime."""

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
        return tmp_path / 'cache/hpnet_plugin/onnx'

    @pytest.mark.parametrize('norm', ['eval', 'crop'])
    def test_maps_are_those_of_torch(self, config, checkpoint, norm):
        plain, exported = (build_pose_net(
            config, checkpoint, TestMMPose.TAPS, norm=norm, backend=backend)
            for backend in ('torch', 'onnxruntime'))
        for count in (1, 5):
            images = crops(count, plain.size, count)
            a, b = plain(images), exported(images)
            for tap in TestMMPose.TAPS:
                largest = a.maps[tap].abs().max().item()
                torch.testing.assert_close(
                    a.maps[tap], b.maps[tap], rtol=0, atol=1e-4 * largest)
            np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
        assert 'backend' not in plain.record
        assert exported.record == dict(plain.record, backend='onnxruntime')
        assert exported.taps == plain.taps

    def test_once(self, config, checkpoint, cache, monkeypatch):
        args = (config, checkpoint, TestMMPose.TAPS)
        images = crops(2, (96, 128))
        first = bits(build_pose_net(*args, backend='onnxruntime')(images))
        made = export.to_onnx
        calls = []
        monkeypatch.setattr(export, 'to_onnx', lambda *a: (
            calls.append(1), made(*a))[1])
        again = bits(build_pose_net(*args, backend='onnxruntime')(images))
        assert not calls and len(list(cache.iterdir())) == 1
        for a, b in zip(first, again):
            np.testing.assert_array_equal(a, b)
        # other taps and another norm are other graphs
        build_pose_net(*args[:2], TestMMPose.TAPS[:1], backend='onnxruntime')
        build_pose_net(*args, norm='crop', backend='onnxruntime')
        assert len(calls) == 2 and len(list(cache.iterdir())) == 3
        # what was broken meanwhile is made anew
        for file in cache.iterdir():
            file.write_bytes(file.read_bytes()[:1000])
        build_pose_net(*args, backend='onnxruntime')
        assert len(calls) == 3

    def test_cannot_be_exported(self, config, checkpoint, monkeypatch):

        def fail(*args, **kwargs):
            raise RuntimeError('no symbol for aten::foo')

        monkeypatch.setattr(torch.onnx, 'export', fail)
        with pytest.raises(ValueError, match='aten::foo.*leave out'):
            build_pose_net(config, checkpoint, TestMMPose.TAPS,
                           backend='onnxruntime')

    def test_another_result_is_refused(self, config, checkpoint, monkeypatch):
        monkeypatch.setattr(export, '_difference', lambda *args: 0.01)
        with pytest.raises(ValueError, match='computes something else'):
            build_pose_net(config, checkpoint, TestMMPose.TAPS,
                           backend='onnxruntime')

    def test_nowhere_to_keep_it(self, config, checkpoint, cache):
        cache.parent.parent.write_text('a file where the folder should be')
        with pytest.warns(UserWarning, match='XDG_CACHE_HOME'):
            net = build_pose_net(config, checkpoint, TestMMPose.TAPS,
                                 backend='onnxruntime')
        assert net(crops(1, net.size)).joints.shape == (1, 17, 2)


@pytest.mark.parametrize('precision, limit', [('bf16', .05), ('fp16', .01)])
def test_precision(config, checkpoint, precision, limit):
    """Autocast changes the maps by what its mantissa says, and is noted."""
    plain, rounded = (build_pose_net(
        config, checkpoint, TestMMPose.TAPS, precision=p)
        for p in ('fp32', precision))
    assert 'precision' not in plain.record
    assert rounded.record['precision'] == precision
    images = crops(4, plain.size)
    a, b = plain(images), rounded(images)
    for tap in TestMMPose.TAPS:
        x, y = a.maps[tap], b.maps[tap].float()
        assert 0 < (x - y).norm() / x.norm() < limit
    assert b.joints.dtype == b.scores.dtype == np.float32


class TestListTaps:

    def test_mmpose(self, config, checkpoint):
        found = list_taps(config)
        assert found == list_taps(config, checkpoint)
        assert found['backbone.stage4.0.branches.1'] == (32, 16, 12)
        assert found['head.final_layer'] == (17, 32, 24)
        net = build_pose_net(config, checkpoint, list(found))
        assert net.taps == {name: shape[0] for name, shape in found.items()}

    def test_onnx(self, shared):
        path = shared / 'data/simplepose/simplepose.onnx'
        found = list_taps(path)
        assert found[TAP] == (128, 32, 24)
        # a convolution whose batch norm MXNet exported in its own way
        assert found['mobilenetv20_features_conv0_fwd'] == (16, 128, 96)
        assert list(found)[:2] == ['mobilenetv20_features_conv0_fwd',
                                   'mobilenetv20_features_'
                                   'batchnormcudnnoff0_fwd']
        some = list(found)[::7]
        net = build_pose_net(path, taps=some)
        assert net.taps == {name: found[name][0] for name in some}


class TestWhatIsWrong:
    """Each message names the thing, what was found and what to do."""

    @pytest.mark.parametrize('options, message', [
        (dict(device='gpu'), "device 'gpu' is unknown: say 'cpu'"),
        (dict(device='cuda'), 'finds no GPU'),
        (dict(device='mps'), 'is unknown'),
        (dict(backend='tensorrt'), 'backend must be one of'),
        (dict(precision='int8'), 'precision must be one of'),
        (dict(threads=0), 'threads must be 1 or more'),
        (dict(backend='onnxruntime', precision='fp16'), 'net in torch'),
    ])
    def test_options(self, config, checkpoint, options, message,
                     monkeypatch):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        with pytest.raises(ValueError, match=message):
            build_pose_net(config, checkpoint, TestMMPose.TAPS, **options)

    def test_no_such_gpu(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
        assert device_of('cuda') == torch.device('cuda', 0)
        assert device_of('cuda:1') == torch.device('cuda', 1)
        with pytest.raises(ValueError, match="finds 2 GPUs .*'cuda:1'"):
            device_of('cuda:2')

    @pytest.mark.parametrize('content', [
        b'hello', b'', pickle.dumps(print), pickle.dumps([1, 2])])
    def test_wrong_file_as_checkpoint(self, config, tmp_path, content):
        path = tmp_path / 'net.pth'
        path.write_bytes(content)
        with pytest.raises(ValueError, match='is no checkpoint') as error:
            build_pose_net(config, path, TestMMPose.TAPS)
        assert 'weights_only' not in str(error.value)

    @pytest.mark.parametrize('content', [
        torch.zeros(3), dict(state_dict=[1]), dict(a=1),
        dict(state_dict={'a': torch.zeros(1)})])
    def test_other_things_that_torch_saves(self, config, tmp_path, content):
        torch.save(content, tmp_path / 'net.pth')
        with pytest.raises(ValueError, match='checkpoint'):
            build_pose_net(config, tmp_path / 'net.pth', TestMMPose.TAPS)

    def test_a_class_in_a_checkpoint(self, config, tmp_path):
        torch.save(dict(a=pathlib.PurePosixPath('x')), tmp_path / 'net.pth')
        with pytest.raises(ValueError, match='never code'):
            build_pose_net(config, tmp_path / 'net.pth', TestMMPose.TAPS)

    @pytest.mark.parametrize('text, message', [
        ("model = dict(type='RTMDet')", 'describes RTMDet; only top-down'),
        ("model = dict(type='mmdet.RTMDet')", 'describes mmdet.RTMDet'),
        ('x = 1', 'describes no model at all'),
        ('model = (', 'cannot be read as a config: SyntaxError'),
        ("model = dict(type='TopdownPoseEstimator')", 'mmpose can build'),
    ])
    def test_another_config(self, tmp_path, text, message):
        path = tmp_path / 'net.py'
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            build_pose_net(path, 'x.pth', ['a'])

    def test_yaml_is_not_loaded(self, tmp_path):
        """mmengine would run what a YAML file says."""
        path, proof = tmp_path / 'net.yaml', tmp_path / 'proof'
        path.write_text(f"!!python/object/apply:os.mkdir ['{proof}']")
        with pytest.raises(ValueError, match='is no pose net'):
            build_pose_net(path, 'x.pth', ['a'])
        assert not proof.exists()

    def test_tap_that_is_like_nothing(self, shared, config, checkpoint):
        with pytest.raises(TapError, match='the closest: .* "hpnet taps'):
            build_pose_net(shared / 'data/simplepose/simplepose.onnx',
                           taps=['ZZZ'])
        with pytest.raises(TapError, match='the closest: .*head.final'):
            build_pose_net(config, checkpoint, ['ZZZ'])


class TestOtherFiles:
    """ONNX nets whose weights are in files beside them (S8)."""

    @pytest.fixture
    def net(self, shared, tmp_path):
        import onnx
        folder = tmp_path / 'net'
        folder.mkdir()
        path = folder / 'net.onnx'
        graph = onnx.load(str(shared / 'data/simplepose/simplepose.onnx'))
        for tensor in graph.graph.initializer:  # only bytes can be moved out
            tensor.CopyFrom(onnx.numpy_helper.from_array(
                onnx.numpy_helper.to_array(tensor), tensor.name))
        onnx.save(graph, str(path), save_as_external_data=True,
                  location='weights')
        return path

    def test_beside_it(self, net, shared):
        one, more = (build_pose_net(path, taps=[TAP]) for path in (
            shared / 'data/simplepose/simplepose.onnx', net))
        for a, b in zip(bits(one(crops(1))), bits(more(crops(1)))):
            np.testing.assert_array_equal(a, b)
        sha256 = more.record['sha256']
        weights = net.with_name('weights')
        weights.write_bytes(weights.read_bytes() + b'x')
        assert build_pose_net(net, taps=[TAP]).record['sha256'] != sha256

    def test_by_a_link(self, net, tmp_path):
        weights = net.with_name('weights')
        weights.rename(tmp_path / 'secret')
        with pytest.raises(ValueError, match="'weights', which is not beside"):
            build_pose_net(net, taps=[TAP])
        weights.symlink_to(tmp_path / 'secret')
        with pytest.raises(ValueError, match="'weights', which is a link"):
            build_pose_net(net, taps=[TAP])

    @pytest.mark.parametrize('place', ['../secret', '/etc/passwd'])
    def test_outside(self, net, place):
        import onnx
        graph = onnx.load(str(net), load_external_data=False)
        for tensor in graph.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == 'location':
                    entry.value = place
        net.write_bytes(graph.SerializeToString())
        with pytest.raises(ValueError, match='outside of its folder'):
            build_pose_net(net, taps=[TAP])


def test_damaged_onnx_is_the_files_fault(shared, tmp_path):
    """Whatever a changed byte does, the message is ours (S6)."""
    data = (shared / 'data/simplepose/simplepose.onnx').read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / 'net.onnx'
    for _ in range(12):
        changed = bytearray(data)
        changed[rng.integers(0, 300)] ^= 1 << rng.integers(0, 8)
        path.write_bytes(changed)
        try:
            build_pose_net(path, taps=[TAP])
        except ValueError as error:
            assert str(path) in str(error) or 'tap' in str(error)

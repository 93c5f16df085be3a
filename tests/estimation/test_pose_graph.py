"""Pose net, decoding and pooling in one ONNX graph, and who runs it."""
import json
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from torch import nn

from hpnet_plugin.estimation import zoo
from hpnet_plugin.estimation.extractor import PooledExtractor, build_extractor
from hpnet_plugin.estimation.onnx_extractor import OnnxExtractor
from hpnet_plugin.estimation.onnx_graphs import tapped_graph
from hpnet_plugin.estimation.pose_graph import export_extractor
from hpnet_plugin.onnx_export import ExportError, to_onnx

ABSENT = ('torch', 'mmaction', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'onnx')


def crops(count, size):
    rng = np.random.RandomState(count)
    return rng.randint(0, 256, (count, size[1], size[0], 3)).astype(np.uint8)


def exported(extractor, folder):
    graph, worst = export_extractor(extractor)
    assert worst < 1e-5
    path = folder / 'pose.onnx'
    path.write_bytes(graph)
    return OnnxExtractor(str(path))


def agree(extractor, graph, count):
    """The same joints; features of the same bits, or the next number."""
    images = crops(count, extractor.net.size)
    matrices = np.tile(np.float32([[.5, 0, 5], [0, .5, 7]]), (count, 1, 1))
    expected, found = extractor(images, matrices), graph(images, matrices)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)
    assert list(found[2]) == list(expected[2])
    for tap, value in found[2].items():
        assert value.dtype == np.float16
        away = np.abs(value.view(np.int16).astype(int)
                      - expected[2][tap].view(np.int16))
        assert away.max() <= 1 and (away == 0).mean() > .99


@pytest.fixture(scope='module')
def tiny():
    _, config, checkpoint, taps, _ = zoo.choose_pose('tiny')
    return build_extractor(
        config, checkpoint,
        [*taps, taps[0] + '@3', taps[0] + '@beyond', 'rgb'], region=5,
        grid='corners', aspect='frame')


def test_of_mmpose(tiny, tmp_path):
    graph = exported(tiny, tmp_path)
    assert graph.taps == tiny.taps
    for name in ('size', 'udp', 'layout', 'num_joints'):
        assert getattr(graph.net, name) == getattr(tiny.net, name)
    assert {**graph.record, 'pose': 0} == {**tiny.record, 'pose': 0}
    for count in (1, 5):
        agree(tiny, graph, count)
    frame = crops(1, (160, 90))[0]
    for one, other in zip(graph.crop(frame, (20, 10, 60, 80)),
                          tiny.crop(frame, (20, 10, 60, 80))):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match='joints of others'):
        graph.submit(crops(1, tiny.net.size), np.eye(2, 3)[None],
                     np.zeros((1, 17, 2)))


class Net(nn.Module):
    """A heatmap net, or one of SimCC's two vectors."""

    def __init__(self, simcc):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5, 4, 2)
        self.head = nn.Conv2d(8, 5, 1)
        self.simcc = simcc

    def forward(self, images):
        maps = self.head(torch.relu(self.conv(images)))
        return (maps.mean(2), maps.mean(3)) if self.simcc else maps


@pytest.mark.parametrize('simcc, extras', [(False, ['rgb']), (False, []),
                                           (True, ['coordinates'])])
def test_of_a_file(tmp_path, simcc, extras):
    """An ONNX pose net of an older opset, between its two new ends."""
    torch.manual_seed(0)
    path = tmp_path / 'net.onnx'
    outputs = ('x', 'y') if simcc else ('heatmaps', )
    path.write_bytes(to_onnx(
        Net(simcc).eval(), [torch.randn(2, 3, 64, 48)],
        dict(images={0: 'n'}), dict.fromkeys(outputs, {0: 'n'}), 11))
    tap = next(node.output[0] for node in tapped_graph(path, ())[0].graph.node
               if node.op_type == 'Relu')
    extractor = build_extractor(path, taps=[tap, *extras])
    graph = exported(extractor, tmp_path)
    for count in (1, 3):
        agree(extractor, graph, count)
    assert graph.record['pose']['onnx'] == 'net.onnx'


def test_of_an_image_net_beside_it(tmp_path):
    """Its resizing, layers and pooling are part of the graph."""
    torch.manual_seed(0)
    path, weights = tmp_path / 'net.onnx', tmp_path / 'vit.pth'
    path.write_bytes(to_onnx(
        Net(False).eval(), [torch.randn(2, 3, 64, 48)],
        dict(images={0: 'n'}), dict(heatmaps={0: 'n'}), 17))
    torch.save(timm.create_model('test_vit').state_dict(), weights)
    tap = next(node.output[0] for node in tapped_graph(path, ())[0].graph.node
               if node.op_type == 'Relu')
    other = f'timm/test_vit={weights}:blocks.1'
    extractor = build_extractor(path, taps=[tap, other])
    graph = exported(extractor, tmp_path)
    assert list(graph.taps) == [tap, 'timm/test_vit=vit.pth:blocks.1']
    images, where = crops(3, (48, 64)), np.tile(np.eye(2, 3), (3, 1, 1))
    expected, found = extractor(images, where), graph(images, where)
    for name, value in found[2].items():
        np.testing.assert_allclose(value, expected[2][name], atol=2e-3)
    with pytest.raises(ExportError, match="@ring' needs the person's box"):
        export_extractor(build_extractor(path, taps=[f'{tap}@ring']))


def test_what_cannot_be(tiny, tmp_path, monkeypatch):
    heat = PooledExtractor(tiny.net, extras=['heatmap'])
    with pytest.raises(ExportError, match="'heatmap' is no part"):
        export_extractor(heat)
    monkeypatch.setattr(tiny.net.model.head.decoder, 'unbiased', True)
    with pytest.raises(ExportError, match='MSRAHeatmap.*outside'):
        export_extractor(tiny)
    with pytest.raises(FileNotFoundError, match='hpnet export'):
        OnnxExtractor(str(tmp_path / 'none.onnx'))
    path = tmp_path / 'other.onnx'
    path.write_bytes(to_onnx(Net(False), [torch.randn(2, 3, 64, 48)],
                             dict(images={}), dict(maps={})))
    with pytest.raises(ValueError, match='no pose net of hpnet export'):
        OnnxExtractor(str(path))


def test_a_wrong_graph_is_refused(tiny, monkeypatch):
    """A graph whose features are those of another region."""
    from hpnet_plugin.estimation import pose_graph
    made = pose_graph.to_onnx

    def wrong(module, *args):
        kept = tiny.features
        tiny.features = {tap: (name, 1) for tap, (name, _) in kept.items()}
        try:
            return made(module, *args)
        finally:
            tiny.features = kept

    monkeypatch.setattr(pose_graph, 'to_onnx', wrong)
    with pytest.raises(ExportError, match='computes something else'):
        export_extractor(tiny)


def test_extraction_without_torch(tiny, tmp_path):
    """Frames to arrays: detector, tracking, crops, pose and pooling."""
    exported(tiny, tmp_path)
    rng = np.random.RandomState(0)
    frames = rng.randint(0, 256, (6, 120, 160, 3)).astype(np.uint8)
    np.save(tmp_path / 'frames.npy', frames)
    boxes = [[[20 + t, 10, 80 + t, 110, 1.]] for t in range(6)]
    (tmp_path / 'clip_boxes.json').write_text(json.dumps(boxes))
    code = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None
import numpy as np
import hpnet_plugin.estimation.video
from hpnet_plugin.estimation.assembly import ClipAssembler
from hpnet_plugin.estimation.detectors import build_detector
from hpnet_plugin.estimation.onnx_extractor import OnnxExtractor
from hpnet_plugin.estimation.video import FrameChunk
folder = {str(tmp_path)!r}
frames = np.load(folder + '/frames.npy')
build_detector('hog').people([frames[0]], 'clip', [0])
assemble = ClipAssembler(build_detector(f'boxes:{{folder}}/clip_boxes.json'),
                         OnnxExtractor(folder + '/pose.onnx'))
chunk = FrameChunk(range(6), [t / 5 for t in range(6)], list(frames))
np.savez(folder + '/found.npz', **assemble('clip', [chunk]).arrays)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True)
    assert not done.returncode, done.stderr
    from hpnet_plugin.estimation.assembly import ClipAssembler
    from hpnet_plugin.estimation.detectors import build_detector
    from hpnet_plugin.estimation.video import FrameChunk
    expected = ClipAssembler(
        build_detector(f'boxes:{tmp_path}/clip_boxes.json'), tiny)(
            'clip', [FrameChunk(range(6), [t / 5 for t in range(6)],
                                list(frames))]).arrays
    found = np.load(tmp_path / 'found.npz')
    assert set(found.files) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key].astype(np.float32),
                                   value.astype(np.float32), rtol=2e-3,
                                   atol=1e-4)

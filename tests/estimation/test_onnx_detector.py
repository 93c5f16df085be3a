"""YOLOX and RTMDet in ONNX files, made here with known outputs."""
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hpnet_plugin.estimation.detectors import build_detector
from hpnet_plugin.estimation.onnx_detector import OnnxDetector

CELLS = 8 * 12 + 4 * 6 + 2 * 3  # of 64 x 96 at strides 8, 16, 32


def save(path, nodes, outputs, constants, size=(64, 96), batch=1):
    graph = helper.make_graph(
        nodes, 'net',
        [helper.make_tensor_value_info('input', TensorProto.FLOAT,
                                       (batch, 3, *size))],
        [helper.make_tensor_value_info(name, kind, None)
         for name, kind in outputs],
        [numpy_helper.from_array(value, name)
         for name, value in constants.items()])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    onnx.save(model, str(path))
    return str(path)


def end2end(path, dets, labels=None, **options):
    """mmdeploy's outputs. Scores are multiplied by 1 + 0 * input."""
    constants = dict(dets0=np.array([dets], np.float32),
                     zero=np.zeros(1, np.float32))
    nodes = [
        helper.make_node('ReduceMean', ['input'], ['mean'], keepdims=0),
        helper.make_node('Mul', ['mean', 'zero'], ['nothing']),
        helper.make_node('Add', ['dets0', 'nothing'], ['dets'])]
    outputs = [('dets', TensorProto.FLOAT)]
    if labels is not None:
        constants['labels0'] = np.array([labels], np.int64)
        nodes.append(helper.make_node('Identity', ['labels0'], ['labels']))
        outputs.append(('labels', TensorProto.INT64))
    return save(path, nodes, outputs, constants, **options)


def boxes_of(detector, *frames):
    found = detector.people(list(frames), 'a', list(range(len(frames))))
    return [people.boxes for people in found]


def grey(height, width):
    return np.full((height, width, 3), 100, np.uint8)


@pytest.mark.parametrize('batch', [1, 'batch'])
def test_dets_and_labels(tmp_path, batch):
    """Persons from the threshold on, in pixels of the frame, inside it."""
    path = end2end(tmp_path / 'rtmdet_m.onnx',
                   [[8, 16, 24, 48, .4], [0, 0, 9, 9, .9],
                    [50, 10, 99, 70, .8], [8, 16, 24, 48, .29],
                    [5, 5, 5, 5, .9]], [0, 1, 0, 0, 0], batch=batch)
    detector = build_detector(path)
    # 128 x 128 becomes 64 x 64: half the size, the rest is grey
    large, wide = boxes_of(detector, grey(128, 128), grey(32, 96))
    np.testing.assert_allclose(large, [[100, 20, 128, 128, .8],
                                       [16, 32, 48, 96, .4]])
    np.testing.assert_allclose(wide, [[50, 10, 96, 32, .8],
                                      [8, 16, 24, 32, .4]])
    assert large.dtype == np.float32
    assert detector.name == 'rtmdet_m' and len(detector.sha256) == 64
    strict, = boxes_of(build_detector(path, score_thr=.5), grey(32, 96))
    assert len(strict) == 1


def test_dets_alone_are_persons(tmp_path):
    path = end2end(tmp_path / 'yolox.onnx', [[8, 16, 24, 48, .4]])
    assert len(boxes_of(build_detector(path), grey(64, 96))[0]) == 1


def test_yolox_as_it_is(tmp_path):
    """Cells of three strides, an overlapping worse box, another class."""
    raw = np.zeros((1, CELLS, 7), np.float32)
    # stride 8, column 5, row 2; centre (44, 20), 16 x 24
    raw[0, 2 * 12 + 5] = .5, .5, np.log(2), np.log(3), .9, .8, .1
    raw[0, 2 * 12 + 6] = -.4, .5, np.log(2), np.log(3), .8, .8, .1
    # stride 32, column 1, row 1; centre (40, 48), 32 x 32; a cat, 0.1 person
    raw[0, 96 + 24 + 4] = .25, .5, 0, 0, .9, .1, .9
    # stride 16, column 0, row 3: centre (8, 56), 16 x 16
    raw[0, 96 + 18] = .5, .5, 0, 0, .6, .6, 0
    path = save(
        tmp_path / 'yolox.onnx',
        [helper.make_node('ReduceMean', ['input'], ['mean'], keepdims=0),
         helper.make_node('Mul', ['mean', 'zero'], ['nothing']),
         helper.make_node('Add', ['raw', 'nothing'], ['output'])],
        [('output', TensorProto.FLOAT)],
        dict(raw=raw, zero=np.zeros(1, np.float32)))
    found, = boxes_of(build_detector(path), grey(64, 96))
    np.testing.assert_allclose(found, [[36, 8, 52, 32, .72],
                                       [0, 48, 16, 64, .36]], rtol=1e-5)


@pytest.mark.parametrize('kind, expected', [
    ('yolox', (30, 20, 10)),
    ('rtmdet', ((30 - 103.53) / 57.375, (20 - 116.28) / 57.12,
                (10 - 123.675) / 58.395))])
def test_what_the_net_gets(tmp_path, kind, expected):
    """BGR, normalised as the net was trained, padded by 114."""
    nodes = [  # the image itself, as boxes that tell pixels
        helper.make_node('Slice', ['input', 'from', 'to', 'axes'], ['column']),
        helper.make_node('Transpose', ['column'], ['pixels'],
                         perm=[0, 2, 3, 1]),
        helper.make_node('Reshape', ['pixels', 'shape'], ['colours']),
        helper.make_node('Concat', ['colours', 'rest'], ['dets'], axis=2)]
    path = save(tmp_path / 'net.onnx', nodes, [('dets', TensorProto.FLOAT)],
                dict({'from': np.array([0]), 'to': np.array([1])},
                     axes=np.array([3]), shape=np.array([1, 64, 3]),
                     rest=np.ones((1, 64, 2), np.float32)))
    detector = build_detector(f'{kind}:{path}')
    image, zoom = detector._letterbox(np.full((16, 48, 3), (10, 20, 30),
                                              np.uint8))
    seen, = detector.session.run(None, {'input': image})
    assert zoom == 2
    np.testing.assert_allclose(seen[0, :32, :3], [expected] * 32, rtol=1e-5)
    rest = (114 - np.array(expected) * 0)[:3] if kind == 'yolox' else [
        (114 - 103.53) / 57.375, (114 - 116.28) / 57.12,
        (114 - 123.675) / 58.395]
    np.testing.assert_allclose(seen[0, 32:, :3], [rest] * 32, rtol=1e-4)


def test_which_net_it_is(tmp_path):
    """By the names of weights, else of file or folder, else it is asked."""
    dets = [[8, 16, 24, 48, .4]]
    path = end2end(tmp_path / 'end2end.onnx', dets)
    with pytest.raises(ValueError, match=f'write yolox:{path} or rtmdet:'):
        build_detector(path)
    assert build_detector(f'rtmdet:{path}').kind == 'rtmdet'
    (tmp_path / 'yolox_m').mkdir()
    named = OnnxDetector(end2end(tmp_path / 'yolox_m/end2end.onnx', dets))
    assert (named.kind, named.name) == ('yolox', 'yolox_m')
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(
        np.zeros(1, np.float32), 'bbox_head.rtm_cls.0.weight'))
    onnx.save(model, str(tmp_path / 'yolox_m/other.onnx'))
    assert OnnxDetector(str(tmp_path / 'yolox_m/other.onnx')).kind == 'rtmdet'


def test_what_is_no_detector(tmp_path, shared):
    with pytest.raises(FileNotFoundError, match='absent.onnx'):
        build_detector(str(tmp_path / 'absent.onnx'))
    (tmp_path / 'yolox.onnx').write_bytes(b'text')
    with pytest.raises(ValueError, match='no ONNX file that can be run'):
        build_detector(str(tmp_path / 'yolox.onnx'))
    with pytest.raises(ValueError, match='neither dets'):
        build_detector(f'yolox:{shared}/data/simplepose/simplepose.onnx')
    path = end2end(tmp_path / 'rtmdet.onnx', [[8, 16, 24, 48, .4]])
    with pytest.raises(ValueError, match='weights.pth'):
        build_detector(path, 'weights.pth')

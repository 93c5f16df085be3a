"""PooledHeatmapExtraction gives what the assembler gives, for every source.

The extraction tool calls the assembler with the frames of a video, the
transform with those of a results dict: the same arrays must come out.
"""
import json
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from mmaction.registry import TRANSFORMS
from onnx import TensorProto, helper, numpy_helper

from hpnet_plugin.demo import people
from hpnet_plugin.estimation.assembly import ClipAssembler, NoPersonError
from hpnet_plugin.estimation.detectors import build_detector
from hpnet_plugin.estimation.given_joints import ClipJoints, JointsSource

TAP = 'backbone.stage4.0.branches.1'
SECOND = 'backbone.stage4.0.branches.2'


class Chunk(NamedTuple):
    numbers: list
    times: list
    images: list


@pytest.fixture(scope='module')
def clip():
    return people.make_clip(4, 1, length=11)


@pytest.fixture(scope='module')
def build(root):
    """A transform with the tiny net; one net serves them all."""
    first = []

    def build(**options):
        transform = TRANSFORMS.build(dict(
            type='PooledHeatmapExtraction',
            pose=str(root / 'configs/pose/tiny_hrnet.py'),
            checkpoint=str(root / 'hpnet_plugin/estimation/tiny_pose.pth'),
            taps=[TAP, SECOND], batch=8, **options))
        if first:
            transform._extractor = first[0].extractor
        first.append(transform)
        return transform

    return build


def tool(source, transform, clip, **options):
    """What the extraction stores, read as a reader joins it."""
    frames = list(clip.frames)
    chunks = [Chunk(list(range(start, start + len(frames[start:start + 4]))),
                    [0.] * 4, frames[start:start + 4])
              for start in range(0, len(frames), 4)]
    arrays = ClipAssembler(source, transform.extractor, batch=8,
                           **options)('a', chunks).arrays
    return dict(
        keypoint=arrays['keypoint'], keypoint_score=arrays['keypoint_score'],
        pooled_feat=np.concatenate([arrays[TAP], arrays[SECOND]], -1))


def same(results, expected):
    for key, value in expected.items():
        assert results[key].dtype == value.dtype
        np.testing.assert_array_equal(results[key], value)


def boxes_file(clip, tmp_path):
    rows = [[[*box, .5 + .1 * p] for p, box in enumerate(frame)]
            for frame in clip.boxes.transpose(1, 0, 2).tolist()]
    rows[4] = rows[4][:1]
    (tmp_path / 'a.json').write_text(json.dumps(rows))
    return f'boxes:{tmp_path / "a.json"}', rows


@pytest.mark.parametrize('kind', ['hog', 'frame', 'boxes'])
def test_detectors(build, clip, tmp_path, kind):
    spec = boxes_file(clip, tmp_path)[0] if kind == 'boxes' else kind
    transform = build(detector=spec)
    expected = tool(build_detector(spec), transform, clip)
    assert expected['pooled_feat'].any()
    same(transform(dict(imgs=clip.frames, frame_dir='a')), expected)


def test_onnx_detector(build, clip, tmp_path):
    """One whose net gives two persons and a thing, whatever it sees."""
    rows = np.array([[[8, 6, 30, 60, .8], [40, 9, 60, 62, .7],
                      [0, 0, 9, 9, .9]]], np.float32)
    constants = dict(rows=rows, zero=np.zeros(1, np.float32),
                     kinds=np.array([[0, 0, 7]], np.int64))
    nodes = [helper.make_node('ReduceMean', ['input'], ['mean'], keepdims=0),
             helper.make_node('Mul', ['mean', 'zero'], ['nothing']),
             helper.make_node('Add', ['rows', 'nothing'], ['dets']),
             helper.make_node('Identity', ['kinds'], ['labels'])]
    graph = helper.make_graph(
        nodes, 'net', [helper.make_tensor_value_info(
            'input', TensorProto.FLOAT, (1, 3, 64, 96))],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in (
            ('dets', TensorProto.FLOAT), ('labels', TensorProto.INT64))],
        [numpy_helper.from_array(value, name)
         for name, value in constants.items()])
    path = str(tmp_path / 'rtmdet.onnx')
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8),
        path)
    transform = build(detector=path)
    expected = tool(build_detector(path), transform, clip)
    assert expected['keypoint_score'].shape[:2] == (2, 11)
    assert expected['keypoint_score'].all()
    same(transform(dict(imgs=clip.frames, frame_dir='a')), expected)


def test_boxes_in_the_results(build, clip, tmp_path):
    """Five columns and four; the cut to the best candidates too."""
    spec, rows = boxes_file(clip, tmp_path)
    rows[7] += [[i, 5, i + 9, 60, .9] for i in range(6)]
    (tmp_path / 'a.json').write_text(json.dumps(rows))
    transform = build()
    expected = tool(build_detector(spec), transform, clip)
    same(transform(dict(imgs=list(clip.frames), person_boxes=rows)), expected)
    bare = [np.array(frame)[:, :4] for frame in rows]
    plain = transform(dict(imgs=clip.frames, person_boxes=bare))
    assert plain['keypoint'].shape == expected['keypoint'].shape


@pytest.mark.parametrize('scores', [True, False])
def test_joints_in_the_results(build, clip, scores):
    """A joint of score 0, and a person who is absent for two frames."""
    joints = clip.joints.copy()
    score = np.full(joints.shape[:3], .5, np.float32)
    score[0, :, 3] = score[0, 4:6] = 0
    joints[score == 0] = 0
    if not scores:
        score = (score > 0).astype(np.float32)
    transform = build()
    expected = tool(JointsSource({'a': ClipJoints(
        joints, score, clip.frames.shape[1:3])}), transform, clip)
    results = dict(imgs=clip.frames, keypoint=joints)
    if scores:
        results['keypoint_score'] = score
    same(transform(results), expected)
    assert not expected['keypoint_score'][0, 4:6].any()
    # absent frames are filled, and a lost joint moves no box
    assert expected['pooled_feat'][0, 4:6].any()


def test_numbers_of_the_frames(build, clip, tmp_path):
    """A file of boxes is read by the frames' numbers in the video."""
    spec, rows = boxes_file(clip, tmp_path)
    transform = build(detector=spec)
    numbers = np.array([1, 4, 9])
    found = transform(dict(imgs=clip.frames[numbers], frame_dir='a',
                           frame_inds=numbers))
    other = build()(dict(imgs=clip.frames[numbers], frame_inds=numbers,
                         person_boxes=[rows[n] for n in numbers]))
    same(found, {key: other[key] for key in (
        'keypoint', 'keypoint_score', 'pooled_feat')})


def test_nobody(build, clip):
    nobody = [[] for _ in clip.frames]
    with pytest.raises(NoPersonError, match='the clip: nobody found in 11'):
        build()(dict(imgs=clip.frames, person_boxes=nobody))
    results = build(nobody='zeros')(dict(imgs=clip.frames,
                                         person_boxes=nobody))
    assert results['pooled_feat'].shape == (1, 11, 17, 80)
    assert not results['pooled_feat'].any()


def test_what_does_not_fit(build, clip):
    transform = build()
    for results, message in (
            (dict(), 'needs person_boxes or keypoint'),
            (dict(person_boxes=[[]]), 'person_boxes has 1 frames, the clip 11'
             ),
            (dict(person_boxes=[[[1, 2, 3]]] * 11),
             'person_boxes of frame 0: expected .x1'),
            (dict(keypoint=np.zeros((1, 5, 17, 2))), r'\(1, 5, 17, 2\)')):
        with pytest.raises((KeyError, ValueError), match=message):
            transform(dict(imgs=clip.frames, **results))


def test_pose_net_by_name(build, clip):
    named = TRANSFORMS.build(dict(
        type='PooledHeatmapExtraction', pose='tiny', batch=8))
    rows = clip.boxes.transpose(1, 0, 2).tolist()
    results = named(dict(imgs=clip.frames, person_boxes=rows))
    expected = build()(dict(imgs=clip.frames, person_boxes=rows))
    np.testing.assert_array_equal(results['pooled_feat'],
                                  expected['pooled_feat'][..., :32])


def test_text(build):
    text = repr(build(detector='hog', det_checkpoint='w.pth', max_gap=7))
    assert "det_checkpoint='w.pth'" in text and 'max_gap=7' in text

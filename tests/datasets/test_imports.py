"""Poses of other people's files."""
import json
import pickle

import numpy as np
import pytest
from mmaction.datasets import PoseDataset

from hpnet_plugin.datasets import imports
from hpnet_plugin.datasets.imports import ImportedPosesError, read_poses
from hpnet_plugin.estimation.people import PeopleError
from hpnet_plugin.facts import read_facts

A, B = 'S001C001P001R001A001', 'S001C001P002R001A050'


def annotation(name, label, people=1, frames=4):
    rng = np.random.default_rng(label)
    return dict(
        frame_dir=name, label=label, total_frames=frames,
        img_shape=(1080, 1920), original_shape=(1080, 1920),
        keypoint=rng.uniform(100, 900, (people, frames, 17, 2)).astype(
            np.float16),
        keypoint_score=rng.uniform(0.1, 1, (people, frames, 17)).astype(
            np.float16))


def dump(path, content):
    path.write_bytes(pickle.dumps(content))
    return str(path)


@pytest.fixture
def pyskl(tmp_path):
    return dump(tmp_path / 'ntu60_hrnet.pkl', dict(
        split=dict(xsub_train=[A], xsub_val=[B]),
        annotations=[annotation(A, 0), annotation(B, 49, 2, 6)]))


def test_pickle_of_pyskl(pyskl, tmp_path):
    poses = read_poses(pyskl)
    assert poses.splits == dict(xsub_train=[A], xsub_val=[B])
    assert poses.annotations[B]['keypoint'].shape == (2, 6, 17, 2)
    assert poses.annotations[B]['keypoint'].dtype == np.float32
    out = str(tmp_path / 'annotations.pkl')
    imports.write_poses(poses, out, dict(xsub_test=[f'{B}_rgb', 'absent']))
    dataset = PoseDataset(out, [], split='xsub_test')
    assert len(dataset) == 1
    item = dataset.get_data_info(0)
    # named as in the splits: scores of streams are joined by name
    assert item['frame_dir'].endswith(f'{B}_rgb')
    assert item['label'] == 49 and item['total_frames'] == 6
    np.testing.assert_array_equal(
        item['keypoint'], annotation(B, 49, 2, 6)['keypoint'])


def test_the_tool(pyskl, tmp_path, tool, capsys):
    main = tool('import_poses').main
    out, splits = tmp_path / 'out.pkl', tmp_path / 'splits.json'
    assert main([pyskl, '--out', str(out)]) == 0
    assert len(PoseDataset(str(out), [], split='xsub_val')) == 1
    splits.write_text(json.dumps(dict(test=[f'{A}_rgb'])))
    assert main([pyskl, '--out', str(out), '--splits', str(splits)]) == 0
    assert 'test: 1' in capsys.readouterr().out
    assert not (tmp_path / 'dataset.json').exists()
    # a folder of poses alone describes itself, too
    assert main([pyskl, '--out', str(tmp_path / 'p/annotations.pkl'),
                 '--splits', str(splits)]) == 0
    facts = read_facts(str(tmp_path / 'p'))
    assert (facts.taps, facts.splits) == ({}, dict(test=1))
    assert (facts.people, len(facts.classes)) == (2, 50)
    splits.write_text(json.dumps(dict(test=['other'])))
    assert main([pyskl, '--out', str(out), '--splits', str(splits)]) == 2
    assert 'none of the clips of the splits' in capsys.readouterr().err


def test_list_of_3d_poses(tmp_path):
    item = dict(frame_dir=f'some/{A}', label=3, total_frames=5,
                keypoint=np.zeros((2, 5, 25, 3)))
    poses = read_poses(dump(tmp_path / 'x.pkl', [item]))
    assert list(poses.annotations) == [A] and poses.splits == {}
    assert poses.annotations[A]['keypoint'].shape == (2, 5, 25, 3)
    with pytest.raises(ImportedPosesError, match='3D'):
        imports.GivenJoints(poses)


def test_json_of_nw_ucla(shared, tmp_path):
    with np.load(shared / 'data/nwucla/skeletons.npz') as file:
        name = next(key for key in file.files if 'a12_s03' in key)
        skeleton = file[name]
    name = name.split('/')[0]
    (tmp_path / f'{name}.json').write_text(json.dumps(dict(
        file_name=name, skeletons=skeleton.tolist(), label=10)))
    found = read_poses(str(tmp_path)).annotations[name]
    assert found['label'] == 9 and found['total_frames'] == len(skeleton)
    np.testing.assert_allclose(found['keypoint'], skeleton[None], rtol=1e-6)


def test_json_of_kinetics(tmp_path):
    person = dict(pose=[0.5, 0.25] * 18, score=[0.75] * 18)
    path = tmp_path / 'abc.json'
    path.write_text(json.dumps(dict(
        data=[dict(frame_index=1, skeleton=[person]),
              dict(frame_index=3, skeleton=[person, person])],
        label='bowing', label_index=7)))
    found = read_poses(str(path)).annotations['abc']
    assert found['label'] == 7 and found['img_shape'] == (256, 340)
    assert found['keypoint'].shape == (2, 3, 18, 2)
    assert (found['keypoint'][0, 0] == (170, 64)).all()
    assert found['keypoint_score'].sum((1, 2)).tolist() == [27, 13.5]


def test_joints_that_drive_the_pooling(tmp_path):
    item = annotation(A, 0, people=2)
    item['keypoint'][:] = 0
    item['keypoint'][0, :, 3] = 100, 300
    item['keypoint'][0, :, 5] = 200, 700
    item['keypoint_score'][:] = 0
    item['keypoint_score'][0, :3, [3, 5]] = 0.5
    given = imports.GivenJoints(read_poses(dump(tmp_path / 'x.pkl', [item])))
    assert f'{A}_rgb' in given and B not in given
    assert given.layout == 'coco'
    frames = [np.zeros((540, 960, 3), np.uint8)] * 4  # half the size
    found = given.people(frames, f'{A}_rgb', [0, 1, 2, 3])
    assert [one.slots.tolist() for one in found] == [[0], [0], [0], []]
    np.testing.assert_allclose(found[0].joints[0, 3], (50, 150))
    # extents 50 … 100 and 150 … 350, a tenth more at each side
    np.testing.assert_allclose(found[0].boxes[0], (45, 130, 105, 370, 1 / 17),
                               rtol=1e-3)
    with pytest.raises(PeopleError, match=f'no joints of clip {B!r}'):
        given.people(frames, B, [0])


def test_nan_fails_its_clip_alone(tmp_path):
    """Whole files are refused only where they are written again."""
    items = [annotation(A, 0), annotation(B, 49)]
    items[0]['keypoint'][0, 2, 5] = np.nan
    poses = read_poses(dump(tmp_path / 'x.pkl', items))
    given = imports.GivenJoints(poses)
    frames = [np.zeros((540, 960, 3), np.uint8)]
    assert len(given.people(frames, B, [0])[0].boxes) == 1
    with pytest.raises(PeopleError, match=f'{A}.*frame 2: joint 5'):
        given.people(frames, A, [0])
    with pytest.raises(ImportedPosesError, match=f'{A}: keypoint holds NaN'):
        imports.write_poses(poses, str(tmp_path / 'out.pkl'))
    assert not (tmp_path / 'out.pkl').exists()


class Evil:
    def __reduce__(self):
        return print, ('run',)


@pytest.mark.parametrize('content, message', [
    ([annotation(A, 0), annotation(A, 0)], 'comes twice'),
    (dict(split=dict(test=[B]), annotations=[annotation(A, 0)]),
     f"split 'test' names 1 clips without annotation: {B}"),
    ([dict(annotation(A, 0), total_frames=9)], 'total_frames 9 and 4'),
    ([dict(annotation(A, 0), keypoint=np.zeros((4, 17, 2)))],
     r'shape \(4, 17, 2\); expected \(people, frames'),
    ([dict(annotation(A, 0), keypoint_score=np.zeros((1, 4)))],
     r'keypoint_score \(1, 4\)'),
    ([dict(frame_dir='')], 'without frame_dir or keypoint'),
    ([dict(keypoint=0)], 'each with frame_dir'),
    ([dict(frame_dir=A)], 'without frame_dir or keypoint'),
    (dict(a=1), 'expected'),
    ([dict(annotation(A, 0), label='walk')], 'another type than expected'),
    ([dict(annotation(A, 0), img_shape=7)], 'another type than expected'),
    ([dict(annotation(A, 0), img_shape=(0, 9))], r'img_shape \(0, 9\)'),
    ([dict(annotation(A, 0), keypoint='x')], 'another type than expected'),
    (dict(split=[1], annotations=[annotation(A, 0)]), 'expected the split'),
    (dict(split=dict(a=3), annotations=[annotation(A, 0)]),
     'expected the split'),
    ([Evil()], 'refused: it asks for builtins.print'),
])
def test_errors(tmp_path, capsys, content, message):
    path = dump(tmp_path / 'x.pkl', content)
    with pytest.raises(ImportedPosesError, match=message):
        read_poses(path)
    assert capsys.readouterr().out == ''


def test_no_such_file(tmp_path):
    with pytest.raises(ImportedPosesError, match='No such file'):
        read_poses(str(tmp_path / 'absent.pkl'))
    (tmp_path / 'x.json').write_text('{"skeletons": 1}')
    with pytest.raises(ImportedPosesError, match='expected the skeletons'):
        read_poses(str(tmp_path / 'x.json'))

"""Sections from real files, and hpnet report, which puts them together."""
import json

import av
import numpy as np
import pytest

from hpnet_plugin.evaluation.fusion import assess, read_streams
from hpnet_plugin.evaluation.scores import Scores, write_scores
from hpnet_plugin.evaluation.tables import gain_table
from hpnet_plugin.store import FeatureStore, StoreWriter
from hpnet_plugin.visualization.sections import (
    clip_section,
    dataset_section,
    scores_sections,
    short_names,
    training_section,
)

LENGTH = 12


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A dataset folder of two clips, and the video of one."""
    folder = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    meta = dict(version=1, taps=dict(low=4, high=6), layout='coco', region=1,
                pose=dict(name='tiny.onnx', sha256='ab' * 32))
    with StoreWriter(folder / 'features', meta) as writer:
        for name, people, length in (('a', 1, LENGTH), ('b', 2, LENGTH // 2)):
            shape = (people, length, 17)
            writer.add(name, dict(
                keypoint=rng.uniform(20, 60, (*shape, 2)).astype('f4'),
                keypoint_score=np.ones(shape, 'f4'),
                low=rng.random((*shape, 4)).astype('f2'),
                high=rng.random((*shape, 6)).astype('f2')),
                dict(img_shape=[64, 80], fps=10., num_frames=LENGTH,
                     source=f'{name}.mp4'))
    (folder / 'extraction.json').write_text(json.dumps(
        dict(failures=dict(c='c.mp4 holds no frame'))))
    (folder / 'classes.txt').write_text('drink\nread\n')
    (folder / 'videos' / 'drink').mkdir(parents=True)
    with av.open(str(folder / 'videos' / 'drink' / 'b.mp4'), 'w') as video:
        stream = video.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = 80, 64, 'yuv420p'
        for t in range(LENGTH):
            frame = np.full((64, 80, 3), 20 * t, np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        video.mux(stream.encode())
    return folder


@pytest.fixture(scope='module')
def dumps(tmp_path_factory):
    folder = tmp_path_factory.mktemp('dumps')
    labels = np.array([0, 1, 1])
    for name, rows in (('hp', [[2, 0], [0, 2], [1, 0]]),
                       ('pose', [[0, 1], [0, 1], [0, 4]])):
        write_scores(folder / f'{name}.pkl', Scores(
            list('abc'), np.array(rows, float), labels, ''))
    return folder


def test_dataset(folder):
    section = dataset_section(folder)
    facts = {str(k): str(v) for k, v in section.table[1:]}
    assert facts['clips'] == '2' and facts['frames'] == str(LENGTH * 3 // 2)
    assert facts['people, on average'] == '1.50'
    assert facts['channels of high'] == '6'
    assert facts['pose, name'] == 'tiny.onnx'
    assert section.text[1] == 'c: c.mp4 holds no frame'


def test_clip_with_its_video(folder):
    store = FeatureStore(folder / 'features')
    section = clip_section(store, 'b', folder / 'videos', tap='low')
    moments, energy, detector = section.figure
    # half the frames were kept: those at 1, 3, …, 11 of 12
    assert moments.caption.endswith('at 0.0, 0.4, 0.6, 1.0 s.')
    assert moments.image.ndim == 3 and moments.image.shape[0] == 2 * 420 + 6
    # half as many frames in the same time
    extent = energy.image.axes[0].images[0].get_extent()
    assert extent[:2] == [0, pytest.approx(LENGTH / 10)]
    # two people at each moment, without and with a detector
    assert [axis.get_title() for axis in detector.image.axes[:2]] == [
        '0.0 s, person 1', '0.0 s, person 2']
    assert len(detector.image.axes) == 3 * 8
    top = moments.image[5, ::moments.image.shape[1] // 8, 0]
    assert top[-1] > top[0] + 100


def test_clip_without_its_video(folder):
    store = FeatureStore(folder / 'features')
    section = clip_section(store, 'a', folder / 'videos', tap='high')
    assert section.text == 'a.mp4 is not in the folder of videos.'
    assert len(section.figure) == 1
    assert len(clip_section(store, 'a', tap='low').figure) == 1


def test_scores(dumps):
    streams = read_streams([f'{dumps}/hp.pkl', f'{dumps}/pose.pkl'])
    sections = scores_sections(*streams, ['drink', 'read'])
    assert [s.title for s in sections] == [
        'Accuracy', 'Gain of the fusion', 'Confusions', 'Classes',
        'hp and pose', 'hp and the fusion']
    accuracy = sections[0].table
    assert accuracy[1][:2] == ['hp', '66.67']
    assert accuracy[1][4:] == ['1', 'logits']
    assert accuracy[3][:2] == ['fusion', '100.00']
    # what hpnet fuse prints
    assert sections[1].table == gain_table([dict(
        stream, file=name) for name, stream in zip(
            ('hp', 'pose'), assess(*streams)['streams'])])
    assert 'chosen on these clips' in sections[1].text
    assert sections[2].table[1:] == []
    assert 'TEST clips' in sections[5].text
    alone = scores_sections(*read_streams([f'{dumps}/hp.pkl']))
    assert alone[1].table[1] == ['1', '0', '1', '50.0']
    assert len(alone) == 3


def test_training(tmp_path):
    for run, offset in (('x/j', 0), ('x/b', .1)):
        log = tmp_path / run / '20200101_000000' / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        log.write_text('\n'.join(
            json.dumps(e) for e in (
                {'loss': 1 + offset, 'epoch': 1, 'iter': 5, 'step': 5},
                {'acc/top1': .5 + offset, 'step': 1},
                {'loss': .5 + offset, 'epoch': 2, 'iter': 10, 'step': 10},
                {'acc/top1': .4 + offset, 'step': 2})))
    folders = [tmp_path / 'x/j', tmp_path / 'x/b']
    section = training_section(folders)
    assert section.table[1:] == [['j', 2, '0.500', '40.00', '50.00', 1, ''],
                                 ['b', 2, '0.600', '50.00', '60.00', 1, '']]
    assert section.text == ''
    # a best epoch that was chosen on what is tested is marked
    for folder, split in zip(folders, ('val', 'test')):
        (folder / 'stream.py').write_text('\n'.join(
            f'{part}_dataloader = dict(dataset=dict(dataset=dict('
            f'data_root="d", ann_file="a.pkl", split="{name}")))'
            for part, name in (('val', split), ('test', 'test'))))
    section = training_section(folders)
    assert [row[-1] for row in section.table] == ['chosen on', 'val',
                                                  'TEST clips']
    assert section.text.startswith('NOTE') and 'overstated' in section.text


@pytest.mark.parametrize('paths, names', [
    (['w/j.pkl', 'w/b.pkl'], ['j', 'b']),
    (['w/j/x.pkl', 'w/b/x.pkl'], ['j/x', 'b/x']),
    (['x.pkl', 'x.pkl'], ['x.pkl', 'x.pkl']),
    (['w/*_s.npy'], ['*_s']),
])
def test_short_names(paths, names):
    assert short_names(paths) == names


@pytest.fixture(scope='module')
def report(tool):
    return tool('report').main


def test_tool(report, folder, dumps, tmp_path, capsys):
    out = tmp_path / 'page.html'
    assert report(['--out', str(out), '--data', str(folder), '--videos',
                   str(folder / 'videos'), '--tap', 'low', '--scores',
                   f'{dumps}/hp.pkl', f'{dumps}/pose.pkl:0.5']) == 0
    text = out.read_text(encoding='utf-8')
    for title in ('Accuracy', 'hp and pose', 'Features', 'a', 'b'):
        assert f'<h2>{title}</h2>' in text
    assert 'drink' in text
    before = out.read_bytes()
    for args, message in (
        (['--data', str(tmp_path)], 'no feature store'),
        (['--data', str(folder)], 'low'),
        (['--data', str(folder), '--clips', 'nix'], "'nix' is not in"),
        (['--work-dirs', str(tmp_path)], 'expected the work_dir'),
        (['--scores', 'absent.pkl'], 'no such file'),
    ):
        assert report(['--out', str(out), *args]) == 2
        assert message in capsys.readouterr().err
    assert out.read_bytes() == before
    with pytest.raises(SystemExit) as stop:
        report(['--out', str(out)])
    assert stop.value.code == 2

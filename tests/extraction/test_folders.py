"""Folders that describe themselves: from videos to a first step, no config.

What the tool writes is taken by mmaction2's stock dataset, and by a test of
this package's streams where nothing has a label.
"""
import json
import pickle

import pytest
from mmaction.registry import RUNNERS
from mmengine.config import Config

import hpnet_plugin  # noqa: F401
from hpnet_plugin.demo import people
from hpnet_plugin.facts import read_facts, read_record

TAP = 'backbone.stage4.0.branches.1'


@pytest.fixture(scope='module')
def extract(root, tool):
    main = tool('extract').main

    def run(source, out, *more):
        return main([
            str(source), '--out', str(out), '--pose',
            str(root / 'configs/pose/tiny_hrnet.py'), '--checkpoint',
            str(root / 'hpnet_plugin/estimation/tiny_pose.pth'), '--tap', TAP,
            '--detector', 'frame', '--workers', '0', *more])

    return run


def film(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    people.save_video(str(path), people.make_clip(
        seed % 8, seed, length=6).frames)


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Three clips a class, called alike in both."""
    folder = tmp_path_factory.mktemp('videos')
    for k, kind in enumerate(('run', 'walk')):
        for i in range(3):
            film(folder / f'{kind}/{i:03d}.mp4', 3 * k + i)
    return folder


@pytest.fixture(scope='module')
def dataset(videos, extract, tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'mine'
    assert extract(videos, out) == 0
    return out


def annotations(out):
    with open(out / 'annotations.pkl', 'rb') as file:
        return pickle.load(file)


def test_test_is_never_train(dataset):
    """The stock config's train and test: no clip is in both."""
    from mmaction.datasets import PoseDataset
    parts = {split: {item['frame_dir'] for item in PoseDataset(
        str(dataset / 'annotations.pkl'), pipeline=[], split=split)}
        for split in ('train', 'val', 'test')}
    assert all(len(names) == 2 for names in parts.values())
    assert len(set().union(*parts.values())) == 6
    assert {name.split('__')[0] for name in parts['test']} == {'run', 'walk'}
    facts = read_facts(str(dataset))
    assert facts.classes == ('run', 'walk')
    assert facts.splits == dict(train=2, val=2, test=2)
    assert facts.use == dict(train='train', val='val', test='test')
    assert (facts.people, facts.frames) == (1, 16)
    assert read_record(str(dataset))['split_rule'] == dict(by='chance',
                                                           seed=0)


def test_said_and_kept(videos, extract, dataset, tmp_path, capsys):
    """It says what it does; clips that are added move none."""
    import shutil
    source, out = tmp_path / 'videos', tmp_path / 'out'
    shutil.copytree(videos, source)
    for name in ('run', 'walk'):
        (source / f'{name}/002.mp4').rename(tmp_path / f'{name}.mp4')
    (source / 'run/000.mp4').unlink()
    assert extract(source, out, '--seed', '5') == 0
    assert 'by chance within each class, seed 5: train' in \
        capsys.readouterr().out
    first = annotations(out)['split']
    assert {n for names in first.values() for n in names} == {
        '000', 'run__001', 'walk__001'}
    shutil.copy(videos / 'run/000.mp4', source / 'run/000.mp4')
    for name in ('run', 'walk'):
        shutil.copy(tmp_path / f'{name}.mp4', source / f'{name}/002.mp4')
    assert extract(source, out) == 0
    second = annotations(out)['split']
    assert {n for names in second.values() for n in names} == {
        '000', 'run__000', 'run__001', 'walk__001', 'run__002', 'walk__002'}
    for part, names in first.items():
        assert set(names) <= set(second[part])
    assert json.loads((out / 'splits.json').read_text()).keys() == \
        second.keys()
    assert extract(source, out, '--seed', '6') == 2
    assert 'divided by seed 5, not 6' in capsys.readouterr().err


@pytest.fixture(scope='module')
def unlabelled(videos, extract, tmp_path_factory):
    folder = tmp_path_factory.mktemp('unlabelled')
    (folder / 'flat').mkdir()
    for i, path in enumerate(sorted(videos.glob('*/*.mp4'))[:3]):
        (folder / f'flat/{i}.mp4').symlink_to(path)
    assert extract(folder / 'flat', folder / 'out') == 0
    return folder / 'out'


def test_without_labels(unlabelled):
    facts = read_facts(str(unlabelled))
    assert facts.classes is None
    assert facts.splits == dict(test=3)
    assert facts.use == dict(val='test', test='test')
    content = annotations(unlabelled)
    assert set(content['split']) == {'test'}
    assert {one['label'] for one in content['annotations']} == {-1}


@pytest.mark.parametrize('stream', ['pose_j', 'hp_j'])
def test_clips_without_labels_are_predicted(root, unlabelled, tmp_path,
                                            stream):
    """mim test --dump: scores, and no accuracy that means nothing."""
    from hpnet_plugin.evaluation.scores import read_scores
    cfg = Config.fromfile(root / 'configs/stream.py')
    cfg.merge_from_dict(dict(
        data_root=str(unlabelled), stream=stream, size='small',
        # loggers of the same name and second are one
        experiment_name=stream, work_dir=str(tmp_path)))
    cfg.test_evaluator = [*cfg.test_evaluator, dict(
        type='DumpResults', out_file_path=str(tmp_path / 'scores.pkl'))]
    metrics = RUNNERS.get(cfg.runner_type).from_cfg(cfg).test()
    assert metrics == {}
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'None of the 3 clips has a label' in log
    assert 'acc/' not in log.split('None of the 3 clips')[1]
    scores = read_scores(str(tmp_path / 'scores.pkl'))
    assert scores.names == ['0', '1', '2'] and scores.labels is None
    assert scores.scores.shape == (3, 120)


def test_lists_are_a_source(tool, videos, extract, tmp_path, capsys):
    """prepare, then extract: nothing is said twice."""
    source = tmp_path / 'nw'
    for s in (1, 2, 5, 6):
        film(source / f'a08_s{s:02d}_e00_v01.mp4', s)
    lists, out = tmp_path / 'lists', tmp_path / 'data'
    assert tool('prepare').main(['nw_ucla', 'xsub', str(source), '--out',
                                 str(lists)]) == 0
    written = read_facts(str(lists))
    assert written.benchmark == 'nw_ucla_xsub'
    assert written.splits == dict(xsub_train=2, xsub_val=1, xsub_test=1,
                                  xsub_train_full=3)
    assert extract(lists, out) == 0
    facts = read_facts(str(out))
    assert (facts.people, facts.frames, facts.benchmark) == (
        1, 32, 'nw_ucla_xsub')
    assert len(facts.classes) == 10 and facts.splits == written.splits
    assert facts.use == dict(train='xsub_train_full', val='xsub_test',
                             test='xsub_test')
    assert {one['label'] for one in annotations(out)['annotations']} == {6}
    record = read_record(str(out))
    assert record['settings']['max_people'] == 1
    assert record['split_rule']['by'] == 'benchmark'
    # the command line has the last word
    assert extract(lists, tmp_path / 'two', '--max-people', '2') == 0
    assert read_record(str(tmp_path / 'two'))['settings']['max_people'] == 2
    # the videos alone would be divided anew
    assert extract(source, out) == 2
    assert 'was given labels' in capsys.readouterr().err


def test_lists_of_a_folder(tool, videos, extract, tmp_path):
    """The division of hpnet prepare goes along, with its seed."""
    lists, out = tmp_path / 'lists', tmp_path / 'data'
    assert tool('prepare').main(['folder', str(videos), '--out', str(lists),
                                 '--seed', '4']) == 0
    assert extract(lists, out) == 0
    assert json.loads((lists / 'splits.json').read_text()) == {
        split: sorted(names)
        for split, names in annotations(out)['split'].items()}
    record = read_record(str(out))
    assert record['split_rule'] == {'by': 'chance', 'seed': 4,
                                    'from': 'splits.json'}
    assert read_facts(str(out)).classes == ('run', 'walk')
    assert read_facts(str(out)).people == 1


def test_lists_keep_names(tool, videos, extract, tmp_path):
    """A video that is called like another one comes later, by prepare."""
    import shutil
    source, lists, out = (tmp_path / n for n in ('videos', 'lists', 'data'))
    prepare = tool('prepare').main
    for kind in ('run', 'walk'):
        (source / kind).mkdir(parents=True)
        for i, new in enumerate(('a', 'b', '000')[:3 - (kind == 'walk')]):
            shutil.copy(videos / f'{kind}/00{i}.mp4',
                        source / f'{kind}/{kind[0]}{new}.mp4'
                        if len(new) == 1 else source / f'{kind}/000.mp4')
    for _ in range(2):
        assert prepare(['folder', str(source), '--out', str(lists)]) == 0
        assert extract(lists, out) == 0
        names = {one['frame_dir'] for one in annotations(out)['annotations']}
        shutil.copy(videos / 'walk/002.mp4', source / 'walk/000.mp4')
    assert names == {'ra', 'rb', '000', 'wa', 'wb', 'walk__000'}

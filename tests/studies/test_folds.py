"""Which clips train and test: no fold tells the answers of its test."""
import json
import os
import random

import pytest

from hpnet_plugin.datasets.annotations import (
    read_annotations,
    write_annotations,
)
from hpnet_plugin.datasets.clip_list import read_clip_list
from hpnet_plugin.facts import Facts, read_facts, write_facts
from hpnet_plugin.recipes import compose
from hpnet_plugin.store import FeatureStore, StoreWriter
from hpnet_plugin.studies.folds import (
    describe_clips,
    folds_of,
    held_back_fold,
)
from hpnet_plugin.studies.study_file import StudyError, plain, read_study
from hpnet_plugin.studies.views import Source

STUDY = dict(
    data_root='data', clips=dict(
        pattern=r'_s(?P<group>\d+)_.*_l(?P<variant>\d)'),
    variants=dict(train=[0], test=[0, 1]), folds=[[6, 7], [1, '02'], [4]],
    held_back=dict(groups=[3, 5], variants=[2]),
    rows=[dict(name='a', options='stream=pose_j')])


def names_of(actions=3, subjects=7, takes=2, looks=3):
    return {f'a{a}_s{s:02}_e{e}_v1_l{look}': a for a in range(actions)
            for s in range(1, subjects + 1) for e in range(takes)
            for look in range(looks)}


def study_of(tmp_path, **changes):
    path = tmp_path / 'study.yml'
    path.write_text(json.dumps({**STUDY, **changes}))  # JSON is YAML
    return read_study(path)


def divided(tmp_path, names=None, **changes):
    study = study_of(tmp_path, **changes)
    clips = describe_clips(study, names or names_of())
    return study, clips, folds_of(study, clips)


def test_folds_of_the_contract(tmp_path):
    _, clips, folds = divided(tmp_path)
    assert [fold.name for fold in folds] == ['6+7', '1+2', '4']
    held = held_back_fold(study_of(tmp_path), clips)
    for fold, tested in zip([*folds, held], ('67', '12', '4', '35')):
        assert {clip.group for clip in fold.test} == set(tested)
        assert {clip.group for clip in fold.train} == set('12467') - set(
            tested)
        assert {clip.variant for clip in fold.train} == {'0'}
        assert {clip.variant for clip in fold.test} == (
            {'2'} if fold is held else {'0', '1'})
    # 3 actions x 5 subjects x 2 takes x 2 looks, each once
    tested = [clip.name for fold in folds for clip in fold.test]
    assert len(tested) == len(set(tested)) == 60


def test_folds_never_leak(tmp_path):
    """Whatever the groups and variants are."""
    rng = random.Random(0)
    for _ in range(60):
        groups = rng.sample(range(1, 10), rng.randint(4, 9))
        looks = rng.randint(2, 4)
        names = {f'a{a}_s{s:02}_e{e}_l{look}': a for a in range(2)
                 for s in groups for e in range(rng.randint(1, 3))
                 for look in range(looks)}
        held, rest = groups[:1], groups[1:]
        cut = rng.randint(1, len(rest) - 1)
        study = study_of(
            tmp_path, folds=[rest[:cut], rest[cut:]],
            held_back=dict(groups=held, variants=[looks - 1]),
            variants=dict(train=[0], test=[*range(looks - 1)]))
        clips = describe_clips(study, names)
        seen = set()
        for fold in folds_of(study, clips):
            for percent in (10, 50, 100):
                part = fold.part(percent)
                train, test = ({c.group for c in members}
                               for members in (part.train, part.test))
                assert not train & test
                assert not (train | test) & set(map(plain, held))
                assert not {c.take for c in part.train} & {
                    c.take for c in part.test}
                assert {c.variant for c in (*part.train, *part.test)} \
                    <= set(map(str, range(looks - 1)))
                assert part.test == fold.test
            assert not seen & {c.name for c in fold.test}
            seen |= {c.name for c in fold.test}
        final = held_back_fold(study, clips)
        assert {c.group for c in final.test} == set(map(plain, held))
        assert {c.variant for c in final.test} == {str(looks - 1)}
        assert not {c.group for c in final.train} & set(map(plain, held))


def test_fractions_are_nested_and_stratified(tmp_path):
    names = {f'a{a}_s{s:02}_e{e:02}_l{look}': a for a in range(3)
             for s in range(1, 8) for e in range(4 + 5 * a)
             for look in range(3)}
    _, _, folds = divided(tmp_path, names,
                          variants=dict(train=[0, 1], test=[0]))
    for fold in folds:
        before = set()
        takes = {label: {c.take for c in fold.train if c.label == label}
                 for label in range(3)}
        for percent in (1, 10, 25, 50, 99, 100):
            part = fold.part(percent)
            kept = {clip.name for clip in part.train}
            assert before <= kept <= {clip.name for clip in fold.train}
            before = kept
            for label, every in takes.items():
                found = {c.take for c in part.train if c.label == label}
                wanted = len(every) * percent / 100
                assert abs(len(found) - max(1, wanted)) <= .5
            # all training variants of a take that stays
            assert len(part.train) == 2 * len({c.take for c in part.train})
        assert part == fold
        # by the names alone, in whatever order they are listed
        shuffled = dict(sorted(names.items(), key=lambda item: item[0][::-1]))
        _, _, others = divided(tmp_path, shuffled,
                               variants=dict(train=[0, 1], test=[0]))
        other, = (one for one in others if one.name == fold.name)
        assert {c.name for c in other.part(25).train} == {
            c.name for c in fold.part(25).train}


def test_groups_of_a_file(tmp_path):
    names = dict(x=0, y=1, z=0, w=1)
    (tmp_path / 'g.json').write_text(json.dumps(
        dict(x='01', y=1, z={'group': 2}, w=2, other=5)))
    changes = dict(clips=dict(file='g.json'), variants={}, held_back={},
                   folds=[[1], [2]])
    _, clips, folds = divided(tmp_path, names, **changes)
    assert [clip.take for clip in clips] == [*'xyzw']
    assert [[clip.name for clip in fold.test] for fold in folds] == [
        ['x', 'y'], ['z', 'w']]
    with pytest.raises(StudyError, match='does not name .*: v'):
        divided(tmp_path, dict(names, v=0), **changes)
    with pytest.raises(StudyError, match='expected .* group, variant, take'):
        divided(tmp_path, names, clips=dict(file='g.json'), folds=[[1], [2]],
                held_back={})


@pytest.mark.parametrize('changes, message', [
    (dict(fold=[]), "no key 'fold'; the closest: folds"),
    (dict(clips=dict(pattern='_s(?P<group>')), 'no regular expression'),
    (dict(clips=dict(pattern=r'_s(?P<group>\d+)_')), '<variant>'),
    (dict(variants={}), 'variants: {train'),
    (dict(folds=[]), 'folds is .*a list of lists'),
    (dict(folds=[[1], [1, 2]]), "group '1' in one fold"),
    (dict(folds=[[3], [1, 2]]), 'no group that is held back'),
    (dict(variants=dict(train=[2], test=[0])), 'no variant that is held'),
    (dict(seeds=0), 'a number of seeds'),
    (dict(seeds=True), 'a number of seeds'),
    (dict(fractions=[10]), '100 among them'),
    (dict(fractions=[.5, 100]), 'whole percents'),
    (dict(rows=[]), 'a list of rows'),
    (dict(rows=[dict(name='a')]), 'either options'),
    (dict(rows=[dict(name='a', options='stream')]), 'KEY=VALUE'),
    (dict(rows=[dict(name='a', options='data_root=x')]), 'the study says'),
    (dict(rows=[dict(name='a', sum=['b'])]), 'a row above it'),
    (dict(rows=[dict(name='a b', options=''), dict(name='a_b', options='')]),
     'differ in letters'),
    (dict(rows=[dict(name='a', options='', final='yes')]), 'true or false'),
    (dict(compare=[['a', 'c']]), "names 'c', which is no row"),
])
def test_what_a_study_file_gets_wrong(tmp_path, changes, message):
    with pytest.raises(StudyError, match=message):
        study_of(tmp_path, **changes)


def test_what_a_dataset_lacks(tmp_path):
    with pytest.raises(StudyError, match="the group '9'; there are 1, 2"):
        divided(tmp_path, folds=[[9], [1]])
    with pytest.raises(StudyError, match='does not match .* b'):
        divided(tmp_path, dict(names_of(), b=0))
    with pytest.raises(StudyError, match='no label of 126 clips: a0_s01'):
        divided(tmp_path, dict.fromkeys(names_of(), -1))
    with pytest.raises(StudyError, match='fold 4 tests class 7'):
        divided(tmp_path, dict(names_of(), a7_s04_e0_v1_l0=7))
    (tmp_path / 'broken.yml').write_text('rows: [')
    with pytest.raises(StudyError, match='no YAML file'):
        read_study(tmp_path / 'broken.yml')


@pytest.fixture
def data(tmp_path):
    """A dataset folder of tiny clips, with other files in it."""
    import numpy as np
    rng = np.random.RandomState(0)
    folder, names = tmp_path / 'data', names_of(2)
    with StoreWriter(str(folder / 'features'), dict(taps=dict(t=4))) as out:
        for name in names:
            out.add(name, dict(
                keypoint=rng.rand(1, 2, 17, 2).astype(np.float32),
                keypoint_score=rng.rand(1, 2, 17).astype(np.float32),
                t=rng.rand(1, 2, 17, 4).astype(np.float16)),
                dict(img_shape=[90, 160], num_frames=2))
    write_annotations(FeatureStore(str(folder / 'features')),
                      str(folder / 'annotations.pkl'), names,
                      dict(train=[*names], test=[]))
    (folder / 'classes.txt').write_text('sit\nwalk\n')
    write_facts(str(folder), Facts(
        'data', 'data', str(folder), ('sit', 'walk'), 1, 16, dict(t=4),
        dict(train=len(names)), dict(train='train'), schedule='short'),
        note=1)
    return folder


def contents(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size)
            for path in folder.rglob('*')}


def test_view_of_a_fold(tmp_path, data):
    """A dataset folder of its clips alone; the data stay as they are."""
    before = contents(data)
    study = study_of(tmp_path, data_root=str(data))
    source = Source(study.data_root)
    fold, *others = folds_of(study, describe_clips(study, source.labels))
    view = tmp_path / 'out/view'
    source.view(view, fold)
    assert contents(data) == before
    assert {source.digest(fold)}.isdisjoint(map(source.digest, others))
    assert source.digest(fold) != source.digest(fold.part(50))
    wanted = {'train': sorted(clip.name for clip in fold.train),
              'test': sorted(clip.name for clip in fold.test)}
    for joints in (False, True):  # of the clip list, and the whole file
        found = read_annotations(view / 'annotations.pkl', joints=joints)
        assert {key: sorted(names) for key, names in found.splits.items()
                } == wanted
        # nothing of what is held back can be read
        assert {clip['frame_dir'] for clip in found.clips} == {
            *wanted['train'], *wanted['test']}
    whole = {clip['frame_dir']: clip['keypoint'] for clip in read_annotations(
        data / 'annotations.pkl', joints=True).clips}
    assert all((clip['keypoint'] == whole[clip['frame_dir']]).all()
               for clip in found.clips)
    labels = read_clip_list(str(view / 'annotations.pkl')).labels
    assert set(labels) == {0, 1}
    facts = read_facts(str(view))
    assert facts.use == dict(train='train', test='test')
    assert facts.splits == {key: len(v) for key, v in wanted.items()}
    config = compose('stream', stream='hp_j', data_root=str(view))
    assert config['train_dataloader']['dataset']['split'] == 'train'
    assert 'val_dataloader' not in config  # nothing is chosen
    stamp = (view / 'annotations.pkl').stat().st_mtime_ns
    source.view(view, fold)
    assert (view / 'annotations.pkl').stat().st_mtime_ns == stamp
    assert FeatureStore(str(view / 'features')).names
    with pytest.raises(StudyError, match='inside of the dataset folder'):
        source.view(data / 'features/view', fold)


def test_view_follows_its_data(tmp_path, data):
    """Data that were moved, and a tap that was extracted later."""
    study = study_of(tmp_path, data_root=str(data))
    source = Source(study.data_root)
    fold = folds_of(study, describe_clips(study, source.labels))[0]
    source.view(tmp_path / 'view', fold)
    os.rename(data, tmp_path / 'moved')
    facts = read_facts(str(tmp_path / 'moved'))
    facts.taps['more'] = 8
    write_facts(str(tmp_path / 'moved'), facts)
    moved = Source(str(tmp_path / 'moved'))
    assert moved.digest(fold) == source.digest(fold)
    moved.view(tmp_path / 'view', fold)
    assert read_facts(str(tmp_path / 'view')).taps == dict(t=4, more=8)
    assert os.readlink(tmp_path / 'view/features') == str(
        tmp_path / 'moved/features')

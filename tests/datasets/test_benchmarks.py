"""Name rules and splits, against the published facts of the benchmarks."""
import itertools
import json

import pytest

from hpnet_plugin.datasets import benchmarks
from hpnet_plugin.datasets.benchmarks import label_of, split_names
from hpnet_plugin.datasets.classes import read_classes


@pytest.fixture(scope='module')
def facts(shared):
    return json.loads((shared / 'data/labels/splits.json').read_text())


def ntu(subjects, setups=(1, 2, 18, 19), cameras=(1, 2, 3), actions=(1, 61)):
    """NTU's names, NTU 120's actions in NTU 120's setups."""
    return [f'S{s:03d}C{c:03d}P{p:03d}R001A{a:03d}_rgb' for s, c, p, a in
            itertools.product(setups, cameras, subjects, actions)
            if (s > 17) == (a > 60)]


def field(names, letter, digits=3):
    return {int(name[name.index(letter) + 1:][:digits]) for name in names}


def check(parts, names):
    """Disjoint; returns the published training set and the test set."""
    every = [name for part in parts.values() for name in part]
    assert list(parts) == ['train', 'val', 'test']
    assert len(every) == len(set(every)) and set(every) <= set(names)
    assert parts['train'] and parts['val'] and parts['test']
    return set(parts['train'] + parts['val']), set(parts['test'])


@pytest.mark.parametrize('benchmark, people', [('ntu60', 40),
                                               ('ntu120', 106)])
def test_ntu_cross_subject(facts, benchmark, people):
    names = ntu(range(1, people + 1))
    parts = split_names(benchmark, 'xsub', names)
    train, test = check(parts, names)
    known = set(facts[benchmark]['xsub']['train_subjects'])
    assert field(train, 'P') == known
    assert field(test, 'P') == set(range(1, people + 1)) - known
    # all of a subject's clips validate, or none
    assert not field(parts['train'], 'P') & field(parts['val'], 'P')
    # of NTU 60, the clips of its 60 actions only
    used = [n for n in names if benchmark == 'ntu120' or n < 'S018']
    assert train | test == set(used)


def test_ntu_cross_view(facts):
    names = ntu(range(1, 41), setups=[1, 2])
    parts = split_names('ntu60', 'xview', names)
    train, test = check(parts, names)
    assert field(train, 'C') == set(facts['ntu60']['xview']['train_cameras'])
    assert field(test, 'C') == set(facts['ntu60']['xview']['test_cameras'])
    assert train | test == set(names)
    assert not field(parts['train'], 'P') & field(parts['val'], 'P')


def test_ntu_cross_setup():
    names = ntu(range(1, 107), setups=range(1, 33))
    train, test = check(split_names('ntu120', 'xset', names), names)
    assert field(train, 'S') == set(range(2, 33, 2))
    assert field(test, 'S') == set(range(1, 33, 2))


def test_validation_subjects_agree():
    """A model of NTU 120 has not seen who validates NTU 60."""
    names = ntu(range(1, 107))
    small = split_names('ntu60', 'xsub', names)['val']
    assert set(small) <= set(split_names('ntu120', 'xsub', names)['val'])


def test_ntu_missing_skeletons(facts):
    """302 and 535 clips; what is left has the published counts."""
    missing = benchmarks.missing_skeletons('ntu60')
    assert len(missing) == 302
    assert missing < benchmarks.missing_skeletons('ntu120')
    assert len(benchmarks.missing_skeletons('ntu120')) == 535
    assert not benchmarks.missing_skeletons('nw_ucla')
    # the dataset's paper counts them: 40,320 and 16,560; 37,920 and 18,960
    clips = facts['ntu60']['clips']
    for split, whole in dict(xsub=(40320, 16560), xview=(37920,
                                                         18960)).items():
        train, test = check(split_names('ntu60', split, missing), missing)
        assert [whole[0] - len(train), whole[1] - len(test)] == clips[split]


def test_published_counts(facts):
    for benchmark in ('ntu60', 'ntu120', 'uav_human', 'smarthome'):
        for split, (train, test) in facts[benchmark]['clips'].items():
            _, rule = benchmarks.find_rule(benchmark, split)
            # Smarthome's released lists leave two training subjects out
            key = 'train' if benchmark == 'smarthome' else 'train_full'
            assert (rule.published[key], rule.published['test']) == (train,
                                                                     test)


def test_smarthome_cross_subject(shared, facts):
    """All released names of test clips are test clips."""
    names = []
    for file in sorted((shared / 'data/smarthome_cs').glob('*_name.txt')):
        names += file.read_text().split()
    assert len(names) == facts['smarthome']['clips']['cs'][1] == 5433
    assert split_names('smarthome', 'cs', names) == dict(
        train=[], val=[], test=names)
    classes = (shared / 'data/smarthome_cs/classes.txt').read_text().split()
    for name in names:
        assert name.startswith(classes[label_of('smarthome', name)] + '_')


def smarthome(subjects, activities=('Walk', 'Cook.Cut')):
    return [f'{a}_p{p:02d}_r00_v01_c{c:02d}' for a, p, c in
            itertools.product(activities, subjects, range(1, 8))]


def test_smarthome_training_subjects(facts):
    names = smarthome(range(2, 26), ['Walk'])
    parts = split_names('smarthome', 'cs', names)
    train, _ = check(parts, names)
    rule = facts['smarthome']['cs']
    assert field(train, 'p', 2) == set(rule['train_subjects'])
    assert field(parts['val'], 'p', 2) == set(
        rule['released_code_leaves_out'])


@pytest.mark.parametrize('split', ['cv1', 'cv2'])
def test_smarthome_cross_view(facts, split):
    names = smarthome(range(2, 26))
    parts = split_names('smarthome', split, names)
    check(parts, names)
    for part, members in parts.items():
        assert {int(name[-1]) for name in members} == set(
            facts['smarthome'][split][f'{part}_cameras'])
        assert {name.split('_')[0] for name in members} == {'Walk'}
    # its own validation split is no part of the training set
    assert split_names('smarthome', split, names, holdout=False) == parts


@pytest.mark.parametrize('split', ['csv1', 'csv2'])
def test_uav_human(facts, split):
    names = [f'P{p:03d}S00G10B10H10UC022000LC021000A{a:03d}R0_08241716'
             for p in range(facts['uav_human']['subjects'])
             for a in (0, 154)]
    train, test = check(split_names('uav_human', split, names), names)
    known = set(facts['uav_human'][split]['test_subjects'])
    assert field(test, 'P') == known
    assert field(train, 'P') == set(range(119)) - known


def test_nw_ucla(shared, facts):
    import numpy as np
    with np.load(shared / 'data/nwucla/skeletons.npz') as file:
        names = sorted({key.split('/')[0] for key in file.files})
    names = [n for n in names if n.startswith('a')]
    third = [f'{name[:-1]}3' for name in names if name.endswith('1')]
    train, test = check(split_names('nw_ucla', 'xview', names + third),
                        names + third)
    assert train == set(names) and test == set(third)
    assert {int(n[-1]) for n in train} == set(
        facts['nw_ucla']['xview']['train_views'])
    train, test = check(split_names('nw_ucla', 'xsub', names), names)
    assert {name.split('_')[1] for name in test} == {'s06', 's07'}
    assert {name.split('_')[1] for name in train} == {
        's01', 's02', 's03', 's04', 's05'}


def test_ucf101():
    """Every group tests in one of the first three sevenths, or never."""
    names = [f'v_HandStandPushups_g{g:02d}_c01' for g in range(1, 26)]
    tested = []
    for split in (1, 2, 3):
        parts = split_names('ucf101', split, names)
        train, test = check(parts, names)
        assert train | test == set(names)
        assert parts == split_names('ucf101', f'split{split}', names)
        tested += parts['test']
    assert tested == names[:21]
    # the class list has HandstandPushups
    assert label_of('ucf101', names[0]) == 36


def test_without_holdout():
    names = ntu(range(1, 41))
    train, test = check(split_names('ntu60', 'xsub', names), names)
    whole = split_names('ntu60', 'xsub', names, holdout=False)
    assert set(whole['train']) == train and set(whole['test']) == test
    assert whole['val'] == []


@pytest.mark.parametrize('benchmark, name, split, label', [
    ('ntu60', 'S001C001P001R001A050_rgb', None, 49),
    ('ntu60', 'S018C001P041R001A061', None, None),
    ('NTU120', 'S018C001P041R001A061.avi', None, 60),
    ('smarthome', 'WatchTV_p02_r00_v02_c03.mp4', 'cs', 30),
    ('smarthome', 'WatchTV_p02_r00_v02_c03', 'cv2', None),
    ('smarthome', 'Walk_p02_r00_v02_c03', 'CV1', 18),
    ('uav-human', 'P000S00G10B10H10UC022000LC021000A154R0_08241716', None,
     154),
    ('nw_ucla', 'a12_s07_e04_v02', 'xsub', 9),
    ('nw_ucla', 'a08_s07_e04_v02', None, 6),
    ('ucf101', 'v_YoYo_g25_c05', None, 100),
])
def test_labels(benchmark, name, split, label):
    assert label_of(benchmark, name, split) == label


def test_classes_have_names():
    for benchmark, entry in benchmarks.BENCHMARKS.items():
        assert benchmarks.fields_of(benchmark, entry.example)
        for rule in entry.splits.values():
            names = read_classes(rule.classes)
            assert len(names) == len(entry.actions or names)


def test_siblings():
    names = benchmarks.siblings('ntu120', ['S018C001P041R001A061_rgb',
                                           'S001C001P001R001A001'])
    assert len(names) == 2 * 3 * 2 * 60
    assert 'S001C003P001R002A060' in names
    assert 'S018C003P041R002A120' in names
    # everything that is missing was recorded
    missing = benchmarks.missing_skeletons('ntu120')
    assert missing < benchmarks.siblings('ntu120', missing)
    assert benchmarks.siblings('nw_ucla', ['a01_s01_e00_v01']) == set()


@pytest.mark.parametrize('args, message', [
    (('ntu61', 'xsub', []), "unknown benchmark 'ntu61'; the closest: ntu60"),
    (('ntu60', 'xset', []), "ntu60 has no split 'xset'; the closest: xsub"),
    (('ntu60', 'xsub', ['A001']), r"'A001' is no clip of ntu60, whose names "
     r'are SsssCcccPppp.*for example S001C002P003R002A013_rgb'),
    (('ntu60', 'xview', ['S001C004P001R001A001']), 'camera'),
    (('nw_ucla', 'xsub', ['a07_s01_e00_v01']), 'action'),
    (('smarthome', 'cs', ['Wolk_p02_r00_v02_c03']),
     "no class 'wolk'; the closest: walk"),
])
def test_errors(args, message):
    with pytest.raises(ValueError, match=message):
        split_names(*args)


@pytest.mark.parametrize('folder, split, clips', [
    ('data/ntu120', 'xsub_test', 50919), ('data/ntu120/', 'xset_test', 59477),
    ('/d/ntu120_hrnet', 'xsub_train_full', 63026),
    ('data/ntu60', 'xview_test', 18932), ('uav_human', 'csv1_test', 6184),
    ('data/smarthome_cv', 'cv1_test', 1901), ('smarthome', 'cs_val', 1853),
    ('data/ucf101', 'split3_test', 3696), ('data/nw_ucla', 'test', None),
    ('data/nw_ucla', 'xsub_test', None), ('data/ntu1200', 'xsub_test', None),
    ('data/ntu120', 'xsub_val', None), ('data/mine', 'test', None),
    ('data/ntu120', None, None), (None, 'xsub_test', None)])
def test_published_clips(folder, split, clips):
    assert benchmarks.published_clips(folder, split) == clips


def test_compare_counts():
    assert benchmarks.compare_counts(1, None) == 'tested on 1 clip'
    assert benchmarks.compare_counts(6184, 6184) == \
        'tested on 6,184 clips, all 6,184 of the published test split'
    # more clips are other clips, too
    for tested in (6183, 6185):
        assert 'cannot be compared' in benchmarks.compare_counts(tested, 6184)

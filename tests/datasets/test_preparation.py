"""From a download to clips, labels and splits, and its command line."""
import json
import re

import pytest

from hpnet_plugin.datasets import labelling, preparation, sources
from hpnet_plugin.datasets.classes import read_classes
from hpnet_plugin.facts import read_facts


@pytest.fixture(scope='module')
def main(tool):
    return tool('prepare').main


def touch(folder, names, suffix='.avi'):
    """Files are looked at by name only here."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f'{name}{suffix}').touch()
    return str(folder)


@pytest.fixture
def ntu(tmp_path):
    """One setup, four subjects: 1, 5, 8 train; less three clips."""
    names = [f'S001C{c:03d}P{p:03d}R{r:03d}A{a:03d}_rgb'
             for c in (1, 2, 3) for p in (1, 3, 5, 8) for r in (1, 2)
             for a in range(1, 61)]
    gone = {'S001C001P001R001A001_rgb', 'S001C001P003R001A001_rgb',
            # nobody misses this one: it has no skeleton
            'S001C002P005R002A008_rgb'}
    return touch(tmp_path / 'videos', set(names) - gone)


def test_ntu(ntu, tmp_path, main, capsys):
    out = tmp_path / 'lists'
    assert main(['ntu60', 'xsub', 'xview', ntu, '--out', str(out)]) == 0
    printed = capsys.readouterr().out
    # 1440 clips, of which 3 are gone; the list has 3 more of subject 5
    assert '1437 clips found' in printed
    assert '3 left out (official list' in printed
    assert '2 of the setups and subjects found are missing: ' \
        'S001C001P001R001A001, S001C001P003R001A001' in printed
    table = {line.split()[0]: line.split()[1:] for line in
             printed.splitlines() if line.startswith('x')}
    assert table['xsub_train'] == [str(2 * 360 - 1 - 4)]
    assert table['xsub_val'] == ['360']
    assert table['xsub_train_full'] == ['1075', '40091', '39016', 'missing']
    assert table['xsub_test'] == ['359', '16487', '16128', 'missing']
    assert table['xview_test'] == ['478', '18932', '18454', 'missing']
    assert (out / 'missing.txt').read_text().split() == [
        'S001C001P001R001A001', 'S001C001P003R001A001']
    # the extraction reads all of it
    clips = sources.find_clips(str(out / 'clips.txt'))
    assert len(clips) == 1434
    classes = read_classes(str(out / 'classes.txt'))
    labels, _ = labelling.assign_labels(clips, None, classes)
    assert labels['S001C001P001R001A050_rgb'] == 49
    assert classes[49] == 'punch/slap'
    again = labelling.read_labels(str(out / 'labels.txt'))
    assert all(again[name] == str(label) for name, label in labels.items())
    splits = json.loads((out / 'splits.json').read_text())
    assert set(splits['xsub_train']) | set(splits['xsub_val']) == set(
        splits['xsub_train_full'])
    assert set(splits['xsub_test']) == {
        clip.name for clip in clips if 'P003' in clip.name}


def test_nothing_left_out_nothing_missing(ntu):
    prepared = preparation.prepare('ntu60', ['xsub'], ntu, leave_out=())
    assert len(prepared.clips) == 1437
    assert len(prepared.missing) == 3
    prepared = preparation.prepare(
        'ntu60', [], ntu, expected=['S001C001P001R001A002', 'S009.avi'])
    assert prepared.missing == ['S009']
    assert len(prepared.splits) == 8


def test_only_the_classes_of_the_split(tmp_path, main, capsys):
    names = [f'{a}_p{p}_r00_v01_c{c}' for a in ('Walk', 'WatchTV')
             for p in ('03', '19', '02') for c in ('01', '02', '03', '05')]
    videos = touch(tmp_path / 'videos', names, '.mp4')
    prepared = preparation.prepare('smarthome', ['cv1'], videos)
    assert '12 of other actions than the 19 classes' in prepared.notes[1]
    # camera 3 is in no split of CV1
    assert len(prepared.clips) == 9
    assert {name: len(clips) for name, clips in prepared.splits.items()} == {
        'cv1_train': 3, 'cv1_val': 3, 'cv1_test': 3, 'cv1_train_full': 3}
    prepared = preparation.prepare('smarthome', ['cs'], videos)
    assert {name: len(clips) for name, clips in prepared.splits.items()} == {
        'cs_train': 8, 'cs_val': 8, 'cs_test': 8, 'cs_train_full': 16}
    assert main(['smarthome', 'cs', 'cv1', videos, '--out',
                 str(tmp_path / 'out')]) == 2
    assert 'different classes' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_official_lists(tmp_path):
    """UCF101's lists say what the rule says."""
    names = [f'v_{c}_g{g:02d}_c01' for c in ('Archery', 'YoYo')
             for g in range(1, 26)]
    videos = touch(tmp_path / 'videos', names)
    for name, groups, label in (('train', range(8, 26), ' 3'),
                                ('test', range(1, 8), '')):
        (tmp_path / f'{name}list01.txt').write_text(''.join(
            f'Archery/v_Archery_g{g:02d}_c01.avi{label}\n' for g in groups)
            + f'YoYo/v_YoYo_g{groups[0]:02d}_c02.avi{label}\n')
    prepared = preparation.prepare('ucf101', [
        'split1', f'official_train={tmp_path}/trainlist01.txt',
        f'official_test={tmp_path}/testlist01.txt'], videos)
    of_class = {key: [n for n in members if 'Archery' in n]
                for key, members in prepared.splits.items()}
    assert of_class['split1_test'] == of_class['official_test']
    assert of_class['split1_train_full'] == of_class['official_train']
    assert prepared.missing == ['v_YoYo_g01_c02', 'v_YoYo_g08_c02']
    assert prepared.table[-1] == ['official_test', '7', '8', '1 missing']
    alone = preparation.prepare(
        'ucf101', [f'train={tmp_path}/trainlist01.txt'], videos)
    assert list(alone.splits) == ['train'] and len(alone.classes) == 101


@pytest.fixture
def folder(tmp_path):
    for kind, count in (('bow', 10), ('wave', 20)):
        touch(tmp_path / 'mine' / kind, [f'{kind}{i:02d}' for i in
                                         range(count)], '.mp4')
    return str(tmp_path / 'mine')


def test_folder_by_chance(folder):
    first = preparation.prepare('folder', [], folder, test=0.3, val=0.1)
    sizes = {name: len(clips) for name, clips in first.splits.items()}
    # 3 + 6 test; of 7 + 14 a tenth, at least one a class, validates
    assert sizes == dict(train=19, val=2, test=9, train_full=21)
    assert sum(n.startswith('bow') for n in first.splits['test']) == 3
    assert first.classes == ['bow', 'wave']
    assert first.labels['wave03'] == 1
    assert set(first.splits['train_full']) | set(first.splits['test']) == set(
        first.labels)
    again = preparation.prepare('folder', ['random'], folder, test=0.3)
    assert again.splits == first.splits
    assert again.rule == dict(by='chance', seed=0)
    other = preparation.prepare('folder', [], folder, test=0.3, seed=1)
    assert other.splits != first.splits


def test_folder_by_names(tmp_path):
    """By person, as hpnet extract does; 'random' divides by chance."""
    for kind in ('bow', 'wave'):
        touch(tmp_path / 'mine' / kind, [
            f'person{p:02d}_{kind}{i}' for p in range(10) for i in range(2)],
            '.mp4')
    prepared = preparation.prepare('folder', [], str(tmp_path / 'mine'))
    assert prepared.rule == dict(by='name', field='person', seed=0)
    assert any('by person, as names tell' in note for note in prepared.notes)
    people = {part: {name[:8] for name in members}
              for part, members in prepared.splits.items()}
    assert [len(people[part]) for part in ('train', 'val', 'test')] == [
        7, 1, 2]
    assert not people['train_full'] & people['test']
    assert preparation.prepare('folder', ['random'], str(
        tmp_path / 'mine')).rule == dict(by='chance', seed=0)


def test_prepared_again_with_more_clips(folder, tmp_path, main):
    """Clips that are added move none; another seed divides anew."""
    out = tmp_path / 'lists'

    def splits(*more):
        assert main(['folder', folder, '--out', str(out), *more]) == 0
        return json.loads((out / 'splits.json').read_text())

    first = splits()
    touch(tmp_path / 'mine/bow', [f'bow{i}' for i in range(100, 130)], '.mp4')
    second = splits()
    for part, names in first.items():
        assert set(names) < set(second[part])
    assert len(second['test']) == 8 + 4
    third = splits('--seed', '1')
    assert not set(first['test']) <= set(third['test'])
    assert splits('--seed', '1') == third


def test_facts_are_written(folder, ntu, tmp_path, main):
    assert main(['ntu60', 'xview', 'xsub', ntu, '--out',
                 str(tmp_path / 'ntu')]) == 0
    facts = read_facts(str(tmp_path / 'ntu'))
    assert (facts.name, facts.people) == ('ntu60_xview', 2)
    assert facts.use == dict(train='xview_train_full', val='xview_test',
                             test='xview_test')
    assert facts.fusion['hpnet'] == 3 and facts.fusion_published
    splits = json.loads((tmp_path / 'ntu/splits.json').read_text())
    assert facts.splits == {name: len(m) for name, m in splits.items()}
    assert main(['folder', folder, '--out', str(tmp_path / 'f')]) == 0
    facts = read_facts(str(tmp_path / 'f'))
    assert (facts.classes, facts.benchmark) == (('bow', 'wave'), None)
    assert facts.use == dict(train='train', val='val', test='test')


def test_folders_of_splits(tmp_path):
    """Kinetics: val is reported, since nobody knows the test labels."""
    for part, count in (('train', 10), ('val', 2)):
        for kind in ('bow', 'wave'):
            touch(tmp_path / 'k' / part / kind,
                  [f'{part}_{kind}{i}' for i in range(count)], '.mp4')
    prepared = preparation.prepare('folder', ['folders'], str(tmp_path / 'k'))
    assert {name: len(clips) for name, clips in prepared.splits.items()
            } == dict(train=18, val=2, test=4, train_full=20)
    assert all(name.startswith('val_') for name in prepared.splits['test'])


def test_lists_that_label(tmp_path):
    """Kinetics' csv and Something-Something's json over flat folders."""
    videos = touch(tmp_path / 'k', ['aa_000001_000011', 'bb_000010_000020',
                                    'cc_000000_000010'], '.mp4')
    head = 'label,youtube_id,time_start,time_end,split\n'
    (tmp_path / 'train.csv').write_text(
        head + 'bowing,aa,1,11,train\nwaving,bb,10,20,train\n'
        'waving,gone,10,20,train\n')
    (tmp_path / 'test.csv').write_text(head + 'bowing,cc,0,10,test\n')
    prepared = preparation.prepare(
        'folder', [f'train={tmp_path}/train.csv', f'val={tmp_path}/test.csv'],
        videos)
    assert prepared.classes == ['bowing', 'waving']
    assert prepared.labels == dict(aa_000001_000011=0, bb_000010_000020=1,
                                   cc_000000_000010=0)
    assert prepared.missing == ['gone_000010_000020']

    videos = touch(tmp_path / 's', ['1', '2'], '.webm')
    for name, clip in (('train', '1'), ('test', '2')):
        (tmp_path / f'{name}.json').write_text(json.dumps([dict(
            id=clip, label='moving a cup', template='Moving [something]')]))
    prepared = preparation.prepare(
        'folder', [f'val={tmp_path}/train.json', f'test={tmp_path}/test.json'
                   ], videos)
    assert prepared.classes == ['Moving something']
    assert prepared.splits == dict(val=['1'], test=['2'])


def test_released_features(tmp_path, main):
    source = tmp_path / 'npy'
    touch(source, ['S001C001P001R001A001', 'S001C001P001R001A050'], '.npy')
    out = tmp_path / 'out'
    assert main(['ntu60', 'xsub', str(source), '--out', str(out)]) == 0
    assert (out / 'labels.txt').read_text() == (
        'S001C001P001R001A001 0\nS001C001P001R001A050 49\n')
    assert not (out / 'clips.txt').exists()


@pytest.mark.parametrize('splits, source, message', [
    (['ntu60', 'xsub'], 'mine', r'30 of 30 clips are not named by the rule.*'
     r"'bow00' is no clip of ntu60"),
    (['ntu60', 'cross'], 'mine', "no split 'cross'"),
    (['ntu', 'xsub'], 'mine', "unknown benchmark 'ntu'"),
    (['folder', 'xsub'], 'mine', "a folder is split 'random'"),
    (['folder'], 'mine/bow', 'says nowhere'),
    (['folder'], 'absent', 'no such video'),
    (['folder', 'folders'], 'mine', 'expected folders train and test'),
    (['folder', 'train=absent.txt'], 'mine', 'absent.txt: No such file'),
    (['folder', 'train=other.txt'], 'mine', 'none of its 1 clips is there'),
    (['folder', 'train=own.txt', 'test=own.txt'], 'mine',
     "'bow00' is in 'train' and in 'test'"),
    (['folder', 'train=own.csv'], 'mine', 'own.csv is no list of clips'),
])
def test_errors(folder, tmp_path, monkeypatch, main, capsys, splits, source,
                message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'other.txt').write_text('x.mp4 bow\n')
    (tmp_path / 'own.txt').write_text('bow00\n')
    (tmp_path / 'own.csv').write_text('a,b\n1,2\n')
    assert main([*splits, source, '--out', 'out']) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / 'out').exists()

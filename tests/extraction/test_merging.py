"""Dataset folders merged, split and packed anew: the same clips, bit by bit.

``python tools/soak_store.py`` kills the merge at each of its calls.
"""
import filecmp
import json
import os

import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.datasets.annotations import read_annotations
from hpnet_plugin.extraction.checking import check_folder
from hpnet_plugin.extraction.joining import JoinError, read_source
from hpnet_plugin.extraction.merging import combine
from hpnet_plugin.facts import read_facts
from hpnet_plugin.store import FeatureStore, StoreError, fingerprint


@pytest.fixture(scope='module')
def damage(tool):
    return tool('damage')


@pytest.fixture(scope='module')
def folders(damage, tmp_path_factory):
    """Nobody may write into them."""
    place = tmp_path_factory.mktemp('folders')
    return [damage.make(place / 'one'),
            damage.make(place / 'two', range(20, 23))]


def join(out, *folders, **options):
    combine([read_source(str(folder)) for folder in folders], str(out),
            'a test', say=lambda text: None, **options)
    assert check_folder(str(out)) == []
    return out


def test_merged(damage, folders, tmp_path, capsys):
    out = tmp_path / 'both'
    assert main(['store', 'merge', *map(str, folders), '--out',
                 str(out)]) == 0
    printed = capsys.readouterr().out
    assert '8 clips (train 5, test 3), fingerprint ' + fingerprint(
        out / 'features') in printed
    assert check_folder(str(out)) == []
    assert damage.contents(out) == {
        **damage.contents(folders[0]), **damage.contents(folders[1])}
    record = json.loads((out / 'extraction.json').read_text())
    assert [source['clips'] for source in record['sources']] == [5, 3]
    assert record['sources'][0]['store'] == fingerprint(
        folders[0] / 'features')
    crops = 'crops/c00.mp4'
    assert (out / crops).read_bytes() == (folders[0] / crops).read_bytes()
    assert main(['store', 'merge', *map(str, folders), '--out',
                 str(out)]) == 2
    assert f'{out} is there already: take another' in capsys.readouterr().err


def test_split_and_merged_again(damage, folders, tmp_path):
    both = join(tmp_path / 'both', *folders)
    assert main(['store', 'split', str(both), '--parts', '3', '--out',
                 str(tmp_path / 'part')]) == 0
    parts = [tmp_path / f'part_{i}of3' for i in (1, 2, 3)]
    assert sum(len(FeatureStore(part / 'features')) for part in parts) == 8
    again = join(tmp_path / 'again', *reversed(parts))
    assert fingerprint(again / 'features') == fingerprint(both / 'features')
    names = sorted(os.listdir(both / 'features'))
    assert filecmp.cmpfiles(both / 'features', again / 'features', names,
                            shallow=False)[1:] == ([], [])
    ours, theirs = (read_annotations(folder / 'annotations.pkl')
                    for folder in (both, again))
    assert ours.clips == theirs.clips
    assert {split: set(names) for split, names in ours.splits.items()} == {
        split: set(names) for split, names in theirs.splits.items()}


@pytest.mark.parametrize('options, expected', [
    (['--split', 'test'], {'c01', 'c03'}),
    (['--classes', 'fall'], {'c00', 'c02', 'c04'}),
    (['--clips', 'list.txt'], {'c00', 'c03'})])
def test_some_clips(folders, tmp_path, options, expected, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'list.txt').write_text('c00\n\nc03\n')
    assert main(['store', 'split', str(folders[0]), *options, '--out',
                 'some']) == 0
    assert set(FeatureStore('some/features').names) == expected
    assert check_folder('some') == []
    labels = {clip['frame_dir']: clip['label'] for clip in read_annotations(
        'some/annotations.pkl').clips}
    assert labels == {name: int(name[1:]) % 2 for name in expected}
    assert read_facts('some').classes == ('fall', 'wave')
    assert not os.path.exists('some/failures.jsonl')


def test_packed_as_one_writer_would(damage, folders, tmp_path):
    """Byte for byte the shards of one run, of whatever they were before."""
    small = join(tmp_path / 'small', folders[0], shard_bytes=1)
    assert len(list((small / 'features').glob('*.safetensors'))) == 5
    packed = join(tmp_path / 'packed', small, shard_bytes=400)
    names = sorted(os.listdir(folders[0] / 'features'))
    assert sorted(os.listdir(packed / 'features')) == names
    assert filecmp.cmpfiles(folders[0] / 'features', packed / 'features',
                            names, shallow=False)[1:] == ([], [])
    for name in ('annotations.pkl', 'splits.json', 'failures.jsonl',
                 'dataset.json', 'classes.txt'):
        assert (packed / name).read_bytes() == \
            (folders[0] / name).read_bytes(), name


def relabel(folder, classes, splits):
    """Write a folder's lists anew, with other classes and splits."""
    from hpnet_plugin.datasets.clips import SourceClip
    from hpnet_plugin.extraction.dataset import write_dataset
    names = FeatureStore(folder / 'features').names
    write_dataset(str(folder), [SourceClip(name, '') for name in names],
                  {name: i % 2 for i, name in enumerate(names)}, classes,
                  splits, {}, dict(FeatureStore(folder / 'features').meta,
                                   crops=None))


def test_classes_by_name(damage, folders, tmp_path):
    other = damage.make(tmp_path / 'other', range(30, 34), crops=False)
    relabel(other, ['wave', 'jump'], dict(train=['c30', 'c31']))
    out = join(tmp_path / 'out', folders[1], other)
    assert read_facts(str(out)).classes == ('fall', 'wave', 'jump')
    labels = {clip['frame_dir']: clip['label'] for clip in read_annotations(
        out / 'annotations.pkl').clips}
    assert labels == dict(c20=0, c21=1, c22=0, c30=1, c31=2, c32=1, c33=2)
    assert not (out / 'crops').exists()  # one of them has none


def test_what_does_not_fit(damage, folders, tmp_path, capsys):
    net = damage.make(tmp_path / 'net', range(40, 42), net='b', crops=False)
    with pytest.raises(StoreError, match=r'pose.sha256: "aaa.*"bbb'):
        join(tmp_path / 'out', folders[0], net)
    same = join(tmp_path / 'same', folders[0])
    assert len(FeatureStore(join(tmp_path / 'once', folders[0], same)
                            / 'features')) == 5
    relabel(same, ['fall', 'wave'], dict(
        train=['c01', 'c03'], test=['c00', 'c02', 'c04']))
    with pytest.raises(JoinError, match="5 clips would be trained on and "
                       r"tested: c00 \(\['train'\] and \['test'\]\)"):
        join(tmp_path / 'out', folders[0], same)
    relabel(same, ['wave', 'fall'], dict(train=['c00']))
    with pytest.raises(JoinError, match='5 clips of one name are not the '
                       'same in two folders: c00'):
        join(tmp_path / 'out', folders[0], same)
    assert not (tmp_path / 'out').exists()
    assert main(['store', 'split', str(folders[0]), '--split', 'none',
                 '--out', str(tmp_path / 'out')]) == 2
    assert "no split 'none'; there are train, test" in \
        capsys.readouterr().err


def test_taps_that_are_kept(damage, folders, tmp_path):
    with pytest.raises(StoreError, match="no tap 'h9'; there are"):
        join(tmp_path / 'out', folders[0], taps=['h9'])

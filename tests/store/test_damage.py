"""Damage of every kind is named, and repaired without a sound clip lost.

``python tools/damage.py`` does all of it, to each byte of each file; here is
some of each kind.
"""
import itertools
import json
import os
import random
import shutil

import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.extraction.checking import check_folder
from hpnet_plugin.extraction.mending import repair_folder
from hpnet_plugin.store import (
    FeatureStore,
    StoreError,
    StoreWriter,
    clip_checksums,
    fingerprint,
    repair,
    verify,
)


@pytest.fixture(scope='module')
def damage(tool):
    return tool('damage')


@pytest.fixture(scope='module')
def good(damage, tmp_path_factory):
    """Nobody may write into it."""
    return damage.make(tmp_path_factory.mktemp('good') / 'mine')


@pytest.fixture
def folder(good, tmp_path):
    shutil.copytree(good, tmp_path / 'mine')
    return tmp_path / 'mine'


def test_what_the_extraction_writes_is_sound(good, folder):
    assert check_folder(str(good)) == []
    said = []
    assert repair_folder(str(folder), said.append) == []
    assert said == [f'{folder} is sound']


@pytest.mark.parametrize('kind', ['rebuilt', 'exchanges', 'sizes', 'flips'])
def test_some_of_each_kind(damage, good, tmp_path, kind):
    rng = random.Random(len(kind))
    if kind == 'exchanges':
        found = damage.exchanges(good, {
            'another net': damage.make(tmp_path / 'net', net='b',
                                       crops=False),
            'another dataset': damage.make(tmp_path / 'other', range(20, 25),
                                           crops=False)})
    elif kind == 'rebuilt':
        found = damage.rebuilt(good)
    else:
        found = getattr(damage, kind)(good, rng)
    found = list(found)
    copy = tmp_path / 'mine'
    shutil.copytree(good, copy)
    some = rng.sample(found, 12)
    _, _, wrong = damage.study(copy, iter(some), 5)
    assert wrong == []


def test_the_fingerprint_is_of_the_clips_alone(damage, tmp_path):
    """Neither shards, nor writers, nor their order; but any other change."""
    meta = dict(taps=damage.TAPS, net='a')

    def fill(name, groups, meta=meta, **changed):
        for prefix, seeds in groups.items():
            with StoreWriter(tmp_path / name, meta, prefix=prefix,
                             shard_bytes=changed.get('size', 400)) as writer:
                for seed in seeds:
                    writer.add(f'c{seed}', damage.arrays(
                        seed + changed.get('plus', 0)),
                        changed.get('info', dict(fps=10.)))
        return fingerprint(tmp_path / name)

    first = fill('a', {'': range(5)})
    assert first == fill('b', {'': [3, 1, 4, 0, 2]}, size=1 << 20)
    assert first == fill('c', {'2of2-': [4, 2], '1of2-': [0, 1, 3]})
    others = [fill('d', {'': range(4)}), fill('e', {'': range(5)}, plus=2),
              fill('f', {'': range(5)}, dict(meta, net='b')),
              fill('g', {'': range(5)}, info=dict(fps=11.))]
    assert len({first, *others}) == 5
    sums = clip_checksums(tmp_path / 'a')
    assert sums == clip_checksums(tmp_path / 'c')
    assert list(sums) == [f'c{i}' for i in range(5)]
    # of shards that the consolidated index does not list yet
    fill('h', {'': [1, 3, 4]})
    writer = StoreWriter(tmp_path / 'h', meta, prefix='x-')
    for seed in (0, 2):
        writer.add(f'c{seed}', damage.arrays(seed), dict(fps=10.))
    writer.flush()
    writer.suspend()
    assert fingerprint(FeatureStore(tmp_path / 'h')) == first


def break_clip(folder, name='c01', key='h2'):
    store = FeatureStore(folder / 'features')
    data = store.read(name, key).tobytes()
    path = next(path for path in (folder / 'features').glob('*.safetensors')
                if data in path.read_bytes())
    content = bytearray(path.read_bytes())
    content[content.index(data)] ^= 1
    del store
    path.unlink()  # what maps the file goes on with the old one
    path.write_bytes(content)


def test_one_damaged_clip_of_a_shard(damage, folder, good, capsys):
    before = damage.contents(good)
    break_clip(folder)
    assert main(['verify', str(folder)]) == 3
    assert 'c01, h2: damaged' in capsys.readouterr().out
    assert main(['verify', '--repair', str(folder)]) == 0
    printed = capsys.readouterr().out
    assert 'clip c01 was dropped' in printed
    assert '00000.safetensors: 2 of 3 clips were kept' in printed
    assert main(['verify', str(folder)]) == 0
    assert f'fingerprint {fingerprint(folder / "features")}' in \
        capsys.readouterr().out
    after = damage.contents(folder)
    del before['c01']
    assert after == before
    splits = json.loads((folder / 'extraction.json').read_text())['splits']
    assert splits == dict(train=3, test=1)
    # made again by the same run as before
    damage.make(folder)
    assert damage.contents(folder) == damage.contents(good)
    assert fingerprint(folder / 'features') == fingerprint(good / 'features')
    assert check_folder(str(folder)) == []


def test_clips_in_two_shards(damage, folder, good):
    """The same bits once; of others neither, unless it was noted which."""
    before = damage.contents(good)
    root = folder / 'features'
    for suffix in ('.index', '.safetensors'):
        shutil.copyfile(good / f'features/00000{suffix}',
                        root / f'00005{suffix}')
    # an index names its shard: one of another name is no index
    assert any('it is the index of 00000' in line for line in verify(root))
    repair(root, say=lambda text: None)
    assert damage.contents(folder) == before
    meta = dict(taps=damage.TAPS, pose=dict(config='net.py',
                                            sha256='a' * 64))
    other = folder.parent / 'other'
    with StoreWriter(other, meta, prefix='x-') as writer:
        writer.add('c00', damage.arrays(7), dict(img_shape=[48, 64]))
    for suffix in ('.index', '.safetensors'):
        shutil.copyfile(other / f'x-00000{suffix}', root / f'x-00000{suffix}')
    with pytest.raises(StoreError, match="'c00' is in"):
        FeatureStore(root)
    shutil.copytree(folder, folder.parent / 'told')
    dropped = repair(root, say=lambda text: None)
    assert dropped == ['c00'] and 'c00' not in FeatureStore(root)
    assert repair_folder(str(folder.parent / 'told'), lambda text: None) == []
    assert damage.contents(folder.parent / 'told') == before


def test_shards_of_another_pose_net_are_refused(damage, folder, tmp_path):
    net = damage.make(tmp_path / 'net', net='b', crops=False)
    for suffix in ('.index', '.safetensors'):
        shutil.copyfile(net / f'features/00000{suffix}',
                        folder / f'features/net-00000{suffix}')
    shutil.copyfile(net / 'features/consolidated.index',
                    folder / 'features/consolidated.index')
    for refuses in (lambda: FeatureStore(folder / 'features'),
                    lambda: fingerprint(folder / 'features')):
        with pytest.raises(StoreError, match='made by another pose net'):
            refuses()


def test_repair_killed_at_any_write(damage, folder, good, monkeypatch):
    """Between any two changes of a file nothing sound is lost."""
    before = damage.contents(good)
    break_clip(folder, 'c01')
    break_clip(folder, 'c03')
    left = folder.parent / 'left'
    for number in itertools.count(1):
        shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(folder, left)
        calls = itertools.count(1)

        def counted(function, calls=calls, number=number):
            def call(*args):
                if next(calls) == number:
                    raise KeyboardInterrupt
                return function(*args)
            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, 'unlink', counted(os.unlink))
            patch.setattr(os, 'replace', counted(os.replace))
            try:
                repair(left / 'features', say=lambda text: None)
                break
            except KeyboardInterrupt:
                pass
        repair(left / 'features', say=lambda text: None)
        assert verify(left / 'features') == []
        after = damage.contents(left)
        assert after == {name: before[name] for name in
                         ('c00', 'c02', 'c04')}
    assert number > 8


def test_a_damaged_journal(damage, tmp_path):
    root = tmp_path / 'features'
    meta = dict(taps=damage.TAPS)
    writer = StoreWriter(root, meta)
    for seed in range(4):
        writer.add(f'c{seed}', damage.arrays(seed), {})
    writer.suspend()
    assert verify(root) == []
    data = bytearray((root / 'journal').read_bytes())
    data[len(data) // 4 + 60] ^= 1  # of the second clip
    (root / 'journal').write_bytes(data)
    problem, = verify(root)
    assert 'journal' in problem and '3 are sound' in problem
    repair(root, say=lambda text: None)
    assert verify(root) == []
    with StoreWriter(root, meta) as writer:
        assert writer.names == {'c0', 'c2', 'c3'}


def test_refusals(folder):
    with StoreWriter(folder / 'features', FeatureStore(
            folder / 'features').meta) as writer:
        assert writer.names
        with pytest.raises(StoreError, match='has a writer'):
            repair(folder / 'features')
    (folder / 'features/meta.json').write_text('[]')
    with pytest.raises(StoreError, match='nothing can be kept'):
        repair(folder / 'features', say=lambda text: None)
    assert main(['verify', '--repair', str(folder)]) == 0  # from its copy


def test_padding_and_spelling_count(folder):
    """What has no checksum is what its own content is written as."""
    root = folder / 'features'
    shard = bytearray((root / '00000.safetensors').read_bytes())
    text = (root / 'meta.json').read_bytes()
    length = int.from_bytes(shard[:8], 'little')
    header = shard[8:8 + length].rstrip()
    assert len(header) < length, 'no padding to change'
    for change in (
            lambda: shard.__setitem__(8 + length - 1, ord('\t')),
            lambda: (root / 'meta.json').write_bytes(
                text.replace(b':', b': ', 1))):
        before = bytes(shard)
        change()
        (root / '00000.safetensors').write_bytes(shard)
        problem, = verify(root)
        assert 'is not what its own content is written as' in problem
        assert len(FeatureStore(root)) == 5
        shard[:] = before
        (root / '00000.safetensors').write_bytes(shard)
        (root / 'meta.json').write_bytes(text)
        assert verify(root) == []

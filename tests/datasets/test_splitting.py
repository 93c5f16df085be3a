"""Clips that come without splits: who trains, who validates, who tests."""
import json
from collections import Counter

import pytest

from hpnet_plugin.datasets.clips import SourceError
from hpnet_plugin.datasets.splitting import (
    choose_share,
    divide,
    divide_folder,
    find_groups,
)
from hpnet_plugin.facts import Facts, write_facts


def clips(classes=3, each=20):
    names = {f'k{k}_{i:03d}': k for k in range(classes) for i in range(each)}
    return list(names), names


def check(splits, names):
    """Every clip is in one part."""
    every = [name for members in splits.values() for name in members]
    assert sorted(every) == sorted(names)
    return {part: len(members) for part, members in splits.items()}


def test_by_chance():
    names, labels = clips()
    first = divide(names, labels)
    assert check(first.splits, names) == dict(train=42, val=6, test=12)
    assert first.rule == dict(by='chance', seed=0)
    for part, each in (('train', 14), ('val', 2), ('test', 4)):
        assert set(Counter(labels[name] for name in first.splits[part]
                           ).values()) == {each}
    assert divide(names[::-1], labels) == first
    assert divide(names, labels, seed=1).splits != first.splits
    assert 'by chance within each class, seed 0: train 42, val 6, test 12' \
        in first.text


@pytest.mark.parametrize('each, sizes', [
    (1, dict(train=2)), (2, dict(train=2, test=2)),
    (3, dict(train=2, val=2, test=2)), (4, dict(train=4, val=2, test=2)),
    (10, dict(train=14, val=2, test=4))])
def test_tiny(each, sizes):
    names, labels = clips(2, each)
    divided = divide(names, labels)
    assert check(divided.splits, names) == sizes
    assert ('nothing is tested' in divided.text) == (each == 1)


def test_some_classes_of_one_clip():
    names, labels = clips(2, 10)
    divided = divide([*names, 'alone'], dict(labels, alone=2))
    assert 'alone' in divided.splits['train']
    assert '1 of the classes have no clip to test' in divided.text


def test_without_labels():
    divided = divide(['b', 'a'], {})
    assert divided.splits == dict(test=['a', 'b'])
    assert divided.rule == dict(by='nothing')
    assert 'mim test' in divided.text and 'not trained on' in divided.text


@pytest.mark.parametrize('pattern, field', [
    ('S001C001P{g:03d}R001A00{k}', 'subject (ntu120)'),
    ('S001C001P{g:03d}R001A90{k}', 'person (P000)'),
    ('Walk_p{g:02d}_r0{k}_v02_c03', 'subject (smarthome)'),
    ('v_Archery_g{g:02d}_c0{k}', 'group (ucf101)'),
    ('{k}_of_mine_g{g:02d}_c01', 'group'),
    ('person{g:02d}_walk{k}', 'person'), ('wave{k}_subject-{g}', 'person'),
    ('jump__p{g:02d}_{k}', 'person'), ('{k}-S{g:02d}-front', 'person'),
    ('film{g}_part{k}', 'video'), ('film{g}-clip_{k}', 'video'),
    ('film{g}_{k}', None), ('step{g}_{k}', None), ('p{g}_{k}', None),
    ('{g}_part', None), ('person_{k}_x', None)])
def test_what_names_tell(pattern, field):
    names = sorted({pattern.format(g=g, k=k) for g in range(1, 9)
                    for k in range(1, 6)})
    labels = {name: int(i) % 2 for i, name in enumerate(names)}
    divided = divide(names, labels)
    assert divided.rule.get('field') == field
    if field:
        groups = dict(find_groups(names))[field]
        of = {part: {groups[name] for name in members}
              for part, members in divided.splits.items()}
        assert len(of['train'] | of['val'] | of['test']) == 8
        assert not of['train'] & of['test'] and not of['val'] & of['test']
        assert not of['train'] & of['val']
        assert f'by {field}, as names tell' in divided.text
        for part in ('train', 'test'):
            assert {labels[n] for n in divided.splits[part]} == {0, 1}


def test_names_must_all_tell():
    names = [f'person{i % 5:02d}_{i}' for i in range(20)]
    labels = {name: i % 2 for i, name in enumerate(names)}
    assert divide(names, labels).rule['by'] == 'name'
    assert divide([*names, 'x'], dict(labels, x=0)).rule['by'] == 'chance'
    assert divide(names, labels, by_name=False).rule['by'] == 'chance'


def test_a_class_of_one_person_is_divided_by_chance():
    """By person, that class could not be trained and tested."""
    names = [f'person0{p}_{i}' for p in (1, 2, 3) for i in range(6)]
    labels = {name: int(name[7] == '3') for name in names}
    divided = divide(names, labels)
    assert divided.rule['by'] == 'chance'
    assert {labels[n] for n in divided.splits['test']} == {0, 1}


def test_two_people():
    names = [f'p{p:02d}_{k}{i}' for p in (1, 2) for k in 'ab'
             for i in range(5)]
    labels = {name: name[4] for name in names}
    divided = divide(names, labels)
    assert {p: len(m) for p, m in divided.splits.items()} == dict(train=10,
                                                                  test=10)


@pytest.mark.parametrize('pattern', ['k{k}_{i:03d}', 'k{k}_p{p:02d}_{i:03d}'])
@pytest.mark.parametrize('some', [30, 61, 90, 119])
def test_added_clips_move_none(pattern, some):
    labels = {pattern.format(k=i % 4, p=i % 10, i=i): i % 4
              for i in range(120)}
    names = sorted(labels, key=lambda name: name[-3:])
    first = divide(names[:some], labels)
    second = divide(names, labels, earlier=first.splits, rule=first.rule)
    check(second.splits, names)
    for part, members in first.splits.items():
        assert set(members) <= set(second.splits[part])
    assert second.rule == first.rule
    assert 15 <= len(second.splits['test']) <= 40
    if 'p' in pattern:
        person = {part: {n.split('_')[1] for n in members}
                  for part, members in second.splits.items()}
        assert not person['train'] & person['test']


def test_added_clips_of_a_new_kind():
    """The rule that was chosen first holds."""
    names = [f'person{i % 5:02d}_{i}' for i in range(20)]
    labels = {name: i % 2 for i, name in enumerate(names)}
    first = divide(names, labels)
    more = {**labels, **{f'other{i}': i % 2 for i in range(10)}}
    second = divide(list(more), more, earlier=first.splits, rule=first.rule)
    assert second.rule == first.rule
    assert all(set(first.splits[p]) <= set(second.splits[p])
               for p in first.splits)
    # labels that come later are no earlier division
    early = divide(names, {})
    assert early.rule == dict(by='nothing')


def test_no_share():
    names, labels = clips(2, 5)
    assert choose_share(names, labels, 0, 0) == set()
    assert 'val' not in divide(names, labels, val=0).splits


def test_folder(tmp_path):
    out = str(tmp_path)
    names, labels = clips(2, 10)
    first = divide_folder(out, names, labels, 3)
    assert first.rule['seed'] == 3
    facts = Facts('x', 'x', out, ('a', 'b'), 1, 16, {}, dict(
        train=14, val=2, test=4), {})
    write_facts(out, facts, split_rule=first.rule)
    (tmp_path / 'splits.json').write_text(json.dumps(
        first.splits))
    assert divide_folder(out, names, labels) == first
    with pytest.raises(SourceError, match='divided by seed 3, not 0'):
        divide_folder(out, names, labels, 0)
    with pytest.raises(SourceError, match='was given labels'):
        divide_folder(out, names, {})
    write_facts(out, facts, split_rule=dict(by='benchmark'))
    with pytest.raises(SourceError, match='was given splits'):
        divide_folder(out, names, labels)

"""Facts of benchmarks and of dataset folders."""
import ast
import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from hpnet_plugin import benchmark_files
from hpnet_plugin.benchmark_files import FactsError, numbers, read_benchmark
from hpnet_plugin.datasets import preparation
from hpnet_plugin.datasets.annotations import write_annotations
from hpnet_plugin.datasets.benchmarks import (
    BENCHMARKS,
    find_benchmark,
    label_of,
    published_clips,
    split_names,
)
from hpnet_plugin.datasets.folder import describe, parts_in_use
from hpnet_plugin.facts import (
    Facts,
    benchmark_facts,
    benchmark_names,
    read_facts,
    read_record,
    where_to_get,
    write_facts,
)
from hpnet_plugin.recipes import compose
from hpnet_plugin.store import FeatureStore, StoreWriter

FACTS = Facts('mine', 'Mine', 'data/mine', ('bow', 'wave'), 2, 32,
              dict(low=4), dict(train=7, test=3),
              dict(train='train', val='test', test='test'), 'short')


@pytest.mark.parametrize('name, classes, folder, protocol, people, frames', [
    ('ntu120', 120, 'ntu120', 'xsub', 2, 64),
    ('ntu120_xset', 120, 'ntu120', 'xset', 2, 64),
    ('ntu60_xsub', 60, 'ntu60', 'xsub', 2, 64),
    ('ntu60_xview', 60, 'ntu60', 'xview', 2, 64),
    ('smarthome_cs', 31, 'smarthome', 'cs', 2, 64),
    ('smarthome_cv1', 19, 'smarthome_cv', 'cv1', 2, 64),
    ('smarthome_cv2', 19, 'smarthome_cv', 'cv2', 2, 64),
    ('uav_human_csv1', 155, 'uav_human', 'csv1', 2, 64),
    ('uav_human_csv2', 155, 'uav_human', 'csv2', 2, 64),
    ('nw_ucla', 10, 'nw_ucla', 'xview', 1, 32),
    ('ucf101', 101, 'ucf101', 'split1', 2, 64)])
def test_benchmarks(name, classes, folder, protocol, people, frames):
    facts = benchmark_facts(name)
    assert name in benchmark_names()
    assert (facts.name, facts.benchmark) == (name, name)
    assert len(facts.classes) == classes
    assert facts.folder == f'data/{folder}'
    assert (facts.people, facts.frames) == (people, frames)
    assert facts.use == dict(train=f'{protocol}_train_full',
                             val=f'{protocol}_test', test=f'{protocol}_test')
    assert facts.splits[f'{protocol}_test'] == published_clips(
        facts.folder, f'{protocol}_test') is not None
    assert next(iter(facts.taps.items())) == (
        'backbone.stage4.0.branches.1', 96)
    assert facts.size == 'full'


def test_small():
    facts = benchmark_facts('nw_ucla_synthetic')
    assert (facts.size, facts.schedule) == ('small', 'small')
    assert facts.splits == dict(train=None, test=None)
    assert facts.use == dict(train='train', val='test', test='test')
    assert set(facts.taps.values()) == {128, 96}
    assert (facts.people, facts.frames) == (1, 32)
    assert facts.classes == benchmark_facts('nw_ucla').classes


def test_former_name(tmp_path):
    """nw_ucla_synthetic was called nw_ucla_small; both are understood."""
    facts = benchmark_facts('nw_ucla_synthetic')
    assert benchmark_facts('nw_ucla_small') == facts
    assert benchmark_facts('NW-UCLA-small') == facts
    assert find_benchmark('nw_ucla_small')[0] == 'nw_ucla_synthetic'
    config = compose('stream', benchmark='nw_ucla_small')
    assert config['benchmark'] == 'nw_ucla_synthetic'
    assert config == compose('stream', benchmark='nw_ucla_synthetic')
    write_facts(tmp_path, dataclasses.replace(
        facts, name='nw_ucla_small', benchmark='nw_ucla_small'))
    found = read_facts(tmp_path)
    assert (found.name, found.benchmark) == ('nw_ucla_synthetic', ) * 2


def test_names_of_benchmarks():
    assert benchmark_facts('ntu60') == benchmark_facts('NTU60-xsub')
    assert benchmark_facts('ntu120_xsub') == benchmark_facts('ntu120')
    for wrong, close in (('ntu60_xset', 'ntu60_xsub'), ('ucf10', 'ucf101')):
        with pytest.raises(FactsError, match=f'the closest: .*{close}'):
            benchmark_facts(wrong)


def test_fusion():
    """The authors' weights; of UAV-Human none is published."""
    for name, weight, published in (
            ('ntu120', 6, True), ('ntu60_xsub', 4, True),
            ('ntu60_xview', 3, True), ('smarthome_cs', 11, True),
            ('smarthome_cv1', 4, True), ('smarthome_cv2', 8, True),
            ('uav_human_csv1', 6, False)):
        facts = benchmark_facts(name)
        assert facts.fusion == dict(hp_j=.1, hp_b=.1, hp_jm=.1, hp_bm=.1,
                                    hpnet=weight)
        assert facts.fusion_published == published


def test_where_to_get():
    for name in ('ntu120_xset', 'data/ntu120', 'data/ntu120/'):
        found = where_to_get(name)
        assert found.title == 'NTU RGB+D 120'
        assert found.address.startswith('https://rose1')
        assert found.prepare == 'ntu120 xsub xset'
        assert found.folder == 'data/ntu120'
    assert where_to_get('data/smarthome_cv').prepare == 'smarthome cv1 cv2'
    assert where_to_get('data/smarthome').prepare == 'smarthome cs'
    assert where_to_get('data/mine') is None
    # every benchmark but the one that is drawn can be had
    for name in benchmark_names():
        assert (where_to_get(name).address is None) == (
            name == 'nw_ucla_synthetic')


def literals(path):
    """Numbers of a Python or YAML file, and lists of numbers."""
    text = path.read_text(encoding='utf-8')
    if path.suffix != '.py':
        text = re.sub(r'(?m)#.*$', '', text)
        return {int(n.replace(',', '')) for n in re.findall(
            r'(?<![\w.])\d[\d,]*(?![\w.])', text)}, set()
    found, lists = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            found.add(node.value)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            values = [item.value for item in node.elts
                      if isinstance(item, ast.Constant)
                      and type(item.value) is int]
            lists.add(frozenset(values))
    return found, lists


def test_no_number_in_two_places(root):
    """Published counts and subjects stand in the benchmark's file alone."""
    counts, subjects = set(), []
    for benchmark in map(read_benchmark, BENCHMARKS):
        for rule in benchmark['protocols'].values():
            counts |= set(rule.get('published', {}).values())
            subjects += [numbers(rule[part]) for part in ('train', 'test')
                         if len(rule.get(part, ())) > 4]
    assert len(counts) > 20 and len(subjects) > 5
    files = [path for folder in ('hpnet_plugin', 'configs', 'tools')
             for path in (root / folder).rglob('*')
             if path.suffix in ('.py', '.yml', '.yaml')
             and '.mim' not in path.parts]
    assert len(files) > 100
    for path in files:
        found, lists = literals(path)
        # 1,020 and smaller numbers mean many things
        twice = {n for n in found & counts if n > 1500}
        assert not twice, f'{path} repeats {twice} of a benchmark'
        for one in subjects:
            assert not any(len(one & other) > .8 * len(one | other)
                           for other in lists), \
                f'{path} repeats subjects of a benchmark'
    for path in files:
        if path.suffix == '.py' and {'configs', 'recipes'} & set(path.parts):
            for node in ast.walk(ast.parse(path.read_text())):
                assert not (isinstance(node, ast.keyword) and node.arg in (
                    'num_classes', 'num_person', 'clip_len') and isinstance(
                        node.value, ast.Constant) and node.value.value in (
                            2, 10, 19, 31, 60, 64, 101, 120, 155)), \
                    f'{path}: {node.arg} = {node.value.value} of a benchmark'
    # and in no two files of benchmarks
    texts = [path.read_text() for path in
             (benchmark_files.FOLDER / 'benchmarks').glob('*.json')]
    for count in counts:
        if count > 3000:
            assert sum(str(count) in text for text in texts) == 1


OWN = dict(
    title='Gestures', address='https://example.org', folder='data/gestures',
    people=1, frames=16, classes=['nod', 'shake', 'shrug'],
    names=dict(pattern=r'k(?P<actor>\d\d)_(?P<action>[a-c])\d',
               layout='kNN_XD of actor, action and take',
               example='k01_a1', actions=['a', 'b', 'c'], subject='actor'),
    protocols=dict(
        people=dict(title='by actor', by='actor', train=['1-3', 5],
                    held_out=[5], published=dict(test=3))))


@pytest.fixture
def own(tmp_path):
    path = tmp_path / 'gestures.json'
    path.write_text(json.dumps(OWN))
    return str(path)


def test_adding_a_benchmark_is_one_file(own, tmp_path):
    """Facts, labels, splits, preparation; nothing else is touched."""
    facts = benchmark_facts(own)
    assert facts.name == 'gestures_people' and facts.people == 1
    assert facts.classes == ('nod', 'shake', 'shrug')
    assert facts == benchmark_facts(f'{own}:people')
    assert facts.use['train'] == 'people_train_full'
    names = [f'k{actor:02d}_{action}1' for actor in range(1, 7)
             for action in 'abc']
    assert label_of(own, 'k04_b1') == 1
    assert split_names(own, 'people', names)['val'] == names[12:15]
    for name in names:
        (tmp_path / 'videos').mkdir(exist_ok=True)
        (tmp_path / f'videos/{name}.mp4').touch()
    prepared = preparation.prepare(own, [], str(tmp_path / 'videos'))
    assert {k: len(v) for k, v in prepared.splits.items()} == dict(
        people_train=9, people_val=3, people_test=6, people_train_full=12)
    assert ['people_test', '6', '3', '3 more'] in prepared.table
    preparation.write(prepared, str(tmp_path / 'lists'))
    written = read_facts(str(tmp_path / 'lists'))
    assert written.classes == facts.classes
    assert (written.people, written.frames) == (1, 16)
    assert written.use == facts.use
    assert benchmark_facts(written.benchmark) == facts


@pytest.mark.parametrize('change, message', [
    (dict(peple=1), "unknown key: 'peple'; the closest: people"),
    (dict(people=0), 'people = 0: expected a positive'),
    (dict(classes=['nod']), '3 actions, but 1 class names'),
    (dict(classes='gesturs.txt'), 'no such file of class names'),
    (dict(protocols={}), 'no protocols'),
    (dict(base='ntu61'), "unknown benchmark 'ntu61'"),
    (dict(protocols=dict(a=dict(title='', by='actors', train=[1]))),
     "no group 'actors'; it has actor, action"),
    (dict(protocols=dict(a=dict(title='', by='actor'))),
     'neither train nor test'),
    (dict(protocols=dict(a=dict(title='', by='actor', train=[1, 2],
                                test=[2]))), r'\[2\] are in train and in'),
    (dict(protocols=dict(a=dict(title='', by='actor', train=['x']))),
     'invalid literal'),
    (dict(names=dict(OWN['names'], example='k1')), 'does not follow'),
    (dict(names=dict(OWN['names'], pattern='(')), 'unterminated'),
    (dict(names=3), 'names')])
def test_files_of_ones_own_are_checked(tmp_path, change, message):
    path = tmp_path / 'gestures.json'
    path.write_text(json.dumps({**OWN, **change}))
    with pytest.raises(FactsError, match=message):
        benchmark_facts(str(path))


def test_no_file(tmp_path):
    with pytest.raises(FactsError, match='No such file'):
        benchmark_facts(str(tmp_path / 'x.json'))
    (tmp_path / 'x.json').write_text('[1]')
    with pytest.raises(FactsError, match='expected a JSON object'):
        benchmark_facts(str(tmp_path / 'x.json'))
    (tmp_path / 'y.json').write_text('{')
    with pytest.raises(FactsError, match='is no JSON file'):
        benchmark_facts(str(tmp_path / 'y.json'))


def test_write_and_read(tmp_path):
    folder = str(tmp_path / 'moved')
    write_facts(folder, FACTS, split_rule=dict(by='chance', seed=3))
    assert read_facts(folder) == dataclasses.replace(FACTS, folder=folder)
    assert read_record(folder)['split_rule'] == dict(by='chance', seed=3)
    assert read_record(str(tmp_path)) == {}


@pytest.mark.parametrize('change, message', [
    (dict(people='2'), "people = '2': expected a positive whole number"),
    (dict(frames=None), 'frames'), (dict(classes='ab'), None),
    (dict(classes=[1]), 'classes'), (dict(taps=[1]), 'taps'),
    (dict(taps=dict(low='4')), 'taps'), (dict(splits=dict(a='1')), 'splits'),
    (dict(use=dict(train='trian')), 'some of the splits'),
    (dict(schedule='long'), 'schedule'), (dict(size=1), 'size'),
    (dict(format='x'), 'expected the format'),
    (dict(version=2), 'update it'), (dict(name=None), 'name')])
def test_damaged_facts(tmp_path, change, message):
    write_facts(str(tmp_path), FACTS)
    path = tmp_path / 'dataset.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if message is None:
        assert read_facts(str(tmp_path)).classes == ('a', 'b')
        return
    with pytest.raises(FactsError, match=message):
        read_facts(str(tmp_path))


def test_lacking_facts(tmp_path):
    write_facts(str(tmp_path), FACTS)
    path = tmp_path / 'dataset.json'
    content = json.loads(path.read_text())
    del content['people']
    path.write_text(json.dumps(content))
    with pytest.raises(FactsError, match="missing .*'people'"):
        read_facts(str(tmp_path))
    with pytest.raises(FileNotFoundError, match='is no dataset folder'):
        read_facts(str(tmp_path / 'nowhere'))


@pytest.mark.parametrize('frames, expected', [
    ([10, 12], 16), ([23] * 3, 16), ([24, 24, 90], 32), ([48, 47, 48], 64),
    ([], 16)])
def test_frames_of_a_folder(frames, expected):
    facts = describe('x', None, {}, {}, 1, frames)
    assert facts.frames == expected and facts.classes is None


def test_schedule_of_a_folder():
    for clips, schedule in ((4999, 'short'), (5000, 'paper')):
        facts = describe('a/b', ['x'], dict(train=clips), dict(t=3), 0, [30],
                         stored=48)
        assert (facts.schedule, facts.frames) == (schedule, 48)
        assert (facts.people, facts.name, facts.folder) == (1, 'b', 'a/b')


@pytest.mark.parametrize('splits, use', [
    (['train', 'val', 'test', 'train_full'],
     dict(train='train', val='val', test='test')),
    (['train', 'test'], dict(train='train', val='test', test='test')),
    (['test'], dict(val='test', test='test')),
    (['train'], dict(train='train')),
    (['xset_train', 'xset_test', 'xset_train_full', 'xsub_train'],
     dict(train='xset_train_full', val='xset_test', test='xset_test')),
    (['a_train', 'a_val', 'a_test'],
     dict(train='a_train', val='a_test', test='a_test')),
    (['xsub_train', 'xsub_val', 'xview_train', 'xview_val'],
     dict(train='xsub_train', val='xsub_val', test='xsub_val')),
    (['train', 'val'], dict(train='train', val='val', test='val')),
    (['all'], {}), ([], {})])
def test_parts_in_use(splits, use):
    assert parts_in_use(splits) == use


@pytest.mark.parametrize('splits, train', [
    (dict(train=['c0', 'c1'], test=['c2']), True),
    # of a run without --splits, before there was a dataset.json
    (dict(train=['c0', 'c1', 'c2'], test=['c0', 'c1', 'c2']), False)])
def test_folders_without_facts(tmp_path, splits, train):
    with StoreWriter(tmp_path / 'features', dict(taps=dict(low=2))) as writer:
        for i in range(3):
            writer.add(f'c{i}', dict(
                keypoint=np.ones((1 + i % 2, 30, 17, 2), 'f4'),
                keypoint_score=np.ones((1 + i % 2, 30, 17), 'f4'),
                low=np.ones((1 + i % 2, 30, 17, 2), 'f2')),
                dict(img_shape=[8, 8]))
    write_annotations(FeatureStore(tmp_path / 'features'),
                      str(tmp_path / 'annotations.pkl'),
                      dict(c0=0, c1=2, c2=0), splits)
    facts = read_facts(str(tmp_path))
    assert facts.classes == ('0', '1', '2')
    assert (facts.people, facts.frames, facts.taps) == (2, 32, dict(low=2))
    assert ('train' in facts.use) == train and facts.use['test'] == 'test'
    (tmp_path / 'classes.txt').write_text('a\nb\nc\n')
    assert read_facts(str(tmp_path)).classes == ('a', 'b', 'c')
    # without the list, and without features: as somebody else's annotations
    (tmp_path / 'annotations.clips.json').unlink()
    assert read_facts(str(tmp_path)).people == 2
    (tmp_path / 'features').rename(tmp_path / 'elsewhere')
    assert read_facts(str(tmp_path)).taps == {}
    (tmp_path / 'annotations.pkl').write_bytes(b'nothing')
    with pytest.raises(FactsError, match='its facts cannot be read'):
        read_facts(str(tmp_path))


def test_facts_are_light(tmp_path):
    """Reading them imports nothing of torch, mmaction or numpy."""
    write_facts(str(tmp_path), FACTS)
    code = (
        'import sys, types; package = types.ModuleType("hpnet_plugin"); '
        f'package.__path__ = [{str(benchmark_files.FOLDER.parent)!r}]; '
        'sys.modules["hpnet_plugin"] = package; '
        'from hpnet_plugin.facts import *; '
        'from hpnet_plugin import facts; '
        f'facts.read_facts({str(tmp_path)!r}); '
        '[benchmark_facts(name) for name in benchmark_names()]; '
        'print(sorted({"torch", "mmaction", "mmengine", "numpy", "cv2"} '
        '& set(sys.modules)))')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True, check=True)
    assert done.stdout.strip() == '[]'

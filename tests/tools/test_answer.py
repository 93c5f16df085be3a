"""hpnet benchmark answer: what is timed are whole answers."""
import json

import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.registry import DefaultScope

from hpnet_plugin.benchmarks import answer
from hpnet_plugin.commands.benchmark import main


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = str(tmp_path_factory.mktemp('answer'))
    answer.write_folder(path, 70)
    return path


def test_a_stream_answers_from_the_store(folder):
    call = answer.stream(folder, stream='pose_j', net='ctrgcn')
    first, other, again = call(), call(), call()
    answer.check('pose_j', first)
    assert not torch.equal(first, other)  # the other clip of the folder
    assert torch.equal(first, again)


def test_volumes_of_the_protocols(folder, monkeypatch):
    """1 and 20 of 48 frames, as the stock config has them."""
    monkeypatch.setattr(answer, '_answers', lambda *configs: configs)
    found = answer.posec3d(folder)
    for name, count in ((answer.ONE, 1), (answer.ALL, 20)):
        dataset, model = found[name]
        steps = {step['type']: step for step in dataset['pipeline']}
        assert steps['UniformSampleFrames']['num_clips'] * (
            1 + steps['GeneratePoseTarget'].get('double', False)) == count
        assert model['cls_head']['num_classes'] == 120
    with DefaultScope.overwrite_default_scope('mmaction'):
        clip = DATASETS.build(found[answer.ONE][0])[0]
    assert clip['inputs'].shape == (1, 17, 48, 64, 64)


def test_rows(monkeypatch, tmp_path):
    """Of one volume and, of the shorter clips alone, of twenty."""
    calls = []

    def side(name):
        return lambda: calls.append(name) or torch.zeros(120)

    monkeypatch.setattr(answer, 'write_folder', lambda folder, length: None)
    monkeypatch.setattr(answer, 'STREAMS', dict(one=dict(stream='one')))
    monkeypatch.setattr(answer, 'stream', lambda _, stream: side(stream))
    monkeypatch.setattr(answer, 'posec3d', lambda _: {
        name: side(name) for name in (answer.ONE, answer.ALL)})
    out = tmp_path / 'numbers.json'
    assert main(['answer', '--repeat', '3', '--protocols', '2', '--json',
                 str(out)]) == 0
    short, long = json.loads(out.read_text())['tables'].values()
    assert [row['against'] for row in short] == [answer.ONE, answer.ALL]
    assert [row['against'] for row in long] == [answer.ONE]
    assert calls.count(answer.ALL) == 2  # none to warm up


def test_no_answer_is_refused():
    for scores in (torch.zeros(60), torch.full((120, ), torch.nan)):
        with pytest.raises(RuntimeError, match='x gave no scores of 120'):
            answer.check('x', scores)

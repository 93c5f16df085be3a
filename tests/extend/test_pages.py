"""The pages of docs/extend are followed: their code blocks run as printed."""
import json
import pickle
import re
import runpy
import shlex
import sys

import numpy as np
import pytest
from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.trained import load_trained
from hpnet_plugin.cli import main
from hpnet_plugin.demo.people import save_video
from hpnet_plugin.evaluation.scores import read_scores
from hpnet_plugin.facts import read_facts
from hpnet_plugin.store import FeatureStore

BLOCK = re.compile(r'^```(\w+)(?: title="(.+?)")?\n(.*?)^```$', re.M | re.S)


@pytest.fixture
def follow(root, tmp_path, monkeypatch):
    """Follows a page in a folder of its own.

    Blocks with a title become files. The commands of bash blocks run in this
    process, in their order; ``more`` adds words to those that begin so.
    """
    monkeypatch.chdir(tmp_path)
    paths, modules = list(sys.path), set(sys.modules)

    def run(page, more=()):
        text = (root / 'docs/extend' / page).read_text(encoding='utf-8')
        for kind, title, content in BLOCK.findall(text):
            if title:
                (tmp_path / title).write_text(content, encoding='utf-8')
            for line in content.splitlines() if kind == 'bash' else ():
                program, *words = shlex.split(line)
                if program == 'python':
                    runpy.run_path(words[0], run_name='__main__')
                    continue
                assert program == 'hpnet', line
                for begin, added in more:
                    words += added if words[:len(begin)] == begin else []
                assert main(words) == 0, line
        return tmp_path

    yield run
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]
            for registry in (MODELS, TRANSFORMS):
                for kind, found in list(registry.module_dict.items()):
                    if found.__module__ == name:
                        del registry.module_dict[kind]


@pytest.fixture
def mine(three_classes, tmp_path):
    """``data/mine`` of the pages: three classes that features tell apart."""
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/mine').symlink_to(three_classes.folder)


@pytest.fixture
def clip(tmp_path):
    """``videos/clip.mp4``: a light figure in front of a dark wall."""
    (tmp_path / 'videos').mkdir()
    frames = np.full((4, 96, 64, 3), 40, np.uint8)
    frames[:, 20:80, 16:48] = 200
    save_video(str(tmp_path / 'videos/clip.mp4'), frames)


def short(command, *more):
    """A short training: few epochs in small steps."""
    return ['train', command], ['--seed', '0', '--cfg-options',
                                'train_dataloader.batch_size=4', *more]


def accuracy(dump):
    scores = read_scores(dump)
    return np.mean(scores.scores.argmax(1) == scores.labels)


def test_backbone(follow, mine):
    folder = follow('backbone.md', [short('hp_j', 'epochs=6')])
    assert accuracy('hp_j.pkl') > .8  # chance is 1/3
    model = json.loads((folder / 'models/jointnet/hpnet.json').read_text())
    assert model['config']['model']['backbone'] == dict(
        type='JointNet', in_channels=3, num_person=1, width=64)
    saved = load_trained('models/jointnet')
    assert type(saved.build().backbone).__name__ == 'JointNet'
    del MODELS.module_dict['JointNet']  # as in a program that knows it not
    with pytest.raises(ValueError, match='import its file first'):
        saved.build()


def test_stream_kind(follow, mine):
    follow('stream.md', [short('mystreams.py:sure_j', 'epochs=6',
                               'optim_wrapper.optimizer.lr=.01')])
    config = Config.fromfile('work_dirs/sure_j_ctrgcn_small_mine/sure_j.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        item = DATASETS.build(config.train_dataloader.dataset)[0]
    inputs = item['inputs']
    assert inputs.shape == (1, 1, 8, 17, 4)
    assert (inputs[..., 3] == 1).all()  # the scores
    assert accuracy('sure_j.pkl') >= .5  # of three classes


def test_benchmark(follow, tmp_path):
    (tmp_path / 'videos').mkdir()
    rng = np.random.default_rng(0)
    for dance in range(1, 5):
        for dancer in range(1, 5):
            save_video(str(tmp_path / f'videos/d{dance:02}_s{dancer:02}.mp4'),
                       rng.integers(0, 256, (4, 64, 48, 3), np.uint8))
    follow('benchmark.md', [short('hp_j', 'epochs=1')])
    facts = read_facts('data/dance')
    assert facts.classes == ('waltz', 'tango', 'salsa', 'polka')
    with open('hp_j.pkl', 'rb') as file:
        tested = pickle.load(file)
    assert sorted(sample['frame_dir'] for sample in tested) == [
        f'd{dance:02}_s04' for dance in range(1, 5)]


def test_detector(follow, clip):
    follow('detector.md')
    found = {name: FeatureStore(f'data/{name}/features').read(
        'clip', 'keypoint') for name in ('boxes', 'onnx', 'moving')}
    assert {joints.shape[2:] for joints in found.values()} == {(17, 2)}
    record = json.loads(open('data/moving/extraction.json').read())
    assert record['detector']['name'] == 'moving'
    # the figure's own box, to what the codec blurs
    sys.path.append('.')
    from mydetector import Moving
    frame = np.full((96, 64, 3), 40, np.uint8)
    frame[20:80, 16:48] = 200
    assert Moving().boxes(frame).tolist() == [[16, 20, 48, 80, 1]]


def test_pose_net(follow, clip, capsys):
    follow('pose.md')
    assert re.search(r'features +24 +16 +12', capsys.readouterr().out)
    features = FeatureStore('data/mypose/features').read('clip', 'features')
    assert features.shape == (1, 4, 17, 24) and np.isfinite(features).all()

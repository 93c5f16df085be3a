"""A small dataset folder, and models on it that nobody has trained.

What a model says means nothing; that it is the same whichever way it is
asked can be seen all the same.
"""
import contextlib
import os

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.describing import describe
from hpnet_plugin.apis.trained import load_trained, save_pretrained
from hpnet_plugin.commands import extract
from hpnet_plugin.demo import people
from hpnet_plugin.recipes import compose

RUNS = ('hp_j', 'pose_bm', 'hpnet')


@contextlib.contextmanager
def inside(folder):
    """In another folder."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope='session')
def drawn(tmp_path_factory):
    """Eight drawn clips, and their dataset folder ``data``."""
    work = tmp_path_factory.mktemp('drawn')
    source = work / 'people'
    people.make_dataset(source, clips_per_class=2, length=12, test_share=.5)
    with inside(work):
        assert extract.main([str(word) for word in (
            source / 'videos', '--labels', source / 'labels.txt', '--classes',
            source / 'classes.txt', '--splits', source / 'splits.json',
            '--pose', 'tiny', '--detector', f'boxes:{source / "boxes.json"}',
            '--max-people', '1', '--crops', '--crop-size', '64', '--workers',
            '0', '--out', 'data')]) == 0
    return work


@pytest.fixture(scope='session')
def models(drawn):
    """Folder of a model each: a stream of either kind, and HP-Net."""
    torch.manual_seed(0)
    with inside(drawn), DefaultScope.overwrite_default_scope('mmaction'):
        for name in RUNS:
            settings = dict(recipe='hpnet') if name == 'hpnet' else dict(
                recipe='stream', stream=name)
            config = Config(compose(data_root='data', size='small', frames=8,
                                    **settings))
            config.default_scope = 'mmaction'
            model = MODELS.build(config.model)
            for weights in model.parameters():
                # heads begin so small that all scores are about equal
                if weights.ndim > 1:
                    torch.nn.init.normal_(weights, 0, weights[0].numel()**-.5)
            os.makedirs(f'runs/{name}')
            torch.save(
                dict(state_dict=model.state_dict(), meta=dict(
                    hpnet=describe(config.to_dict(), name).to_json())),
                f'runs/{name}/epoch_1.pth')
            save_pretrained(load_trained(f'runs/{name}/epoch_1.pth'),
                            f'models/{name}')
    return drawn / 'models'

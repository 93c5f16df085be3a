"""A clip's score is its own: alone, in a batch, in any order, any worker."""
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose

CLIPS = 16


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Sixteen clips of noise, longer than the networks see."""
    folder = str(tmp_path_factory.mktemp('noise'))
    config = Config(compose('stream', stream='hp_j', benchmark='nw_ucla'))
    write_synthetic(config, folder, CLIPS, 12)
    return folder


def scores(model, loader):
    """By clip, as ``hpnet test`` computes them."""
    with torch.no_grad():
        return {sample.frame_dir: sample.pred_score
                for batch in loader for sample in model.test_step(batch)}


@pytest.mark.parametrize('stream, net', [
    ('hp_b', 'ctrgcn'), ('hp_jm', 'mixformer')])
def test_scores_are_the_clips_own(folder, randomised, stream, net):
    config = Config(compose('stream', data_root=folder, stream=stream,
                            net=net, size='small', frames=8))

    def load(batch, workers=0, shuffle=False):
        settings = {
            **config.test_dataloader, 'dataset': clips, 'batch_size': batch,
            'num_workers': workers, 'persistent_workers': False, 'sampler':
            dict(type='DefaultSampler', shuffle=shuffle, seed=1)}
        return Runner.build_dataloader(settings, seed=0)

    with DefaultScope.overwrite_default_scope('mmaction'):
        clips = DATASETS.build(config.test_dataloader.dataset)
        torch.manual_seed(0)
        model = randomised(MODELS.build(config.model)).eval()
        alone = scores(model, load(1))
        others = [scores(model, load(CLIPS)),
                  scores(model, load(5, shuffle=True)),
                  scores(model, load(CLIPS, workers=2))]
    assert len(alone) == CLIPS
    # shuffled is another order indeed, and no two clips are alike
    assert list(others[1]) != list(alone)
    every = torch.stack([*alone.values()])
    distances = torch.cdist(every, every) + 1e9 * torch.eye(CLIPS)
    assert distances.min() > 1e-3 * every.abs().max()
    for found in others:
        assert found.keys() == alone.keys()
        for name, score in alone.items():
            torch.testing.assert_close(found[name], score, rtol=1e-4,
                                       atol=1e-5 * float(every.abs().max()))
    # workers do not change a bit
    assert all(torch.equal(others[0][name], others[2][name])
               for name in alone)

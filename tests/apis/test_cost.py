"""Costs against those that were published or counted by hand."""
import json

import pytest
from mmengine.config import Config

from hpnet_plugin.apis.cost import model_cost
from hpnet_plugin.commands.cost import main
from hpnet_plugin.recipes import compose


def test_hpnet_on_ntu120(root):
    """xclip.md 2: parameters and multiply-adds of the parts."""
    cost = model_cost(Config.fromfile(root / 'configs/hpnet_ntu120.py'))
    params = {name: part.params / 1e6 for name, part in cost.parts.items()}
    assert params['backbone'] == pytest.approx(86.19, abs=.005)
    assert params['messages between frames'] == pytest.approx(35.45, abs=.005)
    assert params['text tower'] == pytest.approx(63.43, abs=.005)
    assert params['frame integration'] == pytest.approx(3.16, abs=.005)
    for i in range(3):
        assert params[f'topology model {i}'] == pytest.approx(1.46, abs=.005)
    assert cost.parts['text tower'].trained == 0
    # 141.08 G of the blocks, without what patches are after the last block:
    # q, two products of attention, projection and MLP of 8 x 196 tokens;
    # and 357.6 G of 120 labels, once
    spared = 8 * 196 * (10 * 768**2 + 2 * 198 * 768) / 1e9
    towers = cost.parts['backbone'].macs + cost.parts[
        'messages between frames'].macs
    assert towers / 1e9 == pytest.approx(
        141.08 - spared, rel=.005)
    assert cost.parts['text tower'].macs / 1e9 == pytest.approx(
        357.6, rel=.005)
    assert cost.total.macs / 1e9 == pytest.approx(
        145 - spared, abs=.6)


def test_activations_are_what_autograd_keeps(root, tmp_path, capsys):
    """A stream's, counted on real tensors."""
    import torch
    from mmaction.registry import MODELS
    from mmengine.registry import DefaultScope
    config = f'{root}/configs/stream.py,benchmark=nw_ucla'
    assert main([config, '--json', str(tmp_path / 'cost.json')]) == 0
    assert 'backbone' in capsys.readouterr().out
    found = json.loads((tmp_path / 'cost.json').read_text())

    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(compose(
            'stream', stream='hp_j', benchmark='nw_ucla')['model'])
    own = {p.data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = model(torch.rand(1, 1, 1, 32, 17, 96), stage='head')
    del out
    size = sum(t.untyped_storage().nbytes() for t in kept.values()
               if t.data_ptr() not in own)
    assert found['activation_bytes'] == pytest.approx(size, rel=.02)
    assert found['clip']['params'] == sum(
        p.numel() for p in model.parameters())

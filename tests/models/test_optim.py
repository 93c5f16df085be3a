"""Which parameters decay, in the optimisers that the recipes build."""
import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.models import optim
from hpnet_plugin.recipes import compose

# the real widths of what decays do not matter, only names and dimensions
SMALL = dict(
    embed_dim=32,
    vision_cfg=dict(
        layers=1, width=32, head_width=16, patch_size=32, image_size=224),
    text_cfg=dict(context_length=77, width=32, heads=2, layers=1))


def decays(recipe, **settings):
    """Name of each trained parameter to the parameter and its decay."""
    cfg = Config(compose(recipe, **settings))
    if recipe != 'stream':
        cfg.model.backbone.arch = cfg.model.text.arch = SMALL
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    decay = {id(param): group['weight_decay']
             for group in wrapper.param_groups for param in group['params']}
    return {name: (param, decay[id(param)])
            for name, param in model.named_parameters()
            if param.requires_grad}


@pytest.mark.parametrize('recipe, decay', [
    ('hpnet', 1e-3), ('released_hpnet', 1e-3), ('xclip', 1e-3)])
def test_no_bias_and_no_norm_of_hpnet_decays(recipe, decay):
    """As in the released code (reference.md 6.1), at whatever rate."""
    found = decays(recipe, benchmark='ntu120')
    for name, (param, value) in found.items():
        still = param.ndim <= 1 or 'positional_embedding' in name
        assert value == (0 if still else decay), name
    if recipe == 'xclip':
        return
    for part in ('topology', 'cls_head.fusion', 'cls_head.classifiers',
                 'message_', 'backbone.mit', 'backbone.visual'):
        flat = [name for name, (param, _) in found.items()
                if part in name and param.ndim <= 1]
        assert flat or part == 'backbone.visual', part


def test_small_hpnet():
    """From scratch, at one rate."""
    for name, (param, value) in decays(
            'hpnet', benchmark='nw_ucla_synthetic').items():
        assert value == (0 if param.ndim <= 1 else 0.05), name


@pytest.mark.parametrize('net', ['ctrgcn', 'mixformer'])
def test_all_of_a_stream_decays(net):
    """SGD on all parameters, as the released trainer of streams has it."""
    found = decays('stream', stream='hp_j', net=net, benchmark='ntu120')
    assert {value for _, value in found.values()} == {4e-4}


def training():
    """A small net, its optimizer and its schedule."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))
    with DefaultScope.overwrite_default_scope('mmaction'):
        wrapper = build_optim_wrapper(net, dict(
            constructor='FlatDecayFree',
            optimizer=dict(type='AdamW', lr=.1, weight_decay=.05, fused=True),
            paramwise_cfg=dict(custom_keys={'2': dict(lr_mult=.1)})))
    return net, wrapper, CosineAnnealingLR(wrapper, T_max=9)


def steps(net, wrapper, scheduler, number):
    for seed in range(number):
        torch.manual_seed(seed)
        wrapper.update_params(net(torch.randn(5, 4)).square().mean())
        scheduler.step()
    return torch.cat([param.detach().flatten() for param in net.parameters()])


def test_same_settings_share_a_group():
    _, wrapper, _ = training()
    assert [(group['lr'], group['weight_decay'], len(group['params']))
            for group in wrapper.optimizer.param_groups] == [
        (.1, .05, 1), (.1, 0, 3), (pytest.approx(.01), .05, 1),
        (pytest.approx(.01), 0, 1)]


@pytest.mark.parametrize('fused', [True, None])
def test_an_older_training_goes_on(monkeypatch, fused):
    """Which had a group for each parameter, and torch's usual optimizer."""
    with monkeypatch.context() as patch:
        patch.setattr(optim, '_together', list)
        older = training()
    for group in older[1].optimizer.param_groups:
        group['fused'] = fused
    assert len(older[1].optimizer.param_groups) == 6
    steps(*older, 3)
    states = copy.deepcopy([part.state_dict() for part in older])
    resumed = training()
    for part, state in zip(resumed, states):
        part.load_state_dict(state)
    assert {group['fused']
            for group in resumed[1].optimizer.param_groups} == {True}
    torch.testing.assert_close(steps(*resumed, 3), steps(*older, 3))

"""SMCLM: streams on the device, topology models of their own."""
import pytest
import torch
from mmengine.registry import DefaultScope

from hpnet_plugin.benchmarks.networks import launches
from hpnet_plugin.graph import bone_pairs
from hpnet_plugin.models import SMCLM

SMALL = dict(type='CTRGCN', in_channels=6, base_channels=8, num_person=2)


@pytest.fixture
def clips():
    return torch.rand(3, 2, 16, 17, 6, generator=torch.manual_seed(0))


def test_streams_are_those_of_the_paper(clips):
    """Sec. III-C by hand; the models must see these and no others."""
    smclm, seen = SMCLM(SMALL), []
    for model in smclm.models:
        model.register_forward_pre_hook(
            lambda _, args: seen.append(args[0].clone()))
    before = clips.clone()
    smclm(clips)
    joint, bone, motion = seen
    torch.testing.assert_close(joint, before)
    for child, parent in bone_pairs('coco'):
        torch.testing.assert_close(
            bone[..., child, :],
            before[..., child, :] - before[..., parent, :])
    torch.testing.assert_close(motion[:, :, :-1], before.diff(dim=2))
    assert (motion[:, :, -1] == 0).all()
    # the released loader made its joint stream a motion stream by accident
    torch.testing.assert_close(clips, before)


def test_features(clips):
    smclm = SMCLM(SMALL).eval()
    with torch.no_grad():
        out = smclm(clips)
        own = smclm.models[2](torch.cat(
            [clips.diff(dim=2), torch.zeros_like(clips[:, :, :1])], 2))
    assert [tuple(f.shape) for f in out.streams] == [(3, 32)] * 3
    assert out.joints.shape == (3, 17, 96)
    # mean over time and joints, then over people (reference.md 3.5)
    torch.testing.assert_close(out.streams[2], own.mean((3, 4)).mean(1))
    torch.testing.assert_close(out.concat, torch.cat(out.streams, 1))
    torch.testing.assert_close(out.joints.mean(1), out.concat)


def test_no_weights_are_shared():
    smclm = SMCLM(SMALL)
    first, *others = [dict(m.named_parameters()) for m in smclm.models]
    for other in others:
        assert other.keys() == first.keys()
        assert not torch.equal(other['l2.gcn1.convs.0.conv1.weight'],
                               first['l2.gcn1.convs.0.conv1.weight'])


def test_released_streams():
    smclm = SMCLM(SMALL, streams=('jm', 'jm', 'b'), graph='released')
    assert smclm.names == ('jm', 'jm_2', 'b')
    assert len(smclm.models) == 3


def test_any_graph_backbone():
    """The toolbox's own nets are topology models, too."""
    x = torch.rand(2, 1, 16, 17, 5)
    with DefaultScope.overwrite_default_scope('mmaction'):
        smclm = SMCLM(
            dict(type='STGCN', in_channels=5, base_channels=8, num_stages=3,
                 graph_cfg=dict(layout='coco', mode='stgcn_spatial')),
            streams=('j', 'bm'), feat_channels=8)
        assert smclm(x).concat.shape == (2, 16)
        with pytest.raises(ValueError, match='set feat_channels'):
            SMCLM(dict(type='STGCN', in_channels=5, graph_cfg=dict(
                layout='coco', mode='stgcn_spatial')))


def test_bad_arguments(clips):
    with pytest.raises(ValueError, match=r"some of \('j', 'b', 'jm', 'bm'\)"):
        SMCLM(SMALL, streams=('j', 'x'))
    with pytest.raises(ValueError, match='32 channels, SMCLM was told.*=64'):
        SMCLM(SMALL, feat_channels=64)(clips)
    # the tap of the store has other channels than the config
    with pytest.raises(ValueError, match=r'\(2, 17, 6\).*\(2, 17, 4\)'):
        SMCLM(SMALL)(clips[..., :4])


def test_checkpoint_of_another_size():
    state = SMCLM(SMALL).state_dict()
    with pytest.raises(ValueError, match='another CTRGCN.*channels of the'):
        SMCLM(dict(SMALL, in_channels=5)).load_state_dict(state)


@torch.no_grad()
def test_streams_side_by_side(clips, randomised, monkeypatch):
    """As on a GPU: the numbers of one network after the other."""
    smclm = randomised(SMCLM(SMALL)).double().eval()
    apart = smclm(clips.double())
    monkeypatch.setattr(SMCLM, '_side_by_side', lambda self, x: True)
    for _ in range(2):  # folded, and kept
        together = smclm(clips.double())
        for found, expected in zip(together.streams, apart.streams):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    smclm.models[1].l3.gcn1.alpha += .1
    changed = smclm(clips.double())
    torch.testing.assert_close(changed.streams[0], apart.streams[0])
    assert (changed.streams[1] - apart.streams[1]).abs().max() > 1e-6


def test_few_launches(clips):
    """On any device but a CPU; three networks have 900 and more."""
    smclm = SMCLM(SMALL).to('meta').eval()
    assert launches(smclm, clips.to('meta')) < 300
    assert launches(smclm.models[0], clips.to('meta')) < 250

"""What holds for every graph backbone of this package."""
import pytest
import torch

from hpnet_plugin.models import CTRGCN, SkeletonMixFormer

STAR = dict(num_node=4, inward=[(1, 0), (2, 1), (3, 1)], center=0)
KINDS = pytest.mark.parametrize('kind', [CTRGCN, SkeletonMixFormer])


@KINDS
@pytest.mark.parametrize('layout, joints, people, channels', [
    ('nturgb+d', 25, 2, 3),
    ('openpose', 18, 1, 7),
    ('released', 17, 2, 2),
    (STAR, 4, 3, 128),
])
def test_any_layout(kind, layout, joints, people, channels):
    net = kind(channels, layout, people, 16).eval()
    with torch.no_grad():
        out = net(torch.randn(2, people, 12, joints, channels))
    assert out.shape == (2, people, net.out_channels, 3, joints)
    assert net.out_channels == 64
    assert net.input_shape == (people, joints, channels)


@KINDS
def test_gradient_reaches_every_parameter(kind):
    torch.manual_seed(0)
    net = kind(3, 'nturgb+d', 2, 16)
    for name, parameter in net.named_parameters():
        if name.endswith('alpha'):  # 0 at the start: graphs of all clips
            torch.nn.init.ones_(parameter)
    out = net(torch.randn(2, 2, 64, 25, 3))
    (out * torch.randn_like(out)).mean().backward()
    assert [name for name, p in net.named_parameters()
            if p.grad is None or not p.grad.any()] == []


@KINDS
@torch.no_grad()
def test_a_score_does_not_depend_on_batch_mates(kind, randomised):
    torch.manual_seed(0)
    net = randomised(kind(8, base_channels=16)).double().eval()
    x = torch.randn(3, 2, 16, 17, 8).double()
    together = net(x)
    for i in range(3):
        torch.testing.assert_close(together[i:i + 1], net(x[i:i + 1]))


@KINDS
@torch.no_grad()
def test_people_are_looked_at_alone(kind, randomised):
    """They meet in the head: but for the input norm, slots are alike."""
    torch.manual_seed(0)
    net = randomised(kind(8, STAR, 2, 16)).double().eval()
    x = torch.randn(1, 2, 16, 4, 8).double()
    alone = net(x * torch.tensor([1., 0.]).view(2, 1, 1, 1))
    torch.testing.assert_close(net(x)[:, 0], alone[:, 0])


@KINDS
def test_wrong_input(kind):
    with pytest.raises(ValueError, match=rf'{kind.__name__} was.*'
                       r'\(2, 17, 96\).*\(2, 17, 128\)'):
        kind(96, base_channels=8)(torch.zeros(1, 2, 8, 17, 128))


@KINDS
def test_a_checkpoint_of_another_layout_is_refused(kind):
    state = kind(3, 'openpose', 1, 8).state_dict()
    with pytest.raises(ValueError, match=f'another {kind.__name__}'):
        kind(3, 'coco', 1, 8).load_state_dict(state)


@KINDS
def test_published_names(kind):
    """Blocks of checkpoints: none may be lost, none renamed."""
    net = kind(3, base_channels=8)
    names = {key.split('.')[0] for key in net.state_dict()}
    extra = set() if kind is CTRGCN else {
        'embedding', 'first_tram', 'second_tram'}
    assert names == {'data_bn', *(f'l{i}' for i in range(1, 11)), *extra}

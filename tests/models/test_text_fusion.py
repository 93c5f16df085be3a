"""What refines text features: closed forms of the paper's equations."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS

from hpnet_plugin.models import TRMM
from hpnet_plugin.models.backbones.smclm import StreamFeatures

B, K, C, D = 2, 5, 8, 6
KINDS = [
    dict(type='FiLM'),
    dict(type='CrossAttentionFusion', head_channels=4),
    dict(type='TRMM'),
    dict(type='TRMM', eta='elementwise'),
    dict(type='TRMM', eta='text'),
    dict(type='TRMM', eta=None),
]
NAMES = [f'{kind["type"]}-{kind.get("eta", "outer")}' for kind in KINDS]


def build(kind, **more):
    return MODELS.build(
        dict(kind, text_channels=C, feat_channels=D, **more))


@pytest.fixture
def text():
    return torch.randn(K, C, generator=torch.manual_seed(1))


@pytest.fixture
def pooled():
    rng = torch.manual_seed(2)
    feat = torch.randn(B, D, generator=rng)
    joints = torch.randn(B, 17, D, generator=rng)
    return StreamFeatures((feat, ), feat, joints)


@pytest.mark.parametrize('kind', KINDS, ids=NAMES)
def test_text_is_itself_at_first(kind, text, pooled):
    """So that a pretrained match of text and video is kept."""
    out = build(kind)(text, pooled)
    assert out.shape == (B, K, C)
    torch.testing.assert_close(out, text.expand(B, K, C))


@pytest.mark.parametrize('kind', KINDS, ids=NAMES)
def test_everything_learns(kind, text, pooled):
    """Every weight moves within two steps; a step changes the output."""
    torch.manual_seed(0)
    module = build(kind)
    before = {n: p.clone() for n, p in module.named_parameters()}
    optim = torch.optim.SGD(module.parameters(), lr=.1)
    target = torch.randn(B, K, C)
    for _ in range(3):
        optim.zero_grad()
        loss = (module(text, pooled) - target).pow(2).mean()
        loss.backward()
        assert all(p.grad is not None for p in module.parameters())
        optim.step()
    still = [n for n, p in module.named_parameters()
             if torch.equal(p, before[n])]
    # a bias of the keys cannot change a softmax over them
    assert set(still) <= {'norm_joints.bias'}
    assert not torch.allclose(module(text, pooled), text.expand(B, K, C))


@pytest.mark.parametrize('kind', KINDS, ids=NAMES)
def test_text_of_each_clip(kind, text, pooled):
    """(B, K, C) text, as the video prompts make it, is taken a clip."""
    module = build(kind)
    for p in module.parameters():
        torch.nn.init.normal_(p, std=.3)
    each = torch.stack([text, 2 * text])
    out = module(each, pooled)
    for i in range(B):
        one = StreamFeatures((), pooled.concat[i:i + 1],
                             pooled.joints[i:i + 1])
        torch.testing.assert_close(out[i:i + 1], module(each[i], one))


def drawn(module):
    torch.manual_seed(3)
    for p in module.parameters():
        torch.nn.init.normal_(p, std=.5)
    return module


@torch.no_grad()
def test_film_by_hand(text, pooled):
    module = drawn(build(dict(type='FiLM')))
    gamma = pooled.concat @ module.gamma.weight.T + module.gamma.bias
    beta = pooled.concat @ module.beta.weight.T + module.beta.bias
    torch.testing.assert_close(
        module(text, pooled), gamma[:, None] * text + beta[:, None])


@torch.no_grad()
def test_cross_attention_by_hand(text, pooled):
    """Two heads of four channels, each with a softmax over the joints."""
    module = drawn(build(dict(type='CrossAttentionFusion', head_channels=4)))
    attn, out = module.attn, torch.zeros(B, K, C)
    q, k, v = attn.in_proj_bias.split(C)
    query = module.norm_text(text) @ attn.q_proj_weight.T + q
    joints = module.norm_joints(pooled.joints)
    key = joints @ attn.k_proj_weight.T + k
    value = joints @ attn.v_proj_weight.T + v
    for b in range(B):
        for head in (slice(0, 4), slice(4, 8)):
            weight = (query[:, head] @ key[b, :, head].T / 2).softmax(-1)
            out[b, :, head] = weight @ value[b, :, head]
    torch.testing.assert_close(
        module(text, pooled),
        text + out @ attn.out_proj.weight.T + attn.out_proj.bias)


def mlp(module, x, released=False):
    """P of the paper in numpy."""
    w = [(layer.weight.detach().numpy(), layer.bias.detach().numpy())
         for layer in module if hasattr(layer, 'weight')]
    x = x @ w[0][0].T + w[0][1]
    return (x if released else np.maximum(x, 0)) @ w[1][0].T + w[1][1]


@pytest.fixture
def trained():
    return lambda **kwargs: drawn(TRMM(C, D, **kwargs))


def psi(module, text, feat, released=False):
    gamma = mlp(module.gamma, feat, released)
    beta = mlp(module.beta, feat, released)
    return gamma[:, None] * text + beta[:, None]  # Eq. 8


def test_eta_outer_is_line_7_of_algorithm_1(trained, text, pooled):
    module = trained()
    t, f = text.numpy(), pooled.concat.numpy()
    p3, p4 = mlp(module.p3, f), mlp(module.p4, f)
    eta = np.zeros((B, C))
    for b in range(B):
        for c in range(C):
            for d in range(D):
                eta[b, c] += np.tanh(p3[b, c] - p4[b, d]) * f[b, d] / D
    np.testing.assert_allclose(
        module(text, pooled).detach().numpy(),
        t + psi(module, t, f) + eta[:, None], rtol=1e-4, atol=1e-5)


def test_eta_elementwise_is_eq_9(trained, text, pooled):
    module = trained(eta='elementwise')
    t, f = text.numpy(), pooled.concat.numpy()
    project = f @ module.project.weight.detach().numpy().T + \
        module.project.bias.detach().numpy()
    eta = (mlp(module.p3, f) - mlp(module.p4, f)) * project
    np.testing.assert_allclose(
        module(text, pooled).detach().numpy(),
        t + psi(module, t, f) + eta[:, None], rtol=1e-4, atol=1e-5)


def test_eta_none_is_film_with_a_residual(trained, text, pooled):
    module = trained(eta=None)
    t, f = text.numpy(), pooled.concat.numpy()
    np.testing.assert_allclose(
        module(text, pooled).detach().numpy(), t + psi(module, t, f),
        rtol=1e-4, atol=1e-5)


def test_eta_text_ignores_the_clip(trained, text, pooled):
    """reference.md 4: the released eta is the same for all samples."""
    module = trained(eta='text', mlp='released', init='released')
    t, f = text.numpy(), pooled.concat.numpy()
    m3 = np.maximum(mlp(module.p3, t, True), 0).mean(0)
    m4 = np.maximum(mlp(module.p4, t, True), 0).mean(0)
    relation = np.tanh(m3[:, None] - m4[None])
    eta = np.einsum('kd,cd->kc', t, relation)
    np.testing.assert_allclose(
        module.refinement(text, pooled.concat).detach().numpy(),
        psi(module, t, f, True) + eta, rtol=1e-4, atol=1e-5)


def test_parameters_of_the_released_trmm():
    """reference.md 4: 2.363 M."""
    module = TRMM(512, 768, eta='text', mlp='released', init='released')
    assert sum(p.numel() for p in module.parameters()) == 2363392


@pytest.mark.parametrize('bad, message', [
    (dict(eta='inner'), 'eta of TRMM must be one of'),
    (dict(mlp='relu'), 'mlp of TRMM must be one of'),
    (dict(init='zero'), 'init of TRMM must be one of'),
    (dict(mlp='released'), "set init='released'"),
])
def test_bad_options(bad, message):
    with pytest.raises(ValueError, match=message):
        TRMM(C, D, **bad)

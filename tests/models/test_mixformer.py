import math

import numpy as np
import pytest
import torch
from mmaction.models import GCNHead
from mmaction.models.utils import Graph
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hpnet_plugin.graph import adjacency
from hpnet_plugin.models import SMCLM, SkeletonMixFormer
from hpnet_plugin.models.backbones import mixformer
from hpnet_plugin.recipes import compose

STAR = dict(num_node=4, inward=[(1, 0), (2, 1), (3, 1)], center=0)


def relu(values):
    return [max(float(value), 0.) for value in values]


def softmax(values):
    exp = [math.exp(value) for value in values]
    return [value / sum(exp) for value in exp]


def mapped(linear, values):
    """weight @ values + bias, by hand."""
    return [sum(float(w) * float(v) for w, v in zip(row, values)) + float(b)
            for row, b in zip(linear.weight, linear.bias)]


def pair(linear, query, key):
    """softmax over w of relu(L q)_v relu(L k)_w, by hand."""
    query, key = relu(mapped(linear, query)), relu(mapped(linear, key))
    return np.array([softmax([q * k for k in key]) for q in query])


@pytest.fixture()
def spatial():
    torch.manual_seed(0)
    graph = torch.from_numpy(adjacency(STAR))
    net = mixformer._SpatialMixFormer(5, 16, graph).eval()
    nn.init.normal_(net.GEME)
    nn.init.normal_(net.bn.weight)
    return net


@torch.no_grad()
def naive_topology(net, value):
    """Loops over one clip's (K, C, T, V)."""
    subsets, channels, _, joints = value.shape
    part, out = channels // 4, np.zeros((subsets, channels, joints, joints))
    graph = adjacency(STAR)
    for k in range(subsets):
        queries, keys = [], []
        for g in range(4):
            own = value[k, g * part:(g + 1) * part]
            queries.append([float(own[:part // 2, :, v].mean())
                            for v in range(joints)])
            keys.append([float(own[part // 2:, :, v].mean())
                         for v in range(joints)])
        within = [pair(net.within, q, key) for q, key in zip(queries, keys)]
        between = [pair(net.between, keys[g], queries[g + 1])
                   for g in range(3)]
        for c in range(channels):
            g = c // part
            mixed = within[g] / 2
            if g > 0:
                mixed = mixed + between[g - 1] / 4
            if g < 3:
                mixed = mixed + between[g] / 4
            out[k, c] = (graph[k] + net.GEME[k, c % 8].numpy() + mixed / 2)
    return out


def test_topology_by_hand(spatial):
    value = torch.randn(2, 3, 16, 6, 4)
    with torch.no_grad():
        topology = spatial.topology(value).numpy()
    assert topology.shape == (2, 3, 16, 4, 4)
    for n in range(2):
        np.testing.assert_allclose(
            topology[n], naive_topology(spatial, value[n]), atol=1e-5)


@torch.no_grad()
def test_spatial_frame_by_frame(spatial):
    """Each frame, joint and channel summed alone, then reformed."""
    x = torch.randn(1, 5, 6, 4)
    weight, bias = spatial.value.weight[..., 0, 0], spatial.value.bias
    value = torch.stack([weight @ x[0, :, t] + bias[:, None]
                         for t in range(6)], 1).view(3, 16, 6, 4)
    topology = naive_topology(spatial, value)
    value, out = value.numpy(), np.zeros((16, 6, 4))
    for c in range(16):
        for t in range(6):
            for w in range(4):
                out[c, t, w] = sum(
                    value[k, c, t, v] * topology[k, c, v, w]
                    for k in range(3) for v in range(4))
    means = [0., *out.mean((1, 2)), 0.]
    kernel = spatial.reform.weight.numpy().ravel()
    for c in range(16):
        logit = sum(kernel[i] * means[c + i] for i in range(3))
        out[c] *= 1 + 1 / (1 + math.exp(-logit))
    gain = spatial.bn.weight / math.sqrt(1 + 1e-5)
    expected = torch.relu(gain[:, None, None] * torch.from_numpy(out).float()
                          + spatial.down(x)[0])
    torch.testing.assert_close(spatial(x)[0], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_temporal_attention_by_hand():
    net = mixformer._TemporalAttention(6, 4, 8, stride=2).eval()
    x = torch.randn(2, 6, 16, 3)
    feature = net.conv(x)
    out = net(x) * math.sqrt(1 + 1e-5)
    for n in range(2):
        query = [float(feature[n, :2, t].mean()) for t in range(8)]
        key = [float(feature[n, 2:, t].max()) for t in range(8)]
        query, key = relu(mapped(net.linear, query)), relu(
            mapped(net.linear, key))
        for t in range(8):
            expected = sum(
                feature[n, :, s] / (1 + math.exp(-query[s] * key[t]))
                for s in range(8))
            torch.testing.assert_close(out[n, :, t], expected)


@pytest.mark.parametrize('given', [1, 5, 8, 16])
def test_other_lengths_are_stretched(given):
    """The map is of the clip stretched to its size, and brought back."""
    net = mixformer._TemporalAttention(6, 4, 8, stride=1)
    x = torch.randn(3, given)

    def stretch(values, size):
        return nn.functional.interpolate(values[None], size, mode='linear')[0]

    torch.testing.assert_close(
        net.project(x), stretch(net.linear(stretch(x, 8)), given))


@torch.no_grad()
def test_gate_by_hand():
    net = mixformer._SequentialHolding(6, 4, stride=1).eval()
    assert not net.combine.weight.any()  # half open
    nn.init.normal_(net.combine.weight)
    x = torch.randn(2, 6, 5, 3)
    feature, out = net.conv(x), net(x) * math.sqrt(1 + 1e-5)
    (mean, maximum), bias = net.combine.weight.view(2), net.combine.bias
    for n in range(2):
        for t in range(5):
            frame = feature[n, :, t]
            gate = torch.sigmoid(mean * frame.mean() + maximum * frame.max() +
                                 bias)
            torch.testing.assert_close(out[n, :, t], frame * gate)


def test_branches_deal_out_any_width():
    for channels, widths in ((80, [16] * 5), (64, [12, 13, 13, 13, 13]),
                             (8, [1, 1, 2, 2, 2])):
        net = mixformer._TemporalMixFormer(channels, 8, 1).eval()
        x = torch.randn(1, channels, 8, 3)
        assert [branch(x).shape[1] for branch in net.branches] == widths
        assert net(x).shape == x.shape


@pytest.mark.parametrize('frames', [1, 30, 32, 33])
def test_skips_fit_any_number_of_frames(frames):
    x = torch.randn(1, 3, frames, 2)
    rounded = -(-frames // 4)
    pooled = mixformer._Retrospect(3, 8, 4).pool(x)
    assert pooled.shape[2] == rounded
    torch.testing.assert_close(pooled[:, :, -1],
                               x[:, :, 4 * (rounded - 1):].mean(2))
    net = SkeletonMixFormer(3, STAR, 1, 8).eval()
    assert net(torch.randn(1, 1, frames, 4, 3)).shape[3] == rounded


@pytest.mark.parametrize('layout', ['coco', 'nturgb+d', 'openpose'])
def test_no_joint_has_eighth_descendants(layout):
    """The public code's input, (I - A^8) x, is x."""
    graph = Graph(layout)
    outward = np.zeros((graph.num_node, ) * 2, int)
    for child, parent in graph.inward:
        outward[parent, child] = 1
    assert not np.linalg.matrix_power(outward, 8).any()


def test_parameters():
    """The public code's count, less what it does not use or need."""
    widths = [80] * 4 + [160] * 3 + [320] * 3
    dead = sum(1 + (50 * 25 + 25) + 2 * width // 4 + 2 * width // 5
               for width in widths)
    biases = sum(widths) + 2 * (160 + 320) + 2 * 320
    norms = sum(2 * width // 5 for width in widths)
    embedding = 80 + 25 * 80
    classifier = 320 * 120 + 120
    net = SkeletonMixFormer(3, 'nturgb+d', base_channels=80)
    assert sum(p.numel() for p in net.parameters()) == (
        2_084_308 - dead - biases - norms - embedding - classifier)
    assert (dead, biases + norms + embedding) == (14_344, 6_144)


def test_cost():
    """That of the public code, counted the same way."""
    net = SkeletonMixFormer(3, 'nturgb+d', base_channels=80).eval()
    with torch.device('meta'):
        x = torch.zeros(1, 2, 64, 25, 3)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.to('meta')(x)
    assert counter.get_total_flops() / 2 == 2_554_218_056


def test_initialisation():
    net = SkeletonMixFormer(128)
    net.init_weights()
    graph = torch.from_numpy(adjacency('coco'))
    for i in range(1, 11):
        spatial = getattr(net, f'l{i}').spatial
        assert (spatial.bn.weight == 1e-6).all()
        assert (spatial.GEME == graph[:, None]).all()
    assert (net.first_tram.conv.bn.weight == 1e-6).all()
    assert net.embedding.weight.std().item() == pytest.approx(
        (2 / 64)**.5, rel=.1)
    assert net.l3.spatial.value.weight.std().item() == pytest.approx(
        (2 / 192)**.5, rel=.1)
    assert net.l1.residual is None




def test_wrong_width():
    with pytest.raises(ValueError, match='multiple of 8.*got 60'):
        SkeletonMixFormer(96, base_channels=60)




def test_half_precision():
    torch.manual_seed(0)
    net = SkeletonMixFormer(8, STAR, 1, 16)
    x = torch.randn(4, 1, 16, 4, 8)
    with torch.no_grad():
        full = net(x)
        with torch.autocast('cpu', torch.bfloat16):
            half = net(x)
    assert (half - full).square().mean() < .01 * full.square().mean()


@torch.no_grad()
def test_a_block_compiles_whole():
    graph = torch.from_numpy(adjacency(STAR))
    block = mixformer._MixFormerBlock(8, 16, graph, 8, stride=2).eval()
    x = torch.randn(2, 8, 12, 4)  # another length than the map's
    compiled = torch.compile(block, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(x), block(x))


def test_learns_without_warm_up():
    """Noise by heart, at the published rate."""
    torch.manual_seed(0)
    net, fc = SkeletonMixFormer(32, STAR, 1, 8), nn.Linear(32, 4)
    nn.init.normal_(fc.weight, 0, .01)
    optimizer = torch.optim.SGD([*net.parameters(), *fc.parameters()], .1,
                                momentum=.9, nesterov=True)
    x, y = torch.randn(8, 1, 8, 4, 32), torch.arange(8) % 4
    for _ in range(12):
        loss = nn.functional.cross_entropy(fc(net(x).mean((1, 3, 4))), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < .1


def test_in_a_recognizer_and_in_smclm():
    cfg = Config(compose('stream', net='mixformer')).model
    cfg.backbone.update(in_channels=4, num_person=1)
    cfg.cls_head.num_classes = 3
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg).eval()
        smclm = SMCLM(dict(type='SkeletonMixFormer', in_channels=4,
                           num_person=1, base_channels=8)).eval()
    assert isinstance(model.cls_head, GCNHead)
    assert model.backbone.out_channels == cfg.cls_head.in_channels == 320
    x = torch.randn(2, 1, 8, 17, 4)
    with torch.no_grad():
        # clips are the second axis of what the recognizer is given
        assert model(x[:, None], mode='tensor', stage='head').shape == (2, 3)
        assert smclm(x).concat.shape == (2, 3 * 32)

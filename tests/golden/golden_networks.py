"""Small networks whose outputs are pinned in networks.npz.

``python tests/golden/golden_networks.py`` writes the numbers again. Weights
and inputs are drawn by numpy's RandomState, whose streams are frozen, and
all is computed in float64, so that the numbers are the same on any machine
and a change of the code is told from rounding. They were written by networks
that agree with the released code to 1e-6 (test_golden_hpnet.py and
test_ctrgcn.py, where its numbers are at hand).
"""
import functools
import pathlib
import types
import zlib

import numpy as np
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope

import hpnet_plugin  # noqa: F401  registers the networks
from hpnet_plugin.pooling import (
    GRIDS,
    REGIONS,
    patch_at_joints,
    pool_at_joints,
)

FILE = pathlib.Path(__file__).with_name('networks.npz')
ARCH = dict(
    embed_dim=16,
    vision_cfg=dict(
        layers=2, width=32, head_width=16, patch_size=8, image_size=16),
    text_cfg=dict(context_length=12, width=16, heads=2, layers=2))
CLASSES = ['drink water', 'wave', 'sit down', 'put on a hat/cap', 'jump']
TEMPLATES = ['{}', 'a video of {}.']
VIEWS, T = 2, 3


def draw(name, *shape):
    """Normal numbers of their own for each name."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(rng.standard_normal(shape))


@torch.no_grad()
def fill(module, prefix=''):
    """Draw every weight and statistic, so that no part of a net is silent.

    Built by its constructor a net starts with graphs that do not depend on
    the input (alpha of 0), branches behind norms of 1e-6 and text that is
    left as it is.
    """
    state = module.state_dict()
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        noise = draw(prefix + name, *value.shape).to(value)
        owner, _, last = name.rpartition('.')
        if last == 'running_var':
            new = .5 + noise.abs()
        elif last == 'alpha':
            new = .5 + .2 * noise
        elif last in ('PA', 'GEME'):  # a graph and what is learnt of it
            new = value + .1 * noise
        elif last == 'weight' and f'{owner}.running_var' in state:
            new = .5 + .1 * noise  # neither fades nor explodes
        elif last == 'weight' and value.ndim == 1:
            new = 1 + .2 * noise
        elif value.ndim < 2 or last == 'running_mean':
            new = .2 * noise
        else:
            new = noise / value[0].numel()**.5
        value.copy_(new)
    return module


def build(kind, **config):
    """A net of float64 in eval mode, its weights drawn."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        net = fill(MODELS.build(dict(type=kind, **config))).double()
    net.eval()  # that of the toolbox's X3D returns nothing
    return net


def graph_nets():
    """Backbones of skeletons, one a layout."""
    for name, kind, people, x in (
            ('ctrgcn', 'CTRGCN', 2, draw('x', 1, 2, 9, 17, 5)),
            ('mixformer', 'SkeletonMixFormer', 2, draw('x', 1, 2, 9, 17, 5)),
            # of the length that its maps over time have, which is not 9
            ('mixformer 64', 'SkeletonMixFormer', 1,
             draw('x', 1, 1, 64, 17, 5))):
        net = build(kind, in_channels=5, num_person=people, base_channels=8,
                    graph='coco' if people == 2 else 'released')
        found = net(x)
        yield name, found if people == 2 else found.mean(4)
    features = build('SMCLM', streams=('j', 'b', 'jm', 'bm'), model=dict(
        type='CTRGCN', in_channels=5, num_person=1, base_channels=8))(
            draw('x', 2, 1, 8, 17, 5))
    yield 'smclm', features.concat
    yield 'smclm joints', features.joints[:, ::4]


def volume_nets():
    """Backbones of volumes of heatmaps."""
    x = draw('volumes', 1, 3, 2, 32, 32)
    yield 'c3d', build('C3DLight', in_channels=3, base_channels=4)(
        x[..., :8, :8])
    yield 'x3d', build('X3DShallow', in_channels=3, gamma_w=.5)(x)


def fusions():
    """What refines text features, and the head on them."""
    text, concat = draw('text', 5, 16), draw('feat', 2, 12)
    pooled = types.SimpleNamespace(
        concat=concat, streams=concat.split(4, 1),
        joints=draw('joints', 2, 17, 12))
    sizes = dict(text_channels=16, feat_channels=12)
    released = dict(mlp='released', init='released')
    for name, config in {
            'film': dict(kind='FiLM'),
            'cross attention': dict(
                kind='CrossAttentionFusion', head_channels=4),
            'trmm outer': dict(kind='TRMM'),
            'trmm elementwise': dict(kind='TRMM', eta='elementwise'),
            'trmm none': dict(kind='TRMM', eta=None),
            'trmm released': dict(kind='TRMM', eta='text', **released),
    }.items():
        yield name, build(**config, **sizes)(text, pooled)
    head = build(
        'TRMMHead', num_classes=5, text_channels=16, feat_channels=4,
        streams=('j', 'b', 'jm'), fusion=dict(type='TRMM'))
    scores = head((draw('video', 2, 16), text, pooled))
    yield 'head', scores.fused
    for name, found in scores.streams.items():
        yield f'head {name}', found


def towers():
    """X-CLIP's towers and prompts."""
    video = build('XCLIPVision', arch=ARCH, num_frames=T)(
        draw('imgs', 2, T, 3, 16, 16))
    yield 'video', video.video
    yield 'video frames', video.frames
    yield 'video patches', video.patches
    for name, templates in (('text', ('{}', )), ('templates', TEMPLATES)):
        text = build('CLIPText', arch=ARCH, classes=CLASSES,
                     templates=templates)()
        yield name, text
    yield 'prompts', build('VideoPrompts', embed_dim=16, width=32)(
        text, video)


def pooling():
    """Feature maps at the joints, some of them outside."""
    maps = draw('maps', 2, 3, 8, 6).float()
    joints = draw('joints', 2, 7, 2).float() * 20 + 25
    for grid in GRIDS:
        for region in REGIONS:
            yield f'pool {grid} {region}', pool_at_joints(
                maps, joints, (48, 64), region, grid)
        yield f'patch {grid}', patch_at_joints(
            maps, joints, (48, 64), 3, grid)


def recognizer():
    """The whole HP-Net, several views of two clips."""
    model = build(
        'XCLIPRecognizer',
        data_preprocessor=dict(type='HPNetDataPreprocessor', preprocessors={
            key: dict(type='ActionDataPreprocessor')
            for key in ('imgs', 'pooled_feat')}),
        backbone=dict(type='XCLIPVision', arch=ARCH, num_frames=T),
        text=dict(type='CLIPText', arch=ARCH, classes=CLASSES),
        topology=dict(type='SMCLM', model=dict(
            type='CTRGCN', in_channels=5, num_person=2, base_channels=8)),
        cls_head=dict(type='TRMMHead', num_classes=5, lambdas=(.5, 1., 2.),
                      fusion=dict(type='TRMM'), topk=(1, )))
    inputs = dict(imgs=draw('imgs', 2, VIEWS * T, 3, 16, 16),
                  pooled_feat=draw('pooled', 2, 1, 2, 8, 17, 5))
    samples = [ActionDataSample().set_gt_label(i) for i in (1, 3)]
    found = model(inputs, samples, mode='predict')
    for key in ('pred_score', *(f'pred_score_{s}' for s in 'j b jm'.split())):
        yield f'recognizer {key}', torch.stack([s.get(key) for s in found])
    inputs['imgs'] = inputs['imgs'][:, :T]  # one view, as in training
    for key, value in model(inputs, samples, mode='loss').items():
        if 'loss' in key:
            yield f'recognizer {key}', value


@functools.cache
@torch.no_grad()
def outputs(part):
    """Name to numbers of what a part of the networks gives."""
    return {name: value.numpy() for name, value in part()}


PARTS = (graph_nets, volume_nets, fusions, towers, pooling, recognizer)

if __name__ == '__main__':
    found = {name: np.float32(value) for part in PARTS
             for name, value in outputs(part).items()}
    np.savez_compressed(FILE, **found)
    print(f'{FILE}: {len(found)} outputs, {FILE.stat().st_size:,} bytes')

"""The CPU's numbers on every device, and training in half precision."""
import contextlib

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from hpnet_plugin.demo.crops import make_crop
from hpnet_plugin.estimation.pose import build_pose_net
from hpnet_plugin.estimation.zoo import choose_pose
from hpnet_plugin.models import CTRGCN, SkeletonMixFormer, XCLIPVision
from hpnet_plugin.pooling import pool_at_joints

CUDA = pytest.param('cuda', marks=pytest.mark.cuda)
DEVICES = pytest.mark.parametrize('device', ['cpu', CUDA])


def close(found, expected, share):
    """Within a share of the largest value."""
    assert found.shape == expected.shape
    assert (found.double().cpu() - expected).abs().max() \
        <= share * expected.abs().max()


@DEVICES
@pytest.mark.parametrize('kind', [CTRGCN, SkeletonMixFormer])
@torch.no_grad()
def test_graph_networks(kind, device):
    torch.manual_seed(0)
    net, x = kind(8, base_channels=16).eval(), torch.randn(2, 2, 16, 17, 8)
    expected = net.double()(x.double())
    close(net.float().to(device)(x.to(device)), expected, 1e-4)


@DEVICES
@pytest.mark.parametrize('half, share', [(False, 1e-4), (True, .03)])
@torch.no_grad()
def test_video_tower(device, half, share):
    torch.manual_seed(0)
    tower = XCLIPVision(dict(
        embed_dim=64, vision_cfg=dict(layers=2, width=128, patch_size=16,
                                      image_size=64),
        text_cfg=dict(context_length=8, width=64, heads=1, layers=1))).eval()
    imgs = torch.randn(2, 8, 3, 64, 64)
    expected = tower.double()(imgs.double())
    dtype = torch.float16 if device == 'cuda' else torch.bfloat16
    tower.float().to(device)
    for patches in (True, False):
        with torch.autocast(device, dtype, enabled=half):
            found = tower(imgs.to(device), patches=patches)
        close(found.video, expected.video, share)
        close(found.frames, expected.frames, share)


@DEVICES
@pytest.mark.parametrize('region', [1, 3])
def test_pooling(device, region):
    torch.manual_seed(0)
    maps, joints = torch.randn(2, 5, 32, 24), torch.rand(2, 17, 2) * 90
    expected = pool_at_joints(maps.double(), joints.double(), (96, 128),
                              region)
    close(pool_at_joints(maps.to(device), joints.to(device), (96, 128),
                         region), expected.double(), 1e-5)


@DEVICES
def test_pose_net(device):
    """Joints to a tenth of a pixel, and the maps that are tapped."""
    _, config, checkpoint, taps = choose_pose('tiny')[:4]
    rng = np.random.default_rng(0)
    crops = np.stack([make_crop(rng).image for _ in range(3)])
    there = build_pose_net(config, checkpoint, taps, device)(crops)
    here = build_pose_net(config, checkpoint, taps)(crops)
    assert np.abs(np.asarray(there.joints) - here.joints).max() < .1
    for tap in taps:
        close(torch.as_tensor(there.maps[tap]),
              torch.as_tensor(here.maps[tap]).double(), 1e-3)


@pytest.mark.parametrize('device, dtype', [
    ('cpu', 'bfloat16'),
    pytest.param('cuda', 'float16', marks=pytest.mark.cuda),
    pytest.param('cuda', 'bfloat16', marks=pytest.mark.cuda)])
def test_training_in_half_precision(device, dtype):
    """It learns as in full precision, and the weights stay float32.

    mmengine's AMP needs a GPU; on a CPU autocast stands around the step.
    """
    def losses(half):
        torch.manual_seed(0)
        model = MODELS.build(dict(
            type='mmaction.RecognizerGCN',
            backbone=dict(type='CTRGCN', in_channels=6, base_channels=16),
            cls_head=dict(type='GCNHead', num_classes=3, in_channels=64),
            data_preprocessor=dict(type='mmaction.ActionDataPreprocessor'),
            _scope_='mmaction')).to(device)
        optimizer = torch.optim.SGD(model.parameters(), .05, momentum=.9)
        wrapper = AmpOptimWrapper(dtype=dtype, optimizer=optimizer) \
            if half and device == 'cuda' else OptimWrapper(optimizer)
        around = torch.autocast('cpu', getattr(torch, dtype)) \
            if half and device == 'cpu' else contextlib.nullcontext()
        x = torch.randn(6, 1, 2, 16, 17, 6)
        labels = torch.arange(6) % 3
        x += 2 * torch.eye(6)[labels].view(6, 1, 1, 1, 1, 6)
        samples = [ActionDataSample().set_gt_label(int(i)) for i in labels]
        found = []
        for _ in range(8):
            with around:
                logs = model.train_step(
                    dict(inputs=list(x), data_samples=samples), wrapper)
            found.append(float(logs['loss'].detach()))
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        return np.array(found)

    full, half = losses(False), losses(True)
    assert full[-1] < .5 * full[0]
    assert np.isfinite(half).all() and half[-1] < .5 * half[0]
    assert half[:3] == pytest.approx(full[:3], rel=.05)
    assert (half != full).any()  # it was another precision

"""Whole jobs on every device: extraction, training, launchers, predictions.

What needs no GPU runs here; the same on a GPU is marked ``cuda``.
"""
import copy
import types

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmaction.structures import ActionDataSample
from mmengine.model import convert_sync_batchnorm
from torch import nn

from hpnet_plugin.apis import HPNetInferencer
from hpnet_plugin.benchmarks.inputs import tiny_net
from hpnet_plugin.cli import main
from hpnet_plugin.demo.crops import make_crop
from hpnet_plugin.estimation.extractor import build_extractor
from hpnet_plugin.models import (
    CTRGCN,
    SMCLM,
    HPNetDataPreprocessor,
    XCLIPVision,
)
from hpnet_plugin.store import FeatureStore

CUDA = pytest.mark.cuda
DEVICES = pytest.mark.parametrize(
    'device', ['cpu', pytest.param('cuda', marks=CUDA)])
TOWER = dict(
    embed_dim=64,
    vision_cfg=dict(layers=2, width=64, head_width=32, patch_size=16,
                    image_size=32),
    text_cfg=dict(context_length=8, width=32, heads=2, layers=1))
CLIP = 'cup_000'


def close(found, expected, share):
    """Within a share of the largest value."""
    found, expected = (torch.as_tensor(np.array(x) if isinstance(
        x, np.ndarray) else x).detach().double().cpu()
        for x in (found, expected))
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= share * expected.abs().max()


@pytest.fixture(scope='module')
def job(drawn):
    """Folder of drawn clips, and of their dataset."""
    return drawn


def train(job, name, out, *words):
    """Train for an epoch."""
    assert main([
        'train', name, '--data', str(job / 'data'), '--small', '--seed', '0',
        '--work-dir', str(out), *words, '--cfg-options', 'epochs=1',
        'frames=8', 'train_dataloader.batch_size=5']) == 0


def trained_well(folder):
    """The weights are numbers in float32."""
    state = torch.load(folder / 'epoch_1.pth', weights_only=False)[
        'state_dict']
    assert all(value.isfinite().all() for value in state.values())
    assert {value.dtype for value in state.values()
            if value.is_floating_point()} == {torch.float32}


BFLOAT16 = ('--cfg-options', 'optim_wrapper.type=AmpOptimWrapper',
            'optim_wrapper.dtype=bfloat16')


@pytest.fixture(scope='module')
def run(job, tmp_path_factory):
    """Work dir of HP-Net, by the Runner, on a GPU wherever there is one."""
    folder = tmp_path_factory.mktemp('job') / 'run'
    train(job, 'hpnet', folder)
    return folder


def test_training(run):
    trained_well(run)


@CUDA
@pytest.mark.parametrize('words', [
    pytest.param(('--amp', ), id='float16'),
    pytest.param(BFLOAT16, id='bfloat16')])
def test_training_in_half_precision(job, tmp_path, words):
    train(job, 'hpnet', tmp_path, *words)
    trained_well(tmp_path)


@pytest.mark.parametrize('backend', [
    pytest.param('gloo', marks=pytest.mark.skipif(
        torch.cuda.is_available(), reason='mmengine takes the GPU')),
    pytest.param('nccl', marks=CUDA)])
def test_launcher(job, tmp_path, monkeypatch, backend):
    """One process of --launcher pytorch, its norms synchronised on a GPU."""
    place = dict(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1',
                 MASTER_ADDR='127.0.0.1', MASTER_PORT='0')
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    words = ['--launcher', 'pytorch']
    words += ['--cfg-options', 'sync_bn=torch']
    try:
        train(job, 'hp_j', tmp_path, '--no-validate', *words)
        trained_well(tmp_path)
        assert dist.get_backend() == backend
    finally:
        dist.destroy_process_group()


@DEVICES
def test_synchronised_norms(device, tmp_path):
    """Those of a group of one are those of the process."""
    torch.manual_seed(0)
    plain = CTRGCN(4, base_channels=8).to(device).train()
    state, x = copy.deepcopy(plain.state_dict()), torch.randn(
        2, 2, 8, 17, 4, device=device)
    found = []
    if device == 'cuda':  # on a CPU torch has none of a group
        dist.init_process_group(
            'nccl', init_method=f'file://{tmp_path / "group"}', rank=0,
            world_size=1)
    try:
        for net in (plain, convert_sync_batchnorm(CTRGCN(
                4, base_channels=8).to(device).train())):
            net.load_state_dict(state)
            out = net(x)
            out.square().mean().backward()
            found.append((out, net.data_bn.weight.grad,
                          net.data_bn.running_var))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    assert isinstance(net.data_bn, nn.SyncBatchNorm)
    for one, other in zip(*found):
        close(other, one, 1e-5)


def stream():
    return CTRGCN(4, base_channels=8), torch.randn(2, 2, 8, 17, 4)


def streams():
    return SMCLM(dict(type='CTRGCN', in_channels=4, base_channels=8)), \
        torch.randn(2, 2, 8, 17, 4)


def tower():
    return XCLIPVision(TOWER, num_frames=2), torch.randn(1, 2, 3, 32, 32)


@pytest.mark.parametrize('make, backend, device', [
    (tower, 'eager', 'cpu'),
    *(pytest.param(make, 'inductor', 'cuda', marks=CUDA)
      for make in (stream, streams, tower))])
def test_compiled(make, backend, device):
    """torch.compile understands a training step; its gradients are ours."""
    torch.manual_seed(0)
    net, x = make()
    net, x = net.to(device).train(), x.to(device)
    weights = list(net.parameters())
    grads = []
    for run in (net, torch.compile(net, backend=backend)):
        net.zero_grad()
        out = run(x)
        out = getattr(out, 'concat', getattr(out, 'video', out))
        out.square().mean().backward()
        grads.append(torch.cat([
            weight.grad.flatten() for weight in weights
            if weight.grad is not None]))
    torch._dynamo.reset()
    assert grads[0].abs().max() > 0
    close(grads[1], grads[0], 1e-3)


@DEVICES
def test_batches_are_cast_on_the_device(device):
    """Pinned features in float16 and images in bytes, as loaders give them."""
    preprocess = HPNetDataPreprocessor(dict(
        imgs=dict(type='ActionDataPreprocessor', mean=[100.] * 3,
                  std=[50.] * 3, format_shape='NCHW'),
        pooled_feat=dict(type='ActionDataPreprocessor'))).to(device)
    torch.manual_seed(0)
    imgs = torch.randint(0, 256, (2, 4, 3, 8, 8), dtype=torch.uint8)
    feat = torch.randn(2, 1, 2, 8, 17, 4).half()
    given = [dict(imgs=image, pooled_feat=one) for image, one in zip(
        imgs, feat)]
    if device == 'cuda':
        given = [{key: value.pin_memory() for key, value in one.items()}
                 for one in given]
    with torch.autocast(device, torch.bfloat16):
        data = preprocess(dict(
            inputs={key: [one[key] for one in given] for key in given[0]},
            data_samples=[ActionDataSample().set_gt_label(i)
                          for i in range(2)]), training=True)
    found = data['inputs']
    assert {(value.device.type, value.dtype) for value in found.values()} == {
        (device, torch.float32)}
    close(found['imgs'], (imgs.float() - 100) / 50, 1e-6)
    assert torch.equal(found['pooled_feat'].cpu(), feat.float())


@DEVICES
def test_extraction(job, tmp_path, device):
    """A drawn clip from video to store: what the CPU stored."""
    out = tmp_path / 'data'
    assert main([
        'extract', str(job / f'people/videos/{CLIP}.mp4'), '--pose', 'tiny',
        '--detector', f'boxes:{job / "people/boxes.json"}', '--max-people',
        '1', '--workers', '0', '--device', device, '--out', str(out)]) == 0
    found, expected = (FeatureStore(folder / 'features')
                       for folder in (out, job / 'data'))
    for key in ('keypoint', *found.taps):
        one, other = (store.read(CLIP, key) for store in (found, expected))
        close(one, other, .002)


@DEVICES
def test_extraction_by_onnxruntime(tmp_path, device):
    if device == 'cuda':
        providers = pytest.importorskip(
            'onnxruntime').get_available_providers()
        if 'CUDAExecutionProvider' not in providers:
            pytest.skip('onnxruntime-gpu is not installed')
    path, tap = tiny_net(str(tmp_path))
    rng = np.random.default_rng(0)
    crops = np.stack([make_crop(rng).image for _ in range(2)])
    matrices = np.tile(np.eye(2, 3, dtype=np.float32), (2, 1, 1))
    found, expected = (
        build_extractor(path, None, [tap], where)(crops, matrices)
        for where in (device, 'cpu'))
    assert np.abs(found[0] - expected[0]).max() < .1
    close(found[2][tap], expected[2][tap], .002)


@pytest.fixture(scope='module')
def said_on_a_cpu(job, run):
    """Scores of a clip."""
    return predict(job, run, 'cpu')


def predict(job, model, device):
    inferencer = HPNetInferencer(
        str(model), detector=f'boxes:{job / "people/boxes.json"}',
        window='clip', device=device)
    result, = inferencer(str(job / f'people/videos/{CLIP}.mp4'))
    prediction, = result.predictions
    return prediction.raw


@DEVICES
def test_prediction(job, run, said_on_a_cpu, device):
    """The whole HP-Net, from a video to its scores."""
    assert np.ptp(said_on_a_cpu) > 1e-3
    close(predict(job, run, device), said_on_a_cpu, .01)


def test_skipped_tests_are_counted(request):
    """A run without a GPU says how many tests it has not run."""
    plugin, = (one for one in request.config.pluginmanager.get_plugins()
               if getattr(one, '__file__', '') == str(
                   request.config.rootpath / 'tests/conftest.py'))
    lines = []
    skipped = [types.SimpleNamespace(longrepr=('x.py', 1, f'Skipped: {why}'))
               for why in (plugin.NO_GPU, 'no Ray', plugin.NO_GPU)]
    for stats in (dict(skipped=skipped), dict(passed=skipped)):
        plugin.pytest_terminal_summary(types.SimpleNamespace(
            stats=stats, write_line=lines.append))
    assert lines == ['2 tests need a GPU and were skipped']

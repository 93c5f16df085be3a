"""Several GPUs train the recipe of one."""
import pytest
import torch
from mmengine.config import Config

from hpnet_plugin.recipes import compose
from hpnet_plugin.reproduction.gpus import Hardware
from hpnet_plugin.reproduction.runs import Run


def recipe(name, **settings):
    return Config(compose(name, **settings))


def trained(root, name, config, gpus, tmp_path):
    """Batch, steps an update and batch norm that the command leads to."""
    run = Run(str(root / config), 0, tmp_path, hardware=Hardware(gpus))
    options = run.commands()[0]
    options = options[options.index('--cfg-options') + 1:] \
        if '--cfg-options' in options else []
    cfg = Run(str(root / config), 0, tmp_path, tuple(options)).load()
    return (cfg.train_dataloader.batch_size,
            cfg.optim_wrapper.get('accumulative_counts', 1),
            cfg.get('sync_bn'))


@pytest.mark.parametrize('name, config, clips, found', [
    # 64 clips a step: shared, normalised over all
    ('stream', 'stream.py', 64, {
        1: (64, 1, None), 2: (32, 1, 'torch'), 4: (16, 1, 'torch')}),
    # 8 steps of 8: the steps are shared, each normalised by itself
    ('hpnet', 'hpnet.py', 64, {
        1: (8, 8, 'torch'), 2: (8, 4, None), 4: (8, 2, None),
        8: (8, 1, None)}),
    ('released_hpnet', 'released/released_hpnet.py', 64, {
        1: (4, 16, None), 4: (4, 4, None)}),
    # the stock recipe is of eight GPUs, whose steps one makes in turn
    ('posec3d', 'posec3d.py', 128, {
        1: (16, 8, None), 4: (16, 2, None), 8: (16, 1, None)}),
    ('rgbpose', 'rgbpose.py', 48, {1: (6, 8, None), 8: (6, 1, None)}),
])
def test_clips_of_an_update_stay(root, tmp_path, name, config, clips, found):
    for gpus, expected in found.items():
        batch, steps, norm = trained(root, name, f'configs/{config}', gpus,
                                     tmp_path)
        assert (batch, steps, norm) == expected, gpus
        assert batch * steps * gpus == clips


@pytest.mark.parametrize('cfg, gpus, advice', [
    (recipe('stream'), 3, 'an update is of 64 clips, 64 a step: 3 GPUs '
     'cannot share it evenly; take 1 or 2 or 4'),
    (recipe('hpnet'), 16, 'take 1 or 2 or 4 or 8$'),
    (recipe('posec3d'), 5, 'take 1 or 2 or 4 or 8$'),
])
def test_refused(cfg, gpus, advice):
    with pytest.raises(ValueError, match=advice):
        Hardware(gpus).options(cfg)


def test_commands_say_gpus_and_precision(root, tmp_path):
    run = Run(str(root / 'configs/stream.py'), 1, tmp_path,
              hardware=Hardware(4, amp=True, tf32=True))
    train, test = run.commands()
    assert train[train.index('--seed') + 1] == '1'
    assert train[train.index('--gpus') + 1] == '4'
    assert '--amp' in train and '--gpus' not in test
    assert run.hardware.environment == dict(
        TORCH_ALLOW_TF32_CUBLAS_OVERRIDE='1')
    assert Hardware().environment == {}


def test_tf32_is_what_torch_reads():
    """The variable turns TF32 on where torch starts with it."""
    import os
    import subprocess
    import sys
    command = [sys.executable, '-c', 'import torch; '
               'print(torch.backends.cuda.matmul.allow_tf32)']
    assert not torch.backends.cuda.matmul.allow_tf32
    found = subprocess.run(
        command, env={**os.environ, **Hardware(tf32=True).environment},
        check=True, capture_output=True, text=True).stdout
    assert found.strip() == 'True'

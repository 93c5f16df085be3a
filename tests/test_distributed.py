"""Two and four processes train and test as one does, step by step.

All processes are forked from this one, which has everything imported, and
each makes every training of its group size.
"""
import gc
import multiprocessing
import os
import pickle
import signal
import socket
import traceback

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

import hpnet_plugin.models.clip.blocks  # noqa: F401  before any fork
from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.evaluation.scores import read_scores
from hpnet_plugin.recipes import compose
from hpnet_plugin.runner import CheckedRunner

CLIPS, TESTED = 20, 17  # steps of 16 and 4 clips; a test that leaves a rest
ARCH = dict(
    embed_dim=32,
    vision_cfg=dict(
        layers=1, width=32, head_width=16, patch_size=16, image_size=32),
    text_cfg=dict(context_length=16, width=16, heads=2, layers=1))
SIZES = 1, 2, 4
CHECKPOINT = dict(type='CheckpointHook', interval=1)
FORK = multiprocessing.get_context('fork')


class Watched(Hook):
    """What a training has computed after each step."""

    priority = 'LOWEST'

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        model = getattr(runner.model, 'module', runner.model)
        self.steps.append(dict(
            losses={key: float(value) for key, value in outputs.items()
                    if 'loss' in key},
            clips=[sample.frame_dir for sample in
                   data_batch['data_samples']],
            weights=torch.cat([value.detach().double().flatten()
                               for value in model.parameters()]),
            state=torch.cat([value.detach().double().flatten() for value
                             in model.state_dict().values()])))


class Exact(CheckedRunner):
    """In float64, where differences are none of rounding."""

    def _log_env(self, env_cfg):
        """Without the config's text, which takes as long as the rest."""

    def dump_config(self):
        """Likewise."""

    def wrap_model(self, wrapper, model):
        model.double().data_preprocessor.register_forward_hook(
            lambda module, args, data: dict(data, inputs=doubled(
                data['inputs'])))
        return super().wrap_model(wrapper, model)


def doubled(inputs):
    if isinstance(inputs, dict):
        return {key: doubled(value) for key, value in inputs.items()}
    return inputs.double()


def config(folder, recipe, **options):
    """A small recipe with tiny networks; what is shared stays as it is."""
    cfg = Config(compose(recipe, data_root=str(folder / 'data'), size='small',
                         frames=8, epochs=2))
    graph = cfg.model.topology.model if recipe == 'hpnet' else \
        cfg.model.backbone
    graph.update(base_channels=8)
    if recipe == 'hpnet':
        cfg.model.backbone.arch = cfg.model.text.arch = ARCH
        for loader in (cfg.train_dataloader, cfg.test_dataloader):
            for step in loader.dataset.pipeline:
                if step.type == 'Resize':
                    step.scale = 32, 32
        cfg.model.topology.streams = 'jm',
        cfg.optim_wrapper.clip_grad = dict(max_norm=1.)
    else:
        cfg.model.cls_head.in_channels = 32
        cfg.train_dataloader.dataset.pipeline.insert(
            1, dict(type='RandomTemporalCrop', min_ratio=.3))
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg.pop(key, None)
    cfg.test_dataloader.dataset.indices = TESTED
    cfg.test_evaluator = [*cfg.test_evaluator, dict(
        type='DumpResults', out_file_path=str(folder / 'scores.pkl'))]
    runtime = Config.fromfile(os.path.join(
        os.path.dirname(__file__), '../configs/_base_/default_runtime.py'))
    runtime.merge_from_dict(cfg.to_dict())
    cfg = runtime
    cfg.merge_from_dict({
        'randomness.seed': 3, 'log_level': 'ERROR',
        'default_hooks.checkpoint': None, 'visualizer.vis_backends': None})
    cfg.merge_from_dict(options)
    return cfg


JOBS = dict(
    stream=lambda folder: config(folder, 'stream'),
    hpnet=lambda folder: config(folder, 'hpnet'),
    gathered=lambda folder: config(
        folder, 'stream', **{
            'train_dataloader.batch_size': 4, 'sync_bn': None,
            'optim_wrapper.accumulative_counts':
                4 // int(os.environ.get('WORLD_SIZE', 1))}),
    pretrained=lambda folder: config(
        folder, 'stream', epochs=1,
        custom_hooks=[dict(type='PretrainMasked', epochs=1)]))
ALONE = 'stream', 'hpnet', 'gathered'


def job(folder, name, size, rank):
    """Train, and test what was trained; what became of it."""
    cfg = JOBS[name](folder)
    cfg.work_dir = str(folder / f'{name}{size}')
    if size > 1:
        cfg.launcher = 'pytorch'
    dump = folder / f'{name}{size}.pkl'
    cfg.test_evaluator[-1].out_file_path = str(dump)
    torch.manual_seed(0)
    runner = Exact.from_cfg(cfg)
    watched = Watched()
    runner.register_hook(watched, 'LOWEST')
    runner.train()
    metrics = runner.test() if name == 'stream' else None
    return dict(steps=watched.steps, metrics=metrics,
                batch=runner.train_dataloader.batch_size)


def process(folder, size, rank, port):
    """One of a group; it leaves what it found in a file."""
    found = {}
    try:
        torch.set_num_threads(1)
        gc.freeze()
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size),
            MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
        for name in ALONE if size == 1 else JOBS if size == 2 else \
                ('stream', 'hpnet'):
            found[name] = job(folder, name, size, rank)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    (folder / f'{size}_{rank}.pkl').write_bytes(pickle.dumps(found))
    os._exit(0)


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """(size, rank) to what the process found."""
    folder = tmp_path_factory.mktemp('distributed')
    cfg = Config(compose('hpnet', benchmark='nw_ucla_synthetic', frames=8))
    write_synthetic(cfg, folder / 'data', CLIPS, 10)
    for size in SIZES:
        port = free_port()
        group = [FORK.Process(target=process, args=(folder, size, rank, port))
                 for rank in range(size)]
        for one in group:
            one.start()
        for one in group:
            one.join()
        assert not any(one.exitcode for one in group)
    return folder, {
        (size, rank): pickle.loads(
            (folder / f'{size}_{rank}.pkl').read_bytes())
        for size in SIZES for rank in range(size)}


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


@pytest.mark.parametrize('name', ['stream', 'hpnet'])
def test_each_step_is_that_of_one_process(found, name):
    """Clips, mean loss, every weight and every running statistic."""
    one = found[1][1, 0][name]
    assert len(one['steps']) == 4 and one['batch'] == 16
    for size in SIZES[1:]:
        group = [found[1][size, rank][name] for rank in range(size)]
        assert {part['batch'] for part in group} == {16 // size}
        for number, whole in enumerate(one['steps']):
            parts = [part['steps'][number] for part in group]
            assert [clip for part in parts for clip in part['clips']] == \
                whole['clips']
            for key, loss in whole['losses'].items():
                assert np.mean([part['losses'][key] for part in parts]) == \
                    pytest.approx(loss, rel=1e-5)
            for part in parts:
                torch.testing.assert_close(
                    part['state'], whole['state'], rtol=0, atol=1e-5)


def test_gathered_steps_are_taken_in_turn(found):
    """An update learns from the same clips; each step has its own norms."""
    one, *both = (found[1][place]['gathered']
                  for place in ((1, 0), (2, 0), (2, 1)))
    assert [len(part['steps']) for part in (one, *both)] == [10, 6, 6]
    for step in range(5):  # of an epoch; the last is shared by both
        clips = [part['steps'][step // 2]['clips'] for part in both]
        whole = one['steps'][step]['clips']
        assert whole == (clips[step % 2] if step < 4 else sum(clips, []))
    # an update is four steps of one process, two of both
    first, last = (one['steps'][step]['weights'] for step in (2, 3))
    assert not torch.equal(first, last)
    for part in both:
        torch.testing.assert_close(part['steps'][1]['weights'], last,
                                   rtol=0, atol=1e-5)


def test_pretrained_alike(found):
    """Each process masks its own clips, and all have the same network."""
    one, other = (found[1][2, rank]['pretrained']['steps'][0]['weights']
                  for rank in (0, 1))
    assert torch.equal(one, other)
    plain = found[1][2, 0]['stream']['steps'][0]['weights']
    assert not torch.equal(one, plain)


def test_a_test_of_several_processes_is_that_of_one(found):
    """Accuracies, and each clip once, in its place, in the dump."""
    folder, jobs = found
    one = read_scores(str(folder / 'stream1.pkl'))
    assert len(one.names) == TESTED == len(set(one.names))
    for size in SIZES[1:]:
        assert jobs[size, 0]['stream']['metrics'] == pytest.approx(
            jobs[1, 0]['stream']['metrics'])
        other = read_scores(str(folder / f'stream{size}.pkl'))
        assert other.names == one.names
        np.testing.assert_array_equal(other.labels, one.labels)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)


def train_until(folder, resume, epoch, step):
    """Train in a process of its own, which kills itself at a step."""
    class Kill(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if (runner.epoch, batch_idx) == (epoch, step):
                os.kill(os.getpid(), signal.SIGKILL)

    def run():
        torch.set_num_threads(1)
        gc.freeze()
        cfg = JOBS['stream'](folder)
        cfg.update(work_dir=str(folder / 'run'), resume=resume)
        cfg.default_hooks.checkpoint = CHECKPOINT
        if resume:  # the checkpoint knows the seed
            cfg.pop('randomness')
        torch.manual_seed(0)  # of the weights
        runner = Exact.from_cfg(cfg)
        runner.register_hook(Kill())
        runner.train()

    one = FORK.Process(target=run)
    one.start()
    one.join()
    return one.exitcode


def test_a_killed_training_goes_on_as_if_nothing_had_been(found):
    """Weights bit for bit, whatever was random; files are never half."""
    folder = found[0]
    whole = found[1][1, 0]['stream']['steps'][-1]['state']
    run = folder / 'run'
    assert train_until(folder, False, 1, 1) == -signal.SIGKILL
    assert [path.name for path in run.glob('*.pth*')] == ['epoch_1.pth']
    (run / 'last_checkpoint').write_text('')  # killed while it was written
    assert train_until(folder, True, 9, 9) == 0
    state = torch.load(run / 'epoch_2.pth', weights_only=False)['state_dict']
    resumed = torch.cat([value.double().flatten()
                         for value in state.values()])
    assert torch.equal(resumed, whole)

"""The configs of the released code, on noise and with its weights."""
import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_checkpoint

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.conversion import convert_checkpoint
from hpnet_plugin.facts import read_facts
from hpnet_plugin.recipes.reading import innermost, walk
from hpnet_plugin.runner import current_config

STREAMS = [f'{kind}_{part}' for kind in ('hp', 'pose')
           for part in ('j', 'b', 'jm', 'bm')]
# 49 patches of the real image size: the pipelines stay what they are
SMALL = dict(
    embed_dim=64,
    vision_cfg=dict(
        layers=1, width=64, head_width=32, patch_size=32, image_size=224),
    text_cfg=dict(context_length=20, width=32, heads=2, layers=1))
# classes, folder, splits of training and test; reference.md 6.2, 7
BENCHMARKS = dict(
    ntu120=(120, 'ntu120', 'xsub_train_full', 'xsub_test'),
    ntu120_xset=(120, 'ntu120', 'xset_train_full', 'xset_test'),
    ntu60_xsub=(60, 'ntu60', 'xsub_train_full', 'xsub_test'),
    ntu60_xview=(60, 'ntu60', 'xview_train_full', 'xview_test'),
    smarthome_cs=(31, 'smarthome', 'cs_train', 'cs_test'),
    smarthome_cv1=(19, 'smarthome_cv', 'cv1_train_full', 'cv1_test'),
    smarthome_cv2=(19, 'smarthome_cv', 'cv2_train_full', 'cv2_test'),
    uav_human_csv1=(155, 'uav_human', 'csv1_train_full', 'csv1_test'),
    uav_human_csv2=(155, 'uav_human', 'csv2_train_full', 'csv2_test'),
    nw_ucla=(10, 'nw_ucla', 'xview_train_full', 'xview_test'),
    ucf101=(101, 'ucf101', 'split1_train_full', 'split1_test'))


@pytest.fixture(autouse=True)
def mmaction_scope():
    """What the Runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def loaded(root, recipe, **settings):
    """A config with settings, as the command line gives them."""
    cfg = Config.fromfile(root / f'configs/released/{recipe}.py')
    cfg.merge_from_dict(settings)
    return current_config(cfg)


def batches(cfg, clips=1):
    found = {}
    for phase in ('train', 'test'):
        # serialising would collect garbage first, which takes long
        dataset = DATASETS.build(
            dict(cfg[f'{phase}_dataloader'].dataset, serialize_data=False))
        found[phase] = pseudo_collate([dataset[i] for i in range(clips)])
    return found


def step(cfg, found):
    """One of training, one of testing."""
    model = MODELS.build(cfg.model)
    losses = model.train_step(
        found['train'],
        build_optim_wrapper(model, cfg.optim_wrapper.to_dict()))
    assert all(np.isfinite(value.item()) for value in losses.values())
    model.eval()
    with torch.no_grad():
        return model, losses, model.test_step(found['test'])


@pytest.mark.parametrize('stream', STREAMS)
def test_steps_of_streams(stream, root, tmp_path):
    cfg = loaded(root, 'released_stream', stream=stream)
    assert cfg.model.backbone.graph == 'released'
    for phase in ('train', 'test'):
        steps = cfg[f'{phase}_dataloader'].dataset.pipeline
        [bones] = [one for one in steps if one.type == 'GenPooledStream']
        assert bones.pairs == 'released'
        assert not {'NormalizeKeypoint', 'FlipJoints', 'RandomTemporalCrop'} \
            & {one.type for one in steps}
    write_synthetic(cfg, tmp_path, clips=1, frames=5)
    found = batches(cfg)
    x = found['train']['inputs'][0]
    pose = stream.startswith('pose')
    assert x.shape == (1, 2, 64, 17, 2 if pose else 96)
    if stream == 'pose_j':
        assert x.min() > 10  # pixels: nothing was centred
    _, _, samples = step(cfg, found)
    assert samples[0].pred_score.shape == (120, )


def test_recipe_of_streams(root):
    """reference.md 6.2: one for all benchmarks."""
    for benchmark in ('ntu120', 'nw_ucla'):
        cfg = loaded(root, 'released_stream', benchmark=benchmark)
        assert cfg.optim_wrapper.optimizer == dict(
            type='SGD', lr=.1, momentum=.9, weight_decay=4e-4, nesterov=True)
        assert cfg.train_cfg.max_epochs == 65
        assert cfg.param_scheduler[1].milestones == [35, 55]
        assert cfg.train_dataloader.batch_size == 64 == \
            cfg.test_dataloader.batch_size == \
            cfg.auto_scale_lr.base_batch_size
        assert cfg.train_dataloader.drop_last
        assert not cfg.test_dataloader.get('drop_last')
        assert cfg.model.cls_head.get('loss_cls') is None  # plain CE


@pytest.mark.parametrize('benchmark', BENCHMARKS)
def test_benchmarks(benchmark, root):
    """The setting alone turns to another benchmark."""
    classes, folder, train, test = BENCHMARKS[benchmark]
    for recipe, name in (('released_stream', 'hp_j_ctrgcn'),
                         ('released_hpnet', 'hpnet')):
        cfg = loaded(root, recipe, benchmark=benchmark)
        assert cfg.work_dir.startswith(f'work_dirs/{name}_released_')
        assert cfg.model.cls_head.num_classes == classes
        for phase, split in (('train', train), ('val', test),
                             ('test', test)):
            dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
            assert dataset.data_root == f'data/{folder}_released'
            assert dataset.split == split
            steps = {one['type']: one for one in walk(dataset.pipeline)}
            assert steps['ResizeTemporal'].length == 64
            assert steps['FormatPooledInput'].num_person == 2
        net = cfg.model.get('topology', cfg.model.backbone)
        assert net.get('model', net).num_person == 2


@pytest.fixture
def hpnet(root):
    cfg = loaded(root, 'released_hpnet')
    cfg.model.backbone.arch = cfg.model.text.arch = SMALL
    return cfg


def test_steps_of_hpnet(hpnet, tmp_path):
    write_synthetic(hpnet, tmp_path, clips=2, frames=11)
    found = batches(hpnet, 2)
    assert found['train']['inputs']['pooled_feat'][0].shape == (
        1, 2, 64, 17, 96)
    model, losses, samples = step(hpnet, found)
    assert [key for key in losses if key.startswith('loss_')] == [
        'loss_cls', 'loss_jm', 'loss_jm_2', 'loss_b']
    assert samples[0].pred_score.shape == (120, )
    # what is fused with the streams' logits
    assert samples[0].pred_score.sum().item() == pytest.approx(1)
    assert model.data_preprocessor.blending.keys == ('imgs', )


def test_recipe_of_hpnet(hpnet):
    """reference.md 6.1."""
    loader, optim = hpnet.train_dataloader, hpnet.optim_wrapper
    assert loader.batch_size == 4 and loader.drop_last
    assert loader.batch_size * optim.accumulative_counts == 64
    assert hpnet.sync_bn is None
    names = [one.type for one in loader.dataset.pipeline[2:5]]
    flip, colours, grey = loader.dataset.pipeline[2:5]
    assert names == ['FlipJoints', 'RandomApply', 'ClipGrayscale']
    assert flip['keys'] == ('imgs', )
    assert (colours.prob, colours.transforms[0].type) == (.8, 'EachImage')
    assert grey.p == .2
    wrapper = build_optim_wrapper(model := MODELS.build(hpnet.model), optim)
    group = {id(param): one for one in wrapper.param_groups
             for param in one['params']}
    rates = dict(visual=8e-6, message=8e-5, mit=8e-5, fast=8e-2)
    for name, param in model.named_parameters():
        if not param.requires_grad:
            assert id(param) not in group
            continue
        found = group[id(param)]
        kind = 'fast' if name.startswith(('topology', 'cls_head')) else \
            'message' if 'message_' in name else \
            'mit' if '.mit.' in name else 'visual'
        assert found['lr'] == pytest.approx(rates[kind]), name
        still = param.ndim <= 1 or 'positional_embedding' in name
        assert found['weight_decay'] == (0 if still else 1e-3), name


def test_golden_stream(golden, root, tmp_path):
    """A stream of the authors through converter and config: their logits."""
    facts, expected = golden.load('ctrgcn_stream')
    source, out = str(tmp_path / 'released.pt'), str(tmp_path / 'ours.pth')
    weights = golden.fill(facts['entries'], facts['weight_seed'],
                          facts['key_prefix_for_fill'])
    torch.save({key: torch.from_numpy(np.asarray(value))
                for key, value in weights.items()}, source)
    convert_checkpoint(source, out, 'ctrgcn')
    cfg = loaded(root, 'released_stream', benchmark='ntu60_xsub')
    model = MODELS.build(cfg.model).eval()
    load_checkpoint(model, out, strict=True)
    x = golden.draw(facts['input_shape'],
                    np.random.RandomState(facts['input_seed']))
    # N, C, T, V, M to N, M, T, V, C
    x = torch.from_numpy(x).permute(0, 4, 2, 3, 1)
    with torch.no_grad():
        logits = model.cls_head(model.backbone(x))
    np.testing.assert_allclose(
        logits, expected['logits'], rtol=0,
        atol=1e-6 * max(1, np.abs(expected['logits']).max()))


def test_golden_hpnet(golden, root, tmp_path):
    """The authors' recogniser loads strictly, and scores as theirs does."""
    facts, expected = golden.load('hpnet_recognizer')
    source, out = str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth')
    weights = golden.fill(facts['entries'], facts['weight_seed'])
    torch.save(dict(model={key: torch.from_numpy(np.asarray(value))
                           for key, value in weights.items()}), source)
    options = convert_checkpoint(source, out, 'hpnet').options
    hpnet = loaded(root, 'released_hpnet')
    hpnet.model.backbone.arch = hpnet.model.text.arch = {}
    # only the sizes of the drawn weights, which are no benchmark's
    hpnet.merge_from_dict(dict(model=dict(
        backbone=options['backbone'],
        text=dict(options['text'], classes=list('abcdefg')),
        cls_head=dict(num_classes=7))))
    model = MODELS.build(hpnet.model).eval()
    assert set(model.state_dict()) == set(torch.load(out)['state_dict'])
    load_checkpoint(model, out, strict=True)
    inputs = {key: torch.from_numpy(value) for key, value in
              golden.recognizer_inputs(facts['config'], facts['batch'],
                                       facts['input_seed']).items()}
    model.text.tokens = inputs['tokens']
    # the released forward takes its three streams as they are given
    given = iter(inputs[name].permute(0, 4, 2, 3, 1)
                 for name in ('j', 'jm', 'b'))
    for net in model.topology.models:
        net.register_forward_pre_hook(lambda *_: (next(given), ))
    with torch.no_grad():
        scores = model._forward(dict(
            imgs=inputs['video'],
            pooled_feat=torch.zeros(len(inputs['video']), 1, 2, 16, 17, 96)))
    found = dict(logits=scores.fused, j=scores.streams['jm'],
                 jm=scores.streams['jm_2'], b=scores.streams['b'])
    for name, value in found.items():
        np.testing.assert_allclose(
            value, expected[name], rtol=0, err_msg=name,
            atol=1e-4 * max(1, np.abs(expected[name]).max()))


def test_own_folder_by_one_setting(root, tmp_path):
    """Classes and splits are the folder's, and no _released is appended."""
    folder = tmp_path / 'mine'
    write_synthetic(loaded(root, 'released_stream', benchmark='nw_ucla'),
                    folder, clips=2, frames=5)
    for recipe in ('released_stream', 'released_hpnet'):
        cfg = loaded(root, recipe, data_root=str(folder))
        assert cfg.test_dataloader.dataset.data_root == str(folder)
        assert cfg.test_dataloader.dataset.split == 'xview_test'
        assert cfg.model.cls_head.num_classes == 10
    # 10 classes whose names are the folder's
    assert list(cfg.model.text.classes) == list(read_facts(folder).classes)

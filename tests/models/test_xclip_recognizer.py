"""The whole HP-Net: gradients, equalities, predictions, errors."""
import copy
import functools

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_checkpoint, save_checkpoint

from hpnet_plugin.evaluation.scores import read_scores
from hpnet_plugin.recipes.schedules import adamw

ARCH = dict(
    embed_dim=32,
    vision_cfg=dict(
        layers=2, width=32, head_width=16, patch_size=8, image_size=16),
    text_cfg=dict(context_length=12, width=16, heads=2, layers=1))
CLASSES = ['drink', 'eat', 'wave', 'sit']
T, K = 4, len(CLASSES)


def config(fusion='TRMM', lambdas=1., classes=CLASSES, frames=T, **more):
    pre = dict(
        type='HPNetDataPreprocessor',
        preprocessors=dict(
            imgs=dict(type='ActionDataPreprocessor', mean=[120.] * 3,
                      std=[60.] * 3),
            pooled_feat=dict(type='ActionDataPreprocessor')))
    model = dict(
        type='XCLIPRecognizer',
        data_preprocessor=pre,
        backbone=dict(type='XCLIPVision', arch=ARCH, num_frames=frames),
        text=dict(type='CLIPText', arch=ARCH, classes=classes),
        topology=dict(
            type='SMCLM',
            model=dict(type='CTRGCN', in_channels=5, base_channels=8,
                       num_person=1)),
        cls_head=dict(
            type='TRMMHead', num_classes=K, lambdas=lambdas,
            fusion=fusion and dict(type=fusion), topk=(1, )))
    if fusion is None:
        del model['topology']
    model.update(more)
    return model


def build(*args, seed=0, **kwargs):
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config(*args, **kwargs))
    # away from the start, where text and fusion are the identity
    for name, p in model.named_parameters():
        if 'cls_head.fusion' in name:
            torch.nn.init.normal_(p, std=0.1)
    return model


def batch(number=4, views=1, pooled=True, seed=0):
    rng = np.random.RandomState(seed)
    inputs = dict(imgs=[
        torch.from_numpy(rng.randint(0, 255, (views * T, 3, 16, 16), np.uint8))
        for _ in range(number)
    ])
    if pooled:
        inputs['pooled_feat'] = [
            torch.from_numpy(rng.rand(1, 1, 8, 17, 5).astype(np.float16))
            for _ in range(number)
        ]
    samples = [
        ActionDataSample(metainfo=dict(frame_dir=f'clip{i}')).set_gt_label(
            i % K) for i in range(number)
    ]
    return dict(inputs=inputs, data_samples=samples)


def take(data, which):
    return dict(
        inputs={k: [v[i] for i in which] for k, v in data['inputs'].items()},
        data_samples=[copy.deepcopy(data['data_samples'][i]) for i in which])


def losses(model, data):
    return model(**model.data_preprocessor(copy.deepcopy(data), True),
                 mode='loss')


def total(found):
    return sum(v for k, v in found.items() if 'loss' in k)


def scores(model, data):
    with torch.no_grad():
        return torch.stack([
            s.pred_score for s in model.eval().test_step(copy.deepcopy(data))
        ])


def test_loss_is_eq_14():
    model = build(lambdas=(.5, 2., 0.))
    data = batch()
    found = losses(model, data)
    assert set(found) == {'loss_cls', 'loss_j', 'loss_b', 'top1_acc'}
    model.eval()
    out = model(**model.data_preprocessor(data), mode='tensor')
    soft = .9 * torch.eye(K) + .1 / K  # reference.md 6.1
    for name, logits, weight in (('cls', out.fused, 1),
                                 ('j', out.streams['j'], .5),
                                 ('b', out.streams['b'], 2)):
        expected = -(soft * logits.log_softmax(1)).sum(1).mean() * weight
        torch.testing.assert_close(
            losses(model, data)[f'loss_{name}'], expected)


def test_scaled_cosine():
    """Eq. 12: between -scale and scale, whatever the features' lengths."""
    model = build(None)
    data = batch(pooled=False)
    out = scores(model, data)
    with torch.no_grad():
        inputs = model.data_preprocessor(data)['inputs']
        video, text = model.backbone(inputs['imgs']).video, model.text()
        cosine = torch.cosine_similarity(video[:, None], text[None], dim=-1)
    torch.testing.assert_close(out, cosine / .07, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('fusion', [
    None, 'TRMM', 'FiLM', 'CrossAttentionFusion'])
def test_gradients(fusion):
    """Every weight that may learn does; the frozen ones stay out."""
    model = build(fusion)
    total(losses(model, batch(pooled=fusion is not None))).backward()
    for name, p in model.named_parameters():
        frozen = name.startswith('text.') or name == 'cls_head.logit_scale'
        assert p.requires_grad != frozen, name
        assert (p.grad is None) == frozen, name


@pytest.mark.parametrize('index', range(3))
def test_lambda_zero_trains_no_classifier(index):
    lambdas = [1., 1., 1.]
    lambdas[index] = 0.
    model = build(lambdas=lambdas)
    found = losses(model, batch())
    assert f'loss_{model.topology.names[index]}' not in found
    total(found).backward()
    for i, classifier in enumerate(model.cls_head.classifiers):
        assert (classifier.weight.grad is None) == (i == index)
        # several processes wait for the gradient of each weight that learns
        assert classifier.weight.requires_grad == (i != index)
    # its topology model learns through the fusion all the same
    assert model.topology.models[index].data_bn.weight.grad.abs().sum() > 0


def optimizer(model):
    """The paper's parameter groups, from the shipped schedule."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        return build_optim_wrapper(
            model, adamw('paper').config['optim_wrapper'])


def test_parameter_groups(root, monkeypatch):
    monkeypatch.chdir(root)
    model = build()
    names = {id(p): n for n, p in model.named_parameters()}
    rates = {}
    for group in optimizer(model).optimizer.param_groups:
        for p in group['params']:
            rates[names[id(p)]] = group['lr'], group['weight_decay']
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert rates.keys() == trained
    assert not any(name.startswith('text.') for name in rates)
    block = 'backbone.visual.transformer.resblocks.0.'
    assert rates[block + 'attn.in_proj_weight'] == (8e-6, 1e-3)
    assert rates[block + 'ln_1.weight'] == (8e-6, 0)
    assert rates['backbone.visual.positional_embedding'] == (8e-6, 0)
    assert rates[block + 'message_fc.weight'] == (
        pytest.approx(8e-5), 1e-3)
    assert rates['backbone.mit.resblocks.0.mlp.c_fc.weight'] == (
        pytest.approx(8e-5), 1e-3)
    assert rates['backbone.mit.positional_embedding'] == (
        pytest.approx(8e-5), 0)
    for name in ('topology.models.2.l3.gcn1.convs.0.conv3.weight',
                 'cls_head.fusion.p3.0.weight',
                 'cls_head.classifiers.1.weight'):
        assert rates[name] == (pytest.approx(.08), 1e-3)


def quiet(model):
    """Batch norm by its running statistics: no batch mates."""
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


def update(model, parts, lr=.1):
    """One update of the mean loss over batches, by mmengine's wrapper."""
    wrapper = OptimWrapper(
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad],
                        lr=lr), accumulative_counts=len(parts))
    wrapper.initialize_count_status(model, 0, len(parts))
    for part in parts:
        wrapper.update_params(total(losses(model, part)))
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], msg=name,
                                   **tolerance)


def test_accumulation_equals_the_whole_batch():
    """But for batch norm, whose statistics are those of a step."""
    data = batch(8)
    whole = update(quiet(build()), [data])
    parts = update(quiet(build()), [
        take(data, range(i, i + 2)) for i in range(0, 8, 2)])
    assert_same(parts, whole, rtol=1e-3, atol=1e-5)
    start = dict(build().named_parameters())
    assert not torch.equal(whole['topology.models.0.data_bn.weight'],
                           start['topology.models.0.data_bn.weight'])


FIELDS = ('pred_score', *(f'pred_score_{name}' for name in ('j', 'b', 'jm')))


def answers(model, data):
    """Scores of the fusion and of each stream, (fields, B, K)."""
    with torch.no_grad():
        found = model.eval().test_step(copy.deepcopy(data))
    return torch.stack([torch.stack([sample.get(field) for sample in found])
                        for field in FIELDS])


@pytest.mark.parametrize('views', [1, 2])
def test_a_score_has_no_batch_mates(views, randomised):
    model, data = randomised(build()), batch(3, views)
    together = answers(model, data)
    # clips differ, so that one may not be taken for another
    assert (together[:, 0] - together[:, 1]).abs().amax(1).min() > 1e-3
    for i in range(3):
        torch.testing.assert_close(
            answers(model, take(data, [i]))[:, 0], together[:, i],
            rtol=1e-5, atol=1e-5)
    # nothing of the test stays in the model
    torch.testing.assert_close(answers(model, data), together, rtol=0, atol=0)


def test_predictions(tmp_path):
    """The dump holds the fusion and each stream, by name."""
    import pickle
    model = build().eval()
    with torch.no_grad():
        samples = [s.to_dict() for s in model.test_step(batch(3))]
    path = tmp_path / 'dump.pkl'
    path.write_bytes(pickle.dumps(samples, protocol=2))
    fused = read_scores(str(path))
    assert fused.names == ['clip0', 'clip1', 'clip2']
    for stream in ('j', 'b', 'jm'):
        found = read_scores(f'{path}#{stream}')
        assert found.names == fused.names
        np.testing.assert_array_equal(found.labels, fused.labels)
        np.testing.assert_allclose(found.scores[1],
                                   samples[1][f'pred_score_{stream}'])
    with pytest.raises(ValueError, match="no stream 'bm'.*b, j, jm"):
        read_scores(f'{path}#bm')


def test_views_are_averaged():
    model = build()
    data = batch(2, views=3)
    each = []
    for view in range(3):
        part = copy.deepcopy(data)
        part['inputs']['imgs'] = [
            imgs[view * T:(view + 1) * T] for imgs in part['inputs']['imgs']]
        each.append(scores(model, part))
    torch.testing.assert_close(scores(model, data), sum(each) / 3,
                               rtol=1e-4, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    model, data = build(), batch()
    update(model, [data])
    expected = scores(model, data)
    save_checkpoint(dict(state_dict=model.state_dict()),
                    str(tmp_path / 'a.pth'))
    other = build(seed=1)
    assert not torch.allclose(scores(other, data), expected)
    load_checkpoint(other, str(tmp_path / 'a.pth'), strict=True)
    torch.testing.assert_close(scores(other, data), expected, rtol=0, atol=0)


def test_more_frames_than_the_checkpoint():
    other = build(frames=8)
    other.load_state_dict(build().state_dict())
    embedding = other.backbone.mit.positional_embedding
    assert embedding.shape == (1, 8, 32)


def test_other_classes_without_training():
    """Zero-shot: a list of names is all that it takes."""
    model, data = build(None), batch(pooled=False)
    names = ['wave', 'sit', 'drink', 'jump', 'run']
    other = build(None, classes=names, seed=1, cls_head=dict(
        type='TRMMHead', num_classes=5))
    other.load_state_dict(model.state_dict())
    old, new = scores(model, data), scores(other, data)
    for name in ('wave', 'sit', 'drink'):
        torch.testing.assert_close(new[:, names.index(name)],
                                   old[:, CLASSES.index(name)])
    # the classifiers of the streams know their old classes only
    whole = build(classes=names, cls_head=dict(
        type='TRMMHead', num_classes=5, fusion=dict(type='TRMM')))
    whole.load_state_dict(build(seed=1).state_dict(), strict=False)


def test_checkpoint_of_another_size():
    state = build().state_dict()
    state['cls_head.fusion.p3.0.weight'] = torch.zeros(3, 4)
    with pytest.raises(ValueError, match='another XCLIPRecognizer: 1 of '
                       r'another shape .*p3.0.weight is \(3, 4\) instead'):
        build().load_state_dict(state)


def test_half_precision():
    model, data = build(), batch()
    expected = scores(model, data)
    with torch.autocast('cpu', torch.bfloat16):
        found = scores(model, data)
        assert found.dtype == torch.float32
        total(losses(model.train(), data)).backward()
    assert (found - expected).abs().max() < .5
    assert all(p.grad.isfinite().all() for p in model.parameters()
               if p.requires_grad)


def test_video_prompts():
    """X-CLIP itself, by an option that HP-Net leaves off."""
    model = build(None, prompts=dict(type='VideoPrompts', layers=1))
    data = batch(pooled=False)
    total(losses(model, data)).backward()
    assert model.prompts.alpha.grad.abs().sum() > 0
    model.prompts.alpha.data.zero_()
    plain = build(None)
    plain.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(scores(model, data), scores(plain, data))


@pytest.mark.parametrize('make, message', [
    (functools.partial(build, classes=CLASSES[:3]),
     'num_classes of cls_head is 4.*3 class names'),
    (functools.partial(build, lambdas=(1., 1.)),
     r'lambdas must be one weight.*\(1.0, 1.0\).*j.*b.*jm'),
    (functools.partial(build, topology=None), 'give it one, or fusion=None'),
])
def test_bad_configs(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_inputs():
    model = build()
    data = batch(2)
    data['data_samples'][1].set_gt_label(7)
    with pytest.raises(ValueError, match=r'clip1 has label \[7\].*0 to 3'):
        losses(model, data)
    with pytest.raises(KeyError, match="pooled_feat.*have .'imgs'"):
        losses(model, batch(pooled=False))
    data = batch()
    data['inputs']['imgs'] = [imgs[:3] for imgs in data['inputs']['imgs']]
    with pytest.raises(ValueError, match='has 3 images.*takes 4 a view'):
        losses(model, data)
    data = batch()
    data['inputs']['pooled_feat'] = [
        x[..., :3] for x in data['inputs']['pooled_feat']]
    with pytest.raises(ValueError, match=r'\(1, 17, 5\).*\(1, 17, 3\)'):
        losses(model, data)

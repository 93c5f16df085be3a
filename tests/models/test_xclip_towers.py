"""Video tower, text tower and prompts against transformers' X-CLIP."""
import copy
import math
import pickle
import re
from collections import Counter

import open_clip
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.runner.checkpoint import load_state_dict
from open_clip.zero_shot_classifier import build_zero_shot_classifier
from timm.layers import DropPath
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from hpnet_plugin.benchmarks import training
from hpnet_plugin.models import CLIPText, VideoPrompts, XCLIPVision, linear
from hpnet_plugin.models.clip.arch import clip_arch

E, W, L, T, SIDE, BLOCKS = 128, 128, 12, 4, 4, 2
ARCH = dict(
    embed_dim=E,
    vision_cfg=dict(layers=BLOCKS, width=W, patch_size=8, image_size=8 * SIDE),
    text_cfg=dict(context_length=L, width=64, heads=2, layers=2))
CLASSES = ['drink water', 'eat meal/snack', 'put on a hat/cap']
TEMPLATES = ['{}', 'a video of {}.', 'a human {}']


def video(**kwargs):
    torch.manual_seed(0)
    return XCLIPVision(ARCH, num_frames=kwargs.pop('num_frames', T), **kwargs)


def text(classes=CLASSES, seed=0, **kwargs):
    torch.manual_seed(seed)
    return CLIPText(classes, ARCH, **kwargs)


def clips(number=2, frames=T):
    torch.manual_seed(1)
    return torch.randn(number, frames, 3, 8 * SIDE, 8 * SIDE)


# X-CLIP's names -> those of transformers (its conversion script)
RENAMED = [
    (r'^visual\.transformer\.resblocks', 'vision_model.encoder.layers'),
    (r'^transformer\.resblocks', 'text_model.encoder.layers'),
    (r'^mit\.resblocks', 'mit.encoder.layers'),
    (r'^visual\.conv1', 'vision_model.embeddings.patch_embedding'),
    (r'^visual\.class_emb', 'vision_model.embeddings.class_emb'),
    (r'^visual\.positional_embedding',
     'vision_model.embeddings.position_embedding.weight'),
    (r'^visual\.ln_(pre|post)', r'vision_model.\1_layernorm'),
    (r'^visual\.proj', 'visual_projection.weight'),
    (r'^ln_final', 'text_model.final_layer_norm'),
    (r'^token_emb', 'text_model.embeddings.token_emb'),
    (r'^positional_embedding',
     'text_model.embeddings.position_embedding.weight'),
    (r'^text_projection', 'text_projection.weight'),
    (r'^mit\.positional', 'mit.position'),
    (r'^prompts_visual_ln', 'prompts_visual_layernorm'),
    (r'^prompts_visual_proj', 'prompts_visual_projection'),
    (r'^prompts_generator\.norm', 'prompts_generator.layernorm'),
    (r'\.attn\.', '.self_attn.'),
    (r'\.ln_(\d)', r'.layer_norm\1'),
    (r'mlp\.c_fc', 'mlp.fc1'),
    (r'mlp\.c_proj', 'mlp.fc2'),
]


def take(state, key, used):
    """A tensor of X-CLIP's name, from transformers' state dict."""
    for pattern, name in RENAMED:
        key = re.sub(pattern, name, key)
    parts = [key.replace('in_proj_', f'{part}_proj.') for part in 'qkv'] \
        if 'in_proj_' in key else [key]
    used.update(parts)
    found = torch.cat([state[part] for part in parts])
    turned = key in ('visual_projection.weight', 'text_projection.weight')
    return found.T if turned else found


@pytest.fixture(scope='module')
def theirs():
    """X-CLIP of transformers, an independent port, with random weights."""
    from transformers import XCLIPConfig, XCLIPModel
    torch.manual_seed(2)
    model = XCLIPModel(XCLIPConfig(
        text_config=dict(
            hidden_size=64, intermediate_size=256, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=L),
        vision_config=dict(
            hidden_size=W, intermediate_size=4 * W, num_hidden_layers=BLOCKS,
            num_attention_heads=W // 64, mit_hidden_size=E,
            mit_intermediate_size=4 * E, mit_num_hidden_layers=2,
            mit_num_attention_heads=E // 64, image_size=8 * SIDE,
            patch_size=8, num_frames=T),
        projection_dim=E, prompt_num_attention_heads=E // 64)).eval()
    for name, p in model.named_parameters():
        if name != 'logit_scale':  # all matter, biases as well
            scaling = p.ndim == 1 and 'norm' in name and 'weight' in name
            torch.nn.init.normal_(p, float(scaling), .2 if p.ndim == 1 else .1)
    return model


@pytest.fixture
def ours(theirs):
    """The three parts with its weights, in eval mode."""
    state, used = theirs.state_dict(), {'logit_scale'}
    parts = (video(mit_layers=2), text(), VideoPrompts(E, W))
    for part, prefix in zip(parts, ('', '', 'prompts_generator.')):
        named = {}
        for key in part.state_dict():
            name = key.removeprefix('tower.')
            if prefix:
                name = f'prompts_{name}' if name.startswith('visual') else \
                    prefix + name
            named[key] = take(state, name, used)
        part.load_state_dict(named)
        part.eval()
    assert used == {key for key in state if 'position_ids' not in key}
    return parts


def logits(parts, imgs):
    vision, words, prompts = parts
    found = vision(imgs)
    said = F.normalize(prompts(words(), found), dim=-1)
    return torch.einsum('be,bke->bk', F.normalize(found.video, dim=-1),
                        said) * math.exp(2.6592)


def reference(model, tokens, imgs):
    with torch.no_grad():
        return model(input_ids=tokens, pixel_values=imgs)


@torch.no_grad()
def test_equals_transformers(theirs, ours):
    vision, words, prompts = ours
    imgs = clips()
    expected = reference(theirs, words.tokens, imgs)
    found = vision(imgs)
    frames = theirs.visual_projection(
        expected.vision_model_output.pooler_output)
    patches = expected.vision_model_output.last_hidden_state[:, 1:]
    raw = theirs.text_projection(expected.text_model_output.pooler_output)
    for one, other in (
        (found.frames, frames.view(2, T, E)),
        (found.patches, patches.view(2, T, SIDE**2, W)),
        (found.video, expected.mit_output.pooler_output),
        (words(), raw),
        (F.normalize(prompts(words(), found), dim=-1), expected.text_embeds),
        (prompts(words().expand(2, -1, -1), found),
         prompts(words(), found)),
        (logits(ours, imgs), expected.logits_per_video),
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('mutate', [
    lambda v, t, p: (_with(video(mit_layers=2, quick_gelu=False), v), t, p),
    lambda v, t, p: (v, _with(text(quick_gelu=False), t), p),
    lambda v, t, p: (_zero(v, 'message_fc'), t, p),
    lambda v, t, p: (_zero(v, 'message_attn'), t, p),
    lambda v, t, p: (_zero(v, 'mit.positional_embedding'), t, p),
    lambda v, t, p: (v, t, _zero(p, 'alpha')),
], ids=['gelu', 'text gelu', 'no message', 'no message attention',
        'no time', 'no prompts'])
def test_the_comparison_is_sharp(theirs, ours, mutate):
    imgs = clips()
    expected = reference(theirs, ours[1].tokens, imgs).logits_per_video
    assert (logits(mutate(*ours), imgs) - expected).abs().max() > 1e-3


def _with(module, other):
    module.load_state_dict(other.state_dict())
    return module.eval()


def _zero(module, part):
    for name, p in module.named_parameters():
        if part in name:
            p.zero_()
    return module


@pytest.mark.parametrize('arch, frames, expected', [
    ('ViT-B-32', 8, (87.85, 35.45, 63.43, 3.16)),
    ('ViT-B-16', 8, (86.19, 35.45, 63.43, 3.16)),
    ('ViT-B-16', 32, (86.19, 35.45, 63.43, 3.17)),
    ('ViT-L-14', 8, (303.97, 126.0, 123.65, 7.09)),
    ('ViT-L-14-336', 16, (304.29, 126.0, 123.65, 7.1)),
])
def test_parameters(arch, frames, expected):
    """In millions, of X-CLIP's own models (built on no device)."""
    found = Counter()
    with torch.device('meta'):
        vision, words = XCLIPVision(arch, frames), CLIPText(CLASSES, arch)
    for name, p in vision.named_parameters():
        found['message' if '.message_' in name else name[:3]] += p.numel()
    found['text'] = sum(p.numel() for p in words.parameters())
    assert [round(found[part] / 1e6, 2)
            for part in ('vis', 'message', 'text', 'mit')] == list(expected)


def test_every_size_is_built():
    """Heads fit each plain CLIP that open_clip knows."""
    taken = []
    for arch in open_clip.list_models():
        try:
            clip_arch(arch)
        except ValueError:
            continue
        taken.append(arch)
        if 'quickgelu' not in arch:
            with torch.device('meta'):
                XCLIPVision(arch)
    assert {'ViT-B-32', 'ViT-B-16-quickgelu', 'ViT-H-14'} <= set(taken)


class Calls(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('grad', [True, False])
def test_attention_is_fused(training, grad):
    """No matrix of weights is made, in training and in testing."""
    vision = video().train(training)
    prompts = VideoPrompts(E, W).train(training)
    with torch.set_grad_enabled(grad), Calls() as calls:
        prompts(torch.ones(3, E), vision(clips()))
    fused = sum(number for name, number in calls.seen.items()
                if 'scaled_dot_product' in name or 'native_multi' in name)
    assert fused == 2 * BLOCKS + 1 + 2
    assert not {'_softmax', 'bmm', 'baddbmm'} & set(calls.seen)


@pytest.mark.parametrize('drop_path, half', [(0., False), (.3, True)])
@pytest.mark.parametrize('saving, norms', [(True, 3), ('selective', 2)])
def test_gradient_checkpointing(saving, norms, drop_path, half):
    """The same gradients, and nothing else is computed twice."""
    grads, calls = [], []
    for option in (False, saving):
        vision = video(grad_checkpointing=option, drop_path=drop_path).train()
        torch.manual_seed(2)  # of the stochastic depth
        with Calls() as seen:
            with torch.autocast('cpu', torch.bfloat16, enabled=half):
                loss = vision(clips()).video.square().sum()
            loss.backward()
        calls.append(seen.seen)
        grads.append({n: p.grad for n, p in vision.named_parameters()})
    for name, expected in grads[0].items():
        torch.testing.assert_close(grads[1][name], expected, msg=name)
    twice = calls[1] - calls[0]
    assert twice['native_layer_norm'] == norms * BLOCKS
    assert twice['silu'] == BLOCKS
    attention = '_scaled_dot_product_flash_attention_for_cpu'
    assert (twice[attention] > 0) == (saving is True)
    if saving == 'selective':
        assert not twice['addmm'] and not twice['mm']


def test_saved_memory():
    """What is kept for the backward pass, in bytes."""
    kept = {}
    for option in (False, 'selective'):
        vision = video(grad_checkpointing=option).train()
        own = {p.data_ptr() for p in vision.parameters()}
        seen = {}

        def keep(tensor, own=own, seen=seen):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            vision.visual.transformer.resblocks[1](
                torch.randn(T, 1 + SIDE**2, W), option == 'selective')
        kept[option] = sum(seen.values())
    assert kept['selective'] < .6 * kept[False]


def test_benchmark_of_memory(monkeypatch):
    """Ours keep less; one that computes anything else is not measured."""
    left, most = training.memory(lambda: torch.ones(256) + 1)
    assert left == 1024 and 2048 <= most < 2100
    monkeypatch.setattr(training, 'SIDE', 32)
    kept = {name: training.memory(lambda run=run: run(training._images(1)))[0]
            for name, run in training.towers(1, 128).items()}
    assert kept['plain'] > kept[False] > kept['selective'] > kept[True]
    monkeypatch.setattr(F, 'silu', lambda x, inplace: torch.relu(x))
    with pytest.raises(RuntimeError, match='the gradient of .* differs'):
        training.towers(1, 128)


def test_unknown_checkpointing():
    with pytest.raises(ValueError, match="'selective', True or False"):
        video(grad_checkpointing='some')


@pytest.mark.parametrize('quick_gelu', [True, False])
def test_without_patches(randomised, quick_gelu):
    """The same features and gradients, by less work in the last block."""
    found = []
    for patches in (True, False):
        vision = randomised(video(quick_gelu=quick_gelu))
        features = vision(clips(), patches=patches)
        features.video.square().sum().backward()
        found.append((features, dict(vision.named_parameters())))
    (full, expected), (less, params) = found
    assert less.patches is None and full.patches is not None
    torch.testing.assert_close(less[:2], full[:2], rtol=1e-4, atol=1e-5)
    for name, p in params.items():
        torch.testing.assert_close(p.grad, expected[name].grad, msg=name,
                                   rtol=1e-3, atol=1e-4)


def test_onednn(randomised, monkeypatch):
    """Where it multiplies matrices the numbers are those of MKL."""
    vision = randomised(video()).eval()
    with torch.no_grad():
        expected = vision(clips())
    monkeypatch.setattr(linear, 'LEAST', 0)
    monkeypatch.setattr(linear, '_has_slow_mkl', lambda: True)
    with torch.no_grad(), Calls() as calls:
        found = vision(clips())
    assert calls.seen['_linear_pointwise'] == 4 * BLOCKS
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with Calls() as calls:
        vision(clips())
        with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
            vision(clips())
    assert not calls.seen['_linear_pointwise']


@torch.no_grad()
def test_no_batch_mates(randomised):
    vision, imgs = randomised(video()).eval(), clips(3)
    together = vision(imgs)
    for i in range(3):
        for one, all_ in zip(vision(imgs[i:i + 1]), together):
            torch.testing.assert_close(one[0], all_[i], rtol=1e-4, atol=1e-5)


def test_drop_path():
    vision = video(drop_path=.4)
    first, last = (b.drop_path for b in vision.visual.transformer.resblocks)
    assert isinstance(first, torch.nn.Identity)
    assert isinstance(last, DropPath) and last.drop_prob == .4
    imgs = clips(1)
    with torch.no_grad():
        vision.train()
        assert not torch.equal(vision(imgs).video, vision(imgs).video)
        vision.eval()
        assert torch.equal(vision(imgs).video, video().eval()(imgs).video)


@torch.no_grad()
def test_initial_scale():
    """Neither vanishing nor exploding from scratch; messages are heard."""
    found = video().eval()(clips())
    assert .3 < found.patches.std() < 3
    deaf = _zero(video(), 'message_fc').eval()(clips())
    assert (deaf.frames - found.frames).abs().max() > 1e-3


@pytest.mark.parametrize('load', [
    lambda model, state: model.load_state_dict(state), load_state_dict,
], ids=['torch', 'mmengine'])
def test_other_number_of_frames(load):
    short, long = video(), video(num_frames=8)
    short.mit.positional_embedding.data = \
        torch.arange(4.).view(1, 4, 1).repeat(1, 1, E)
    state = short.state_dict()
    load(long, state)
    # centres of eight eighths of the same time
    expected = torch.tensor([0, .25, .75, 1.25, 1.75, 2.25, 2.75, 3])
    torch.testing.assert_close(long.mit.positional_embedding,
                               expected.view(1, 8, 1).expand(1, 8, E))
    assert state['mit.positional_embedding'].shape == (1, 4, E)


def test_other_sizes_are_not_interpolated():
    state = video().state_dict()
    state['mit.positional_embedding'] = torch.zeros(8, E)
    with pytest.raises(RuntimeError, match='size mismatch for mit.pos'):
        video().load_state_dict(state)


@pytest.mark.parametrize('shape', [(1, 5, 3, 32, 32), (1, 4, 3, 32, 24)])
def test_wrong_clips(shape):
    with pytest.raises(ValueError, match=r'takes 4 frames of \[32, 32\].*got '
                       rf'{shape[1]} of \[32, {shape[-1]}\].*num_frames'):
        video()(torch.zeros(shape))


@pytest.mark.parametrize('arch, message', [
    ('ViT-B16', "no model 'ViT-B16'; the closest are .*'ViT-B-16'"),
    ('RN50', r"'RN50' is not.*layers.*\[3, 4, 6, 3\].*like ViT-B-16"),
    ('coca_ViT-B-32', "'coca_ViT-B-32' is not.*'attentional_pool'"),
    ('ViT-M-16-alt', 'ls_init_value'),
    (dict(ARCH, text_cfg=dict(hf_model_name='x')), 'arch of the config is '
     "not.*'hf_model_name'"),
    (dict(embed_dim=8), r"lacks \['text_cfg', 'vision_cfg'\], it has"),
])
def test_wrong_archs(arch, message):
    with pytest.raises(ValueError, match=message):
        XCLIPVision(arch)
    with pytest.raises(ValueError, match=message):
        CLIPText(CLASSES, arch)


def counted(words):
    """A text tower, and the list that each of its calls grows."""
    calls = []
    words.tower.register_forward_hook(lambda *_: calls.append(1))
    return words, calls


def test_frozen_text_is_computed_once():
    words, calls = counted(text())
    first = words.train()()
    with torch.inference_mode():
        assert words.eval()() is first
    assert len(calls) == 1 and first.shape == (3, E)
    assert not first.requires_grad and not words.train().tower.training
    assert not any(p.requires_grad for p in words.parameters())
    assert not words.state_dict().keys() & {'tokens', '_cache'}


CHANGES = {
    'classes': lambda w: w.set_classes(['sit', 'stand', 'run', 'jump']),
    'templates': lambda w: w.set_classes(CLASSES, TEMPLATES),
    'tokens in place': lambda w: w.tokens.copy_(w.tokens.flip(0)),
    'tokens': lambda w: setattr(w, 'tokens', w.tokens.flip(0)),
    'torch': lambda w: w.load_state_dict(text(seed=1).state_dict()),
    'assigned': lambda w: w.load_state_dict(
        text(seed=1).state_dict(), assign=True),
    'mmengine': lambda w: load_state_dict(w, text(seed=1).state_dict()),
    'one weight': lambda w: w.tower.ln_final.bias.add_(1),
    'another tensor': lambda w: setattr(
        w.tower.ln_final.bias, 'data', torch.ones(64)),
    'double': lambda w: w.double(),
}


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize('change', CHANGES)
def test_frozen_text_is_computed_anew(change, mode):
    words, calls = counted(text())
    before = words()
    with mode():
        CHANGES[change](words)
        after = words()
        assert words() is after
    assert len(calls) == 2 and words() is after
    assert after.shape != before.shape or not torch.equal(after, before)
    fresh = copy.deepcopy(words)
    assert fresh._cache is None
    torch.testing.assert_close(fresh(), after, rtol=0, atol=0)


def test_text_features_of_inference_mode_train_what_follows():
    with torch.inference_mode():
        features = text()()
    weight = torch.ones(E, requires_grad=True)
    (features * weight).sum().backward()
    torch.testing.assert_close(weight.grad, features.sum(0))


def test_copies_have_no_cache():
    words = text()
    expected = words()
    other = pickle.loads(pickle.dumps(words))
    assert other._cache is None
    torch.testing.assert_close(other(), expected, rtol=0, atol=0)
    with torch.no_grad():  # a copy's weights are its own
        copied = copy.deepcopy(words)
        copied.tower.ln_final.bias.add_(1)
        assert not torch.equal(copied(), words())
    assert words() is expected


def test_trained_text():
    words, calls = counted(text(frozen=False))
    assert words.train().tower.training
    words().sum().backward()
    assert all(p.grad is not None for p in words.parameters())
    words()
    assert len(calls) == 2


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_trained_text_is_computed_once_a_test(mode):
    words, calls = counted(text(frozen=False))
    with mode():
        first = words.eval()()
        assert words() is first and len(calls) == 1
        words.tower.ln_final.bias.data.add_(1)  # as EMAHook does
        assert not torch.equal(words.train().eval()(), first)
        words.train()()
        words()
    assert words.eval()().requires_grad and len(calls) == 5


def test_text_is_compiled():
    words = text()
    compiled = torch.compile(lambda x: words() * x, backend='eager')
    x = torch.full((E, ), 2.)
    torch.testing.assert_close(compiled(x), words() * 2)
    with torch.no_grad():
        words.tower.ln_final.bias.add_(1)
    torch.testing.assert_close(compiled(x), copy.deepcopy(words)() * 2)


def test_half_precision():
    vision, words, prompts = video(), text(), VideoPrompts(E, W)
    imgs, expected = clips(), words()
    words._cache = None
    with torch.autocast('cpu', torch.bfloat16):
        found = vision(imgs)
        said = words()
        (prompts(said, found).sum() + found.video.sum()).backward()
    assert said.dtype == torch.float32
    torch.testing.assert_close(said, expected, rtol=0, atol=0)
    full = vision(imgs).video
    assert (found.video - full).abs().max() < .05 * full.abs().max()
    for module in (vision, prompts):
        assert all(p.grad.isfinite().all() for p in module.parameters())


@torch.no_grad()
def test_templates_of_open_clip(tmp_path):
    """One: CLIP's raw features. Several: its zero-shot direction."""
    file = tmp_path / 'templates.txt'
    file.write_text('\n'.join(TEMPLATES) + '\n\n', encoding='utf-8')
    words = text(templates=str(file))
    assert words.templates == TEMPLATES and words.tokens.shape == (9, L)
    clip = open_clip.CLIP(**ARCH, quick_gelu=True).eval()
    clip.load_state_dict(words.tower.state_dict(), strict=False)
    tokenizer = open_clip.SimpleTokenizer(context_length=L)
    expected = build_zero_shot_classifier(
        clip, tokenizer, CLASSES, [t.format for t in TEMPLATES]).T
    torch.testing.assert_close(F.normalize(words(), dim=-1), expected)
    raw = clip.encode_text(tokenizer(
        [t.format(name) for t in TEMPLATES for name in CLASSES]))
    lengths = raw.norm(dim=1).view(3, 3).mean(0)
    torch.testing.assert_close(words().norm(dim=1), lengths)
    words.set_classes(CLASSES, '{}')
    torch.testing.assert_close(words(), raw[:3])


@pytest.mark.parametrize('classes, templates, message', [
    (['sit', 'drink ' * 11], None, "'drink drink.*is 13 tokens long, the text "
     'tower takes 12: shorten'),
    (['sit', 'sit'], None, r"\['sit'\] more than once"),
    (['Sit', 'run', 'sit'], None, "'Sit' and 'sit' are the same"),
    (CLASSES, ['a video'], "'a video' needs one {}"),
    (CLASSES, ['{} and {}'], 'needs one {}'),
    (CLASSES, 'nowhere.txt', "'nowhere.txt' needs one {}.*or a file"),
    (CLASSES, [], r'no template in \[\]'),
])
def test_wrong_words(classes, templates, message):
    words = text()
    expected = words()
    with pytest.raises(ValueError, match=message):
        words.set_classes(classes, templates)
    assert words() is expected and words.classes == CLASSES
    with pytest.raises(ValueError, match=message):
        text(classes, templates=TEMPLATES[:1] if templates is None
             else templates)


def test_other_braces():
    words = text(['{0}', 'b'], templates='the {} of {a}')
    torch.testing.assert_close(words(), text(['the {0} of {a}',
                                              'the b of {a}'])())


@pytest.mark.parametrize('classes', [
    'ntu60', 'ntu120', 'smarthome_cs', 'smarthome_cv', 'uav_human', 'nw_ucla'])
def test_shipped_classes(classes):
    """All fit, and no two are the same to the tower."""
    with torch.device('meta'):
        words = CLIPText(classes, dict(ARCH, text_cfg=dict(layers=1)))
    assert words.tokens.shape == (len(words.classes), 77)


@pytest.mark.parametrize('cfg', [
    dict(type='XCLIPVision', arch=ARCH, num_frames=T),
    dict(type='CLIPText', arch=ARCH, classes=CLASSES),
    dict(type='VideoPrompts', embed_dim=E, width=W),
])
def test_registered(cfg):
    assert type(MODELS.build(cfg)).__name__ == cfg['type']

"""Published checkpoints: every key is used or named, no code is run."""
import collections
import copy
import io
import json
import os
import pickle
import sys
import types
import warnings
import zipfile

import numpy as np
import open_clip
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_checkpoint
from safetensors.torch import save_file

from hpnet_plugin.conversion import (
    KINDS,
    ConversionError,
    convert,
    convert_checkpoint,
    read_weights,
)

SIZES = dict(
    embed_dim=64,
    vision_cfg=dict(image_size=16, layers=2, width=64, patch_size=8),
    text_cfg=dict(
        context_length=12, vocab_size=61, width=64, heads=1, layers=1))


@pytest.fixture(scope='module')
def program(tool):
    return tool('convert_checkpoint').main


@pytest.fixture(scope='module')
def clip():
    """A small CLIP, as open_clip builds it."""
    torch.manual_seed(0)
    return open_clip.CLIP(**SIZES, quick_gelu=True).eval()


@pytest.fixture(scope='module')
def openai(clip, tmp_path_factory):
    """The same as OpenAI publishes theirs: traced, in half precision."""
    path = str(tmp_path_factory.mktemp('clip') / 'ViT-B-16.pt')
    clip = copy.deepcopy(clip)
    for key, value in (('input_resolution', 16), ('context_length', 12),
                       ('vocab_size', 61)):
        vars(clip).pop(key, None)
        clip.register_buffer(key, torch.tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        traced = torch.jit.trace_module(
            clip, dict(encode_image=torch.zeros(1, 3, 16, 16),
                       encode_text=torch.zeros(1, 12, dtype=torch.long)))
    torch.jit.save(traced.half(), path)
    return path


@pytest.fixture(scope='module')
def xclip(clip):
    """X-CLIP's weights by the names of its release (T = 4)."""
    state = dict(clip.state_dict())
    torch.manual_seed(1)

    def add(name, *shape):
        state[name] = torch.randn(shape)

    def affine(name, out, *more):
        add(f'{name}.weight', out, *more)
        add(f'{name}.bias', out)

    def attention(name):
        add(f'{name}.in_proj_weight', 192, 64)
        add(f'{name}.in_proj_bias', 192)
        affine(f'{name}.out_proj', 64, 64)

    for i in range(2):
        block = f'visual.transformer.resblocks.{i}.message_'
        affine(f'{block}fc', 64, 64)
        affine(f'{block}ln', 64)
        attention(f'{block}attn')
    add('mit.positional_embedding', 1, 4, 64)
    attention('mit.resblocks.0.attn')
    affine('mit.resblocks.0.mlp.c_fc', 256, 64)
    affine('mit.resblocks.0.mlp.c_proj', 64, 256)
    for norm in ('ln_1', 'ln_2'):
        affine(f'mit.resblocks.0.{norm}', 64)
    affine('prompts_visual_ln', 64)
    add('prompts_visual_proj', 64, 64)
    add('prompts_generator.alpha', 64)
    affine('prompts_generator.norm', 64)
    for i in range(2):
        block = f'prompts_generator.decoder.{i}'
        for name in 'qkv':
            add(f'{block}.cross_attn.{name}_proj.weight', 64, 64)
        affine(f'{block}.cross_attn.proj', 64, 64)
        affine(f'{block}.norm1', 64)
        affine(f'{block}.norm3', 64)
        affine(f'{block}.mlp.0', 256, 64)
        affine(f'{block}.mlp.3', 64, 256)
    return state


@pytest.fixture
def xclip_file(xclip, tmp_path, monkeypatch):
    """As its training saves it: with the config, a yacs CfgNode."""
    class CfgNode(dict):
        pass

    CfgNode.__module__, CfgNode.__qualname__ = 'yacs.config', 'CfgNode'
    yacs = types.ModuleType('yacs.config')
    yacs.CfgNode = CfgNode
    config = CfgNode(MODEL=CfgNode(ARCH='ViT-B/16'), TRAIN=CfgNode(LR=8e-6))
    config.__dict__.update(
        __immutable__=False, __deprecated_keys__={'OLD'},
        __renamed_keys__={}, __new_allowed__=False)
    weight = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    path = str(tmp_path / 'k600_16_8.pth')
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'yacs', types.ModuleType('yacs'))
        patch.setitem(sys.modules, 'yacs.config', yacs)
        torch.save(
            dict(model=collections.OrderedDict(xclip), config=config,
                 optimizer=optimizer.state_dict(), epoch=29,
                 max_accuracy=88.1), path)
    assert 'yacs' not in sys.modules
    return path


def recogniser(options):
    """A recogniser with the options that the converter found."""
    model = dict(
        type='XCLIPRecognizer',
        backbone=dict(type='XCLIPVision'),
        text=dict(type='CLIPText', classes=['a', 'b', 'c']),
        cls_head=dict(type='TRMMHead', num_classes=3))
    config = Config(dict(model=model))
    config.merge_from_dict(dict(model=options))
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(config.model).eval()


def save(state, tmp_path, **options):
    path = str(tmp_path / 'released.pth')
    torch.save(state, path, **options)
    return path


def test_xclip(xclip, xclip_file, tmp_path, program, capsys):
    out = str(tmp_path / 'new/ours.pth')
    assert program([xclip_file, out, '--from', 'xclip']) == 0
    printed = capsys.readouterr().out
    assert 'prompts_generator.* (29)' in printed and '--prompts' in printed
    assert 'topology.*' in printed and 'num_frames=4' in printed
    assert f"load_from = '{out}'" in printed
    content = torch.load(out, weights_only=True)
    state, meta = content['state_dict'], content['meta']
    assert (meta['source'], meta['kind']) == ('k600_16_8.pth', 'xclip')
    assert sum(map(len, meta['left_out'].values())) == 32
    assert len(state) == len(xclip) - 32
    for key, value in xclip.items():
        if key.startswith('prompts'):
            continue
        prefix = 'backbone.' if key.startswith(('visual.', 'mit.')) else \
            'cls_head.' if key == 'logit_scale' else 'text.tower.'
        assert torch.equal(state[prefix + key], value), key
    # all that text + RGB needs
    load_checkpoint(recogniser(meta['options']), out, strict=True)


def test_xclip_with_prompts(xclip, xclip_file, tmp_path):
    out = str(tmp_path / 'ours.pth')
    result = convert_checkpoint(xclip_file, out, 'xclip', prompts=True)
    assert not result.left_out and len(result.state_dict) == len(xclip)
    for ours, key in (
        ('alpha', 'generator.alpha'), ('visual_proj', 'visual_proj'),
        ('visual_ln.bias', 'visual_ln.bias'),
        ('decoder.1.cross_attn.q_proj.weight',
         'generator.decoder.1.cross_attn.q_proj.weight')):
        assert torch.equal(result.state_dict[f'prompts.{ours}'],
                           xclip[f'prompts_{key}'])
    load_checkpoint(recogniser(result.options), out, strict=True)
    without = {key: value for key, value in xclip.items()
               if not key.startswith('prompts')}
    assert 'prompts' not in convert(without, 'xclip').options
    with pytest.raises(ConversionError, match='prompts_visual_proj'):
        convert(without, 'xclip', prompts=True)


def test_a_torchscript_archive_is_read_as_torch_reads_it(openai):
    expected = torch.jit.load(openai).state_dict()
    found = read_weights(openai)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value), key


def test_clip(clip, openai, tmp_path, program, capsys):
    out = str(tmp_path / 'ours.pth')
    assert program([openai, out, '--from', 'clip']) == 0
    printed = capsys.readouterr().out
    for name in ('input_resolution, context_length, vocab_size', 'attn_mask',
                 'backbone.mit.*', '.message_*'):
        assert name in printed
    content = torch.load(out, weights_only=True)
    model = recogniser(content['meta']['options'])
    assert all(value.dtype == torch.float32
               for value in content['state_dict'].values())
    missing = set(model.state_dict()) - set(content['state_dict'])
    assert missing and all(
        'message_' in key or key.startswith('backbone.mit.')
        for key in missing)
    load_checkpoint(model, out)
    tokens = torch.randint(1, 60, (3, 12))
    tokens[:, 7] = 60  # the end
    with torch.no_grad():
        # the file is in half precision
        expected = copy.deepcopy(clip).half().float().encode_text(tokens)
        text = model.text.tower(tokens)
    torch.testing.assert_close(text, expected)


def test_clip_by_model_and_tag(clip, tmp_path, monkeypatch):
    """The way of open_clip's tags, with a file in the place of a download."""
    (tmp_path / 'tiny-clip.json').write_text(json.dumps(SIZES))
    weights = save(clip.state_dict(), tmp_path)
    monkeypatch.setattr(open_clip.factory, '_MODEL_CONFIGS',
                        dict(open_clip.factory._MODEL_CONFIGS))
    monkeypatch.setattr(open_clip.factory, '_MODEL_CONFIG_PATHS',
                        list(open_clip.factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(tmp_path)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, 'tiny-clip',
                        dict(here=dict(file=weights)))
    out = str(tmp_path / 'ours.pth')
    result = convert_checkpoint('tiny-clip:here', out, 'clip')
    # weights that were not trained with it are not run with it
    assert result.options['text'] == dict(arch='tiny-clip', quick_gelu=False)
    assert result.options['backbone'] == result.options['text']
    for tag in ('ViT-B-16:openia', 'ViT-B-61:openai'):
        with pytest.raises(ConversionError, match='ViT-B-16:openai'):
            convert_checkpoint(tag, str(tmp_path / 'none.pth'), 'clip')


def test_released_stream(golden, root, tmp_path, program, capsys):
    """Logits of the released network, from a config of configs/streams."""
    facts, expected = golden.load('ctrgcn_stream')
    weights = golden.fill(facts['entries'], facts['weight_seed'], 'GCN.')
    source, out = save(
        {f'module.{key}': torch.from_numpy(np.asarray(value))
         for key, value in weights.items()}, tmp_path), str(tmp_path / 'o.pth')
    assert program([source, out, '--from', 'ctrgcn']) == 0
    assert 'num_classes=60' in capsys.readouterr().out
    content = torch.load(out, weights_only=True)
    assert len(content['state_dict']) == len(weights)
    config = Config.fromfile(
        root / 'configs/streams/ntu120/hp_j_ctrgcn_ntu120.py')
    config.merge_from_dict(dict(model=content['meta']['options']))
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model).eval()
    load_checkpoint(model, out, strict=True)
    x = golden.draw(facts['input_shape'],
                    np.random.RandomState(facts['input_seed']))
    x = torch.from_numpy(x).permute(0, 4, 2, 3, 1)  # N, C, T, V, M
    with torch.no_grad():
        logits = model(x[:, None], mode='tensor', stage='head')
    scale = max(1, np.abs(expected['logits']).max())
    assert np.abs(logits.numpy() - expected['logits']).max() < 1e-6 * scale


def test_forms_of_a_file(xclip, tmp_path):
    """Bare, under a key, of parallel training, and of torch before 1.6."""
    bare = read_weights(save(xclip, tmp_path))
    for content, options in (
        (dict(state_dict=xclip, epoch=1), {}),
        ({f'module.{key}': xclip[key] for key in xclip}, {}),
        (dict(model=xclip), dict(_use_new_zipfile_serialization=False))):
        state = read_weights(save(content, tmp_path, **options))
        assert state.keys() == bare.keys() == xclip.keys()
        assert all(torch.equal(state[key], xclip[key]) for key in state)
    path = tmp_path / 'model.safetensors'
    save_file(xclip, path)
    state = read_weights(path)
    assert all(torch.equal(state[key], xclip[key]) for key in bare)
    for content in (dict(epoch=1), {1: torch.zeros(1)}):
        with pytest.raises(ConversionError, match='no weights.*(epoch|1)'):
            read_weights(save(content, tmp_path))


def wrong_shape(state):
    state['mit.resblocks.0.mlp.c_fc.bias'] = torch.zeros(255)


def missing(state):
    del state['ln_final.weight']


def too_few_blocks(state):
    for key in list(state):
        if key.startswith('visual.transformer.resblocks.0.'):
            del state[key]


def unknown(state):
    state['visual.transformer.resblocks.1.adapter.weight'] = torch.zeros(3)


@pytest.mark.parametrize('change, message', [
    (wrong_shape, r'c_fc.bias is \(255,\) instead of \(256,\)'),
    (missing, r'1 missing \(text.tower.ln_final.weight\)'),
    (too_few_blocks, r'missing .*resblocks\.0\.'),
    (unknown, r'1 unexpected \(.*adapter.weight\)'),
])
def test_strict(change, message, xclip, tmp_path):
    state = dict(xclip)
    change(state)
    out = tmp_path / 'ours.pth'
    with pytest.raises(ConversionError, match=message):
        convert_checkpoint(save(state, tmp_path), str(out), 'xclip')
    assert not out.exists()


def test_another_kind_is_named(xclip, clip, tmp_path, program, capsys):
    out = tmp_path / 'ours.pth'
    for kind in set(KINDS) - {'xclip'}:
        with pytest.raises(ConversionError, match='looks like xclip$'):
            convert_checkpoint(save(xclip, tmp_path), str(out), kind)
    source = save(clip.state_dict(), tmp_path)
    assert program([source, str(out), '--from', 'hpnet']) == 2
    assert 'It looks like clip' in capsys.readouterr().err
    with pytest.raises(ConversionError, match='none of .*simcc'):
        convert_checkpoint(save(dict(w=torch.zeros(2)), tmp_path), str(out),
                           'simcc')
    assert not out.exists()


class Evil:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}', )


def test_no_code_is_run(openai, xclip, tmp_path, program, capsys):
    ran, out = tmp_path / 'ran', tmp_path / 'ours.pth'
    zipped, plain = tmp_path / 'zipped.pth', tmp_path / 'plain.pth'
    torch.save(dict(model=xclip, config=Evil(ran)), zipped)
    plain.write_bytes(pickle.dumps(Evil(ran), protocol=2))
    scripted = tmp_path / 'scripted.pt'
    with zipfile.ZipFile(openai) as old, \
            zipfile.ZipFile(scripted, 'w') as new:
        for name in old.namelist():
            new.writestr(
                name, pickle.dumps(Evil(ran), protocol=2)
                if name.endswith('/data.pkl') else old.read(name))
    for source in (zipped, plain, scripted):
        for kind in ('xclip', 'clip'):
            assert program([str(source), str(out), '--from', kind]) == 2
            said = capsys.readouterr().err
            assert 'asks for' in said and 'system' in said, source
    assert not ran.exists() and not out.exists()
    # and it would have been
    pickle.loads(plain.read_bytes())
    assert ran.exists()


def test_broken_files(openai, xclip, tmp_path, program, capsys):
    out, source = tmp_path / 'ours.pth', tmp_path / 'broken'
    buffer = io.BytesIO()
    torch.save(xclip, buffer)
    with open(openai, 'rb') as file:
        scripted = file.read()
    # a storage shorter than what the archive says of its tensors
    short = io.BytesIO()
    with zipfile.ZipFile(openai) as old, zipfile.ZipFile(short, 'w') as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data[:2] if '/data/' in name else data)
    for content in (b'', b'hello', buffer.getvalue()[:5000], scripted[:5000],
                    short.getvalue(), pickle.dumps([1, 2])):
        source.write_bytes(content)
        assert program([str(source), str(out), '--from', 'clip']) == 2
        assert f'{source}: no checkpoint that can be read' in \
            capsys.readouterr().err
    assert program([str(tmp_path / 'none'), str(out), '--from', 'clip']) == 2
    assert 'no such file' in capsys.readouterr().err
    assert os.listdir(tmp_path) == ['broken']


def test_usage(xclip, tmp_path, program, capsys):
    source = save(xclip, tmp_path)
    for words in ((source, ), (source, 'x', '--from', 'timm'),
                  (source, 'x', '--from', 'hpnet', '--prompts')):
        with pytest.raises(SystemExit) as stop:
            program(words)
        assert stop.value.code == 2
    before = os.stat(source).st_size
    assert program([source, source, '--from', 'xclip']) == 2
    assert 'the source itself' in capsys.readouterr().err
    assert os.stat(source).st_size == before


class Writing(torch.nn.Module):
    """A module that writes a file while torch.jit loads it."""

    def __init__(self, path):
        super().__init__()
        self.path, self.weight = path, torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        return self.weight, self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, bool]):
        self.weight, self.path, self.training = state
        torch.save(self.weight, self.path)


def test_no_code_of_a_torchscript_archive_is_run(tmp_path):
    path = str(tmp_path / 'writing.pt')
    torch.jit.script(Writing(str(tmp_path / 'ran'))).save(path)
    with pytest.raises(ConversionError):
        read_weights(path)
    assert not (tmp_path / 'ran').exists()
    torch.jit.load(path)
    assert (tmp_path / 'ran').exists()


class Views(torch.nn.Module):
    """Buffers that are parts of one storage."""

    def __init__(self):
        super().__init__()
        base = torch.arange(12.)
        self.register_buffer('late', base[4:10])
        self.register_buffer('turned', base.reshape(3, 4).t())
        self.register_buffer('every_other', base[1::2])

    def forward(self, x):
        return x + self.late


def test_views_of_a_torchscript_archive(tmp_path):
    path = str(tmp_path / 'views.pt')
    torch.jit.script(Views()).save(path)
    found, expected = read_weights(path), Views().state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize('kind, key, name', [
    ('hpnet', 'GCN2.l3.gcn1.PA', 'topology.models.1.l3.gcn1.PA'),
    ('hpnet', 'ske_fc3.bias', 'cls_head.classifiers.2.bias'),
    ('hpnet', 'ske_film.fc_gamma.0.weight', 'cls_head.fusion.gamma.0.weight'),
    ('hpnet', 'ske_film.fc_beta.1.bias', 'cls_head.fusion.beta.1.bias'),
    ('hpnet', 'ske_film.fc1.0.weight', 'cls_head.fusion.p3.0.weight'),
    ('hpnet', 'ske_film.fc2.0.weight', 'cls_head.fusion.p4.0.weight'),
    ('hpnet', 'GCN1.fc.weight', None),
    ('xclip', 'mit.resblocks.0.ln_1.bias', 'backbone.mit.resblocks.0.ln_1.'
     'bias'),
    ('clip', 'ln_final.weight', 'text.tower.ln_final.weight'),
    ('ctrgcn', 'l1.gcn1.PA', 'backbone.l1.gcn1.PA'),
    ('simcc', 'mlp_head_y.weight', 'head.mlp_head_y.weight'),
    ('simcc', 'stage4.0.x.weight', 'backbone.stage4.0.x.weight')])
def test_names_of_the_released_code(kind, key, name):
    assert KINDS[kind].name(key) == name

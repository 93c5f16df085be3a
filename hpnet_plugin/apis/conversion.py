"""Published checkpoints under the names of this package's models.

Reading one never runs code from it: see :func:`read_weights`.
"""
import collections
import difflib
import fnmatch
import io
import math
import os
import os.path as osp
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

from ..files import sha256_of, write_whole
from ..version import __version__

# CLIP models that OpenAI released and X-CLIP builds on
ARCHS = ('ViT-B-32', 'ViT-B-16', 'ViT-L-14', 'ViT-L-14-336')
HRNET = ('mmpose::body_2d_keypoint/topdown_heatmap/coco/'
         'td-hm_hrnet-w48_8xb32-210e_coco-256x192.py')


class ConversionError(ValueError):
    """A checkpoint that cannot be converted as asked; says why."""


_DTYPES = {
    'DoubleStorage': torch.float64,
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


def read_weights(path):
    """Read the tensors of a checkpoint without running code from it.

    Args:
        path (str): What ``torch.save`` or ``torch.jit.save`` wrote, or a
            ``.safetensors`` file. The weights are its ``model``, its
            ``state_dict`` or all of it.

    Returns:
        dict[str, Tensor]: By name, without a ``module.`` before them all.

    Raises:
        FileNotFoundError: If the file is not there.
        ConversionError: If it is broken, asks for code, or holds no weights.
    """
    path = os.fspath(path)
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path}: no such file')
    try:
        content = _load(path)
    except Exception as error:  # a broken file may raise nearly anything
        asked = re.search(r'GLOBAL (\S+)', str(error))
        if asked:
            raise ConversionError(
                f'{path}: refused, because it asks for {asked[1]}. A '
                'checkpoint may hold tensors, numbers, text, lists and dicts; '
                'anything else could run code, and nothing of this file was '
                'run') from None
        reason = (str(error).splitlines() or [''])[0]
        raise ConversionError(
            f'{path}: no checkpoint that can be read, or a truncated one '
            f'({type(error).__name__}: {reason})') from None
    for state in (content.get('model'), content.get('state_dict'), content):
        if isinstance(state, dict) and state and all(
                isinstance(key, str) and isinstance(value, torch.Tensor)
                for key, value in state.items()):
            break
    else:
        raise ConversionError(
            f'{path}: no weights; expected tensors by name, or such under '
            f"'model' or 'state_dict', found {shortened(content)}")
    if all(key.startswith('module.') for key in state):
        state = {key[len('module.'):]: state[key] for key in state}
    return dict(state)


def _load(path):
    """dict: What the file holds."""
    if path.endswith('.safetensors'):
        from safetensors.torch import load_file
        return load_file(path)
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            root = _root(archive)
            if f'{root}constants.pkl' in archive.namelist():
                return _read_torchscript(archive, root)
    # X-CLIP's files hold the config of their training; yacs is not needed
    config = (collections.OrderedDict, 'yacs.config.CfgNode')
    with torch.serialization.safe_globals([config]):
        content = torch.load(path, 'cpu', weights_only=True, mmap=zipped)
    if not isinstance(content, dict):
        raise TypeError(f'holds a {type(content).__name__}, no dict')
    return content


def _root(archive):
    """str: Folder of a zip file that holds data.pkl, with a slash."""
    found = [name for name in archive.namelist()
             if name.split('/')[1:] == ['data.pkl']]
    return found[0][:-len('data.pkl')] if found else ''


def _read_torchscript(archive, root):
    """Tensors of a TorchScript archive, as ``state_dict`` names them.

    Args:
        archive (ZipFile): The open file.
        root (str): Its folder.

    Returns:
        dict[str, Tensor]: Parameters, buffers and other attributes.
    """
    with archive.open(f'{root}data.pkl') as file:
        module = _TorchScriptUnpickler(file, archive, root).load()

    def tensors(module, prefix=''):
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                yield prefix + name, value
            elif type(value) is type(module):
                yield from tensors(value, f'{prefix}{name}.')

    return dict(tensors(module))


class _TorchScriptUnpickler(pickle.Unpickler):
    """Modules become plain holders of attributes; no code is looked at."""

    def __init__(self, file, archive, root):
        super().__init__(file)
        storages = {}

        class Holder:
            """Any class of the archive."""

        def storage(kind, dtype, name, location, number):
            if name not in storages:
                data = bytearray(archive.read(f'{root}data/{name}'))
                storages[name] = torch.frombuffer(data, dtype=dtype) \
                    if data else torch.empty(0, dtype=dtype)
            return storages[name]

        def tensor(storage, offset, size, stride, *_):
            return torch.as_strided(storage, size, stride, offset)

        def same(value, *_):  # of lists, whose type the archive adds
            return value

        self.holder, self.storage = Holder, storage
        # made anew for each file: none can leave anything for the next
        self.allowed = {
            'collections.OrderedDict': collections.OrderedDict,
            'torch._utils._rebuild_tensor_v2': tensor,
            **{f'torch.{name}': dtype for name, dtype in _DTYPES.items()},
            **dict.fromkeys(
                (f'torch.jit._pickle.{name}' for name in (
                    'restore_type_tag', 'build_intlist', 'build_tensorlist',
                    'build_doublelist', 'build_boollist')), same),
        }

    def find_class(self, module, name):
        if module.split('.')[0] == '__torch__':
            return self.holder
        key = f'{module}.{name}'
        if key not in self.allowed:
            raise pickle.UnpicklingError(f'GLOBAL {key} is not allowed')
        return self.allowed[key]

    def persistent_load(self, pid):
        return self.storage(*pid)


@dataclass(frozen=True)
class Kind:
    """A kind of published checkpoint.

    Args:
        what (str): What it is.
        rules (dict[str, str]): Pattern of a whole key to its new name.
        left_out (dict[str, str]): Pattern of a key that is not taken, to the
            reason.
        needs (tuple[str]): Keys that tell its sizes.
        options (Callable): Weights to the options of the model's config.
        build (Callable): Options to the model that is to load it.
        fresh (tuple[str]): Patterns (``fnmatch``) of names in a model that
            such a file lacks.
        use (str): How the converted file is used; ``{}`` is its name.
    """
    what: str
    rules: dict
    left_out: dict
    needs: tuple
    options: Callable
    build: Callable
    fresh: tuple
    use: str


def _number(state, pattern):
    """int: How many blocks there are, 1 + the largest number in a name."""
    found = [re.match(pattern, key) for key in state]
    return 1 + max(int(match[1]) for match in found if match)


def _xclip_options(state):
    """Sizes of the towers; heads have 64 channels, as in all of ARCHS."""
    import open_clip
    width, _, patch, _ = state['visual.conv1.weight'].shape
    patches = len(state['visual.positional_embedding']) - 1
    length, text_width = state['positional_embedding'].shape
    sizes = dict(
        embed_dim=state['visual.proj'].shape[1],
        vision_cfg=dict(
            image_size=math.isqrt(patches) * patch,
            layers=_number(state, r'visual\.transformer\.resblocks\.(\d+)'),
            width=width,
            patch_size=patch),
        text_cfg=dict(
            context_length=length,
            vocab_size=len(state['token_embedding.weight']),
            width=text_width,
            heads=text_width // 64,
            layers=_number(state, r'transformer\.resblocks\.(\d+)')))
    named = [name for name in ARCHS
             if open_clip.get_model_config(name) == sizes]
    arch = named[0] if named else sizes
    options = dict(backbone=dict(arch=arch), text=dict(arch=arch))
    if 'mit.positional_embedding' in state:
        options['backbone'].update(
            num_frames=state['mit.positional_embedding'].shape[1],
            mit_layers=_number(state, r'mit\.resblocks\.(\d+)'))
    if 'prompts_visual_proj' in state:
        options['prompts'] = dict(
            type='VideoPrompts',
            layers=_number(state, r'prompts_generator\.decoder\.(\d+)'))
    return options


def _ctrgcn_options(state, prefix=''):
    channels = state[f'{prefix}l1.gcn1.convs.0.conv1.weight'].shape[1]
    joints = state[f'{prefix}l1.gcn1.PA'].shape[-1]
    return dict(
        in_channels=channels,
        num_person=len(state[f'{prefix}data_bn.weight']) // joints // channels,
        graph='released')


def _hpnet_options(state):
    """The released code feeds GCN1 with the motion, not with the joints."""
    return dict(
        **_xclip_options(state),
        topology=dict(
            type='SMCLM',
            streams=('jm', 'jm', 'b'),
            graph='released',
            model=dict(type='CTRGCN', **_ctrgcn_options(state, 'GCN1.'))),
        cls_head=dict(
            num_classes=len(state['ske_fc1.weight']),
            fusion=dict(
                type='TRMM', eta='text', mlp='released', init='released')))


def _build_xclip(options):
    head = options.get('cls_head', dict(num_classes=1))
    classes = [str(n) for n in range(head['num_classes'])]
    return MODELS.build(
        dict(
            type='XCLIPRecognizer',
            backbone=dict(type='XCLIPVision', **options['backbone']),
            text=dict(type='CLIPText', classes=classes, **options['text']),
            topology=options.get('topology'),
            prompts=options.get('prompts'),
            cls_head=dict(type='TRMMHead', **head)))


def _build_stream(options):
    return MODELS.build(
        dict(
            type='RecognizerGCN',
            backbone=dict(type='CTRGCN', **options['backbone']),
            cls_head=dict(
                type='GCNHead', in_channels=256, **options['cls_head'])))


def _build_simcc(options):
    """The net of configs/pose/hrnet-w48_simcc_coco-256x192.py."""
    from mmengine.hub import get_config
    from mmpose.models import HRNet, SimCCHead
    backbone = get_config(HRNET).model.backbone
    del backbone.type
    with DefaultScope.overwrite_default_scope('mmpose'):
        return torch.nn.ModuleDict(
            dict(
                backbone=HRNet(**backbone),
                head=SimCCHead(
                    in_channels=48, out_channels=17, input_size=(192, 256),
                    in_featuremap_size=(48, 64), deconv_out_channels=None)))


_TOWERS = {
    r'(visual\..+)': r'backbone.\1',
    r'((?:transformer|token_embedding|ln_final)\..+)': r'text.tower.\1',
    r'(positional_embedding|text_projection)': r'text.tower.\1',
    r'logit_scale': 'cls_head.logit_scale',
}
_XCLIP = {**_TOWERS, r'(mit\..+)': r'backbone.\1'}
_CLIP_NEEDS = ('visual.conv1.weight', 'visual.positional_embedding',
               'visual.proj', 'visual.transformer.resblocks.0.ln_1.weight',
               'transformer.resblocks.0.ln_1.weight', 'positional_embedding',
               'token_embedding.weight')
_XCLIP_NEEDS = (*_CLIP_NEEDS, 'mit.positional_embedding',
                'mit.resblocks.0.ln_1.weight')
_GCN_NEEDS = ('l1.gcn1.convs.0.conv1.weight', 'l1.gcn1.PA', 'data_bn.weight')
_HPNET_PARTS = ('topology.*', 'cls_head.fusion.*', 'cls_head.classifiers.*')
_LOAD_FROM = "load_from = '{}' in a config, or --cfg-options load_from={}"

KINDS = {
    'hpnet': Kind(
        what='released HP-Net recogniser',
        rules={
            **_XCLIP,
            **{rf'GCN{i + 1}\.((?!fc\.).+)': rf'topology.models.{i}.\1'
               for i in range(3)},
            **{rf'ske_fc{i + 1}\.(.+)': rf'cls_head.classifiers.{i}.\1'
               for i in range(3)},
            r'ske_film\.fc_(gamma|beta)\.(.+)': r'cls_head.fusion.\1.\2',
            r'ske_film\.fc1\.(.+)': r'cls_head.fusion.p3.\1',
            r'ske_film\.fc2\.(.+)': r'cls_head.fusion.p4.\1',
        },
        left_out={r'GCN[123]\.fc\..+': 'the released model never uses them'},
        needs=(*_XCLIP_NEEDS, *(f'GCN1.{key}' for key in _GCN_NEEDS),
               'ske_fc1.weight'),
        options=_hpnet_options,
        build=_build_xclip,
        fresh=(),
        use='--checkpoint {} of mim test, or ' + _LOAD_FROM),
    'ctrgcn': Kind(
        what='released CTR-GCN stream',
        rules={
            r'((?:data_bn|l\d+)\..+)': r'backbone.\1',
            r'(fc\..+)': r'cls_head.\1',
        },
        left_out={},
        needs=(*_GCN_NEEDS, 'fc.weight'),
        options=lambda state: dict(
            backbone=_ctrgcn_options(state),
            cls_head=dict(num_classes=len(state['fc.weight']))),
        build=_build_stream,
        fresh=(),
        use='--checkpoint {} of mim test, with a config of configs/streams; '
        "for bones with GenPooledStream(pairs='released')"),
    'xclip': Kind(
        what='X-CLIP',
        rules={
            **_XCLIP,
            r'prompts_generator\.(.+)': r'prompts.\1',
            r'prompts_(visual_.+)': r'prompts.\1',
        },
        left_out={
            'prompts_.+': 'video-specific prompts, which HP-Net does without; '
            '--prompts keeps them'
        },
        needs=_XCLIP_NEEDS,
        options=_xclip_options,
        build=_build_xclip,
        fresh=_HPNET_PARTS,
        use=_LOAD_FROM),
    'clip': Kind(
        what='CLIP of OpenAI or open_clip',
        rules=_TOWERS,
        left_out={
            'input_resolution|context_length|vocab_size':
            'sizes, no weights',
            r'(.+\.)?attn_mask': 'the causal mask, a constant',
        },
        needs=_CLIP_NEEDS,
        options=_xclip_options,
        build=_build_xclip,
        fresh=('backbone.visual.transformer.resblocks.*.message_*',
               'backbone.mit.*', *_HPNET_PARTS),
        use=_LOAD_FROM),
    'simcc': Kind(
        what='released HRNet-W48 with SimCC head',
        rules={
            r'((?:conv[12]|bn[12]|layer1|transition\d|stage\d)\..+)':
            r'backbone.\1',
            r'((?:final_layer|mlp_head_[xy])\..+)': r'head.\1',
        },
        left_out={},
        needs=('conv1.weight', 'stage4.0.branches.0.0.conv1.weight',
               'mlp_head_x.weight', 'mlp_head_y.weight'),
        options=lambda state: {},
        build=_build_simcc,
        fresh=(),
        use='--checkpoint {} of hpnet extract, with --pose '
        'configs/pose/hrnet-w48_simcc_coco-256x192.py'),
}


class Conversion(NamedTuple):
    """What became of a checkpoint.

    Attributes:
        state_dict (dict[str, Tensor]): Weights by their new names; floating
            point numbers are float32.
        left_out (dict[str, list[str]]): Reason to the keys not taken.
        options (dict): Of the model's config, as far as the file tells.
    """
    state_dict: dict
    left_out: dict
    options: dict


def convert(state, kind, prompts=False, **towers):
    """Give weights the names of this package's models.

    Args:
        state (dict[str, Tensor]): Of :func:`read_weights`.
        kind (str): One of :data:`KINDS`.
        prompts (bool): Whether X-CLIP's prompts are kept. Defaults to False.
        **towers: Options of both towers that the weights do not tell.

    Returns:
        Conversion: All keys, taken or left out.

    Raises:
        ConversionError: If a key is unknown, or one is missing, or tensors
            are of a shape that the model has not; says what the file looks
            like.
    """
    what = KINDS[kind]
    left_out, names = {}, {}
    for key in state:
        reason = None if prompts else _match(key, what.left_out)
        if reason:
            left_out.setdefault(what.left_out[reason], []).append(key)
        else:
            rule = _match(key, what.rules)
            names[key] = rule and re.sub(rule, what.rules[rule], key)
    unknown = [key for key, name in names.items() if name is None]
    needs = (*what.needs, 'prompts_visual_proj') if prompts else what.needs
    missing = [key for key in needs if key not in state]
    other = []
    if not unknown and not missing:
        taken = {key: state[key] for key in names}
        try:
            options = what.options(taken)
            for tower in ('backbone', 'text') if towers else ():
                options[tower].update(towers)
            with torch.device('meta'), \
                    DefaultScope.overwrite_default_scope('mmaction'):
                model = what.build(options).state_dict()
        except (ArithmeticError, IndexError, RuntimeError, TypeError,
                ValueError) as error:
            raise ConversionError(
                f'not the sizes of a {what.what}: {error}') from None
        given = set(names.values())
        unknown = [key for key, name in names.items() if name not in model]
        missing = [
            name for name in model
            if name not in given and 'num_batches_tracked' not in name
            and not any(fnmatch.fnmatchcase(name, p) for p in what.fresh)]
        other = [
            f'{key} is {tuple(state[key].shape)} instead of '
            f'{tuple(model[name].shape)}' for key, name in names.items()
            if name in model and state[key].shape != model[name].shape]
    problems = [
        f'{len(keys)} {says} ({", ".join(keys[:3])}'
        f'{", …" if len(keys) > 3 else ""})'
        for keys, says in ((unknown, 'keys that it has not'),
                           (missing, 'of its keys missing'),
                           (other, 'tensors of another shape')) if keys]
    if problems:
        like = [name for name in KINDS if name != kind
                and _looks_like(state, KINDS[name])]
        raise ConversionError(
            f'no {what.what} (--from {kind}): {"; ".join(problems)}. It looks '
            f'like {" or ".join(like) or f"none of {list(KINDS)}"}')
    weights = {
        name: state[key].to(
            torch.float32 if state[key].is_floating_point() else
            state[key].dtype, copy=True).contiguous()
        for key, name in names.items()}
    return Conversion(weights, left_out, options)


def _match(key, patterns):
    """str: The pattern that the whole key fits, or None."""
    return next((p for p in patterns if re.fullmatch(p, key)), None)


def _looks_like(state, kind):
    return set(kind.needs) <= set(state) and all(
        _match(key, (*kind.left_out, *kind.rules)) for key in state)


def convert_checkpoint(source, out, kind, prompts=False):
    """Convert a published checkpoint.

    Args:
        source (str): The file; for ``'clip'`` also ``MODEL:TAG`` of
            open_clip, which is downloaded.
        out (str): File to write, with ``state_dict`` and ``meta``; it appears
            whole or not at all.
        kind (str): One of :data:`KINDS`.
        prompts (bool): Whether X-CLIP's prompts are kept. Defaults to False.

    Returns:
        Conversion: What was written, and what was not.

    Raises:
        ConversionError: If the file is not of this kind; see
            :func:`read_weights` and :func:`convert`.
        OSError: If a file cannot be read or written.
    """
    if prompts and kind != 'xclip':
        raise ConversionError(f'only xclip has prompts to keep, not {kind}')
    source, towers = os.fspath(source), {}
    if kind == 'clip' and ':' in source and not osp.exists(source):
        source, towers = _download(source)
    state = read_weights(source)
    if osp.exists(out) and osp.samefile(source, out):
        raise ConversionError(f'{out} is the source itself: name another')
    try:
        result = convert(state, kind, prompts, **towers)
    except ConversionError as error:
        raise ConversionError(f'{source}: {error}') from None
    meta = dict(
        hpnet_plugin=__version__,
        kind=kind,
        source=osp.basename(source),
        sha256=sha256_of(source),
        left_out=result.left_out,
        options=result.options)
    buffer = io.BytesIO()
    torch.save(dict(state_dict=result.state_dict, meta=meta), buffer)
    write_whole(out, buffer.getbuffer())
    return result


def _download(name):
    """File of open_clip's ``MODEL:TAG``, and the options of its towers."""
    import open_clip
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg
    model, tag = name.split(':', 1)
    sizes = open_clip.get_model_config(model)
    source = get_pretrained_cfg(model, tag)
    if not sizes or not source:
        known = [f'{m}:{t}' for m, t in open_clip.list_pretrained()]
        close = difflib.get_close_matches(name, known, 3, 0.3)
        raise ConversionError(
            f'{name}: no such file, and open_clip knows no such model and '
            f'tag; the closest are {close}')
    gelu = source.get('quick_gelu', sizes.get('quick_gelu', False))
    # only the file: open_clip's own loader is not needed
    return download_pretrained(source), dict(arch=model, quick_gelu=gelu)


def shortened(names):
    """Names for messages, those that begin alike as one.

    Args:
        names (Iterable[str]): Names with dots.

    Returns:
        str: Like ``'mit.* (13), logit_scale'``.
    """
    groups = {}
    for name in names:
        groups.setdefault(str(name).split('.')[0], []).append(str(name))
    shown = []
    for group in groups.values():
        start = osp.commonprefix(group).rpartition('.')[0]
        shown.append(group[0] if len(group) == 1 else
                     f'{start}.* ({len(group)})')
    return ', '.join(shown)

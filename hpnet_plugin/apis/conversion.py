"""Published checkpoints under the names of this package's models.

Reading one never runs code from it: see :func:`read_weights`.
"""
import collections
import io
import math
import os.path as osp
import pickle
import re
import zipfile
from dataclasses import dataclass
from typing import Callable, NamedTuple

import torch

from ..estimation.pose import sha256_of
from ..files import write_whole
from ..version import __version__

# CLIP models that OpenAI released and X-CLIP builds on
ARCHS = ('ViT-B-32', 'ViT-B-16', 'ViT-L-14', 'ViT-L-14-336')
HRNET = ('mmpose::body_2d_keypoint/topdown_heatmap/coco/'
         'td-hm_hrnet-w48_8xb32-210e_coco-256x192.py')


class ConversionError(ValueError):
    """A checkpoint that cannot be converted as asked; says why."""


# ---------------------------------------------------------------- reading

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
            ``.safetensors`` file. The weights are the file's content, or its
            ``model`` or ``state_dict``.

    Returns:
        dict[str, Tensor]: By name, without a ``module.`` before them all.

    Raises:
        FileNotFoundError: If the file is not there.
        ConversionError: If the file is broken, asks for code, or holds no
            weights.
    """
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
            f'{path}: no checkpoint that can be read; it may be truncated '
            f'({type(error).__name__}: {reason})') from None
    for state in (content.get('model'), content.get('state_dict'), content):
        if isinstance(state, dict) and state and all(
                isinstance(value, torch.Tensor) for value in state.values()):
            break
    else:
        raise ConversionError(
            f'{path}: no weights; expected tensors by name, or such under '
            f"'model' or 'state_dict', found {_shortened(content)}")
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


# ---------------------------------------------------------------- kinds


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
        fresh (tuple[str]): Beginnings or, with a ``*``, patterns of names in
            the model that such a file lacks.
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
    from mmaction.registry import MODELS
    head = dict(num_classes=1, **options.get('cls_head', {})) \
        if 'cls_head' not in options else options['cls_head']
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
    from mmaction.registry import MODELS
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
    backbone.update(type=HRNet, init_cfg=None)
    head = dict(
        type=SimCCHead, in_channels=48, out_channels=17,
        input_size=(192, 256), in_featuremap_size=(48, 64),
        deconv_out_channels=None)
    from mmpose.registry import MODELS
    return torch.nn.ModuleDict(
        dict(backbone=MODELS.build(backbone), head=MODELS.build(head)))


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
_HPNET_PARTS = ('topology.', 'cls_head.fusion.', 'cls_head.classifiers.')
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
        use='--checkpoint {} of mim test, with a config of configs/streams'),
    'xclip': Kind(
        what='X-CLIP',
        rules={
            **_XCLIP,
            r'prompts_generator\.(.+)': r'prompts.\1',
            r'prompts_(visual_.+)': r'prompts.\1',
        },
        left_out={},
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
        fresh=('backbone.visual.transformer.resblocks.*.message_',
               'backbone.mit.', *_HPNET_PARTS),
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
        use='--checkpoint {} of tools/extract.py, with --pose '
        'configs/pose/hrnet-w48_simcc_coco-256x192.py'),
}

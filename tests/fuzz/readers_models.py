"""Weights, models that are shared, pose nets and detectors."""
from __future__ import annotations

import copy
import functools
import io
import json
import pickle
import random
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hpnet_plugin  # noqa: F401  fills the gaps of the toolbox
from fuzz.changes import changed
from fuzz.engine import Reader
from hpnet_plugin.apis.checkpoints import newest_checkpoint, read_checkpoint
from hpnet_plugin.apis.description import ModelDescription
from hpnet_plugin.apis.onnx_scorer import OnnxScorer, description_facts
from hpnet_plugin.apis.trained import (
    TrainedError,
    from_pretrained,
    load_trained,
)
from hpnet_plugin.config_text import UnreadableConfigError, read_config
from hpnet_plugin.conversion import ConversionError, read_weights
from hpnet_plugin.estimation.checkpoints import load_weights
from hpnet_plugin.estimation.onnx_detector import OnnxDetector
from hpnet_plugin.estimation.onnx_extractor import KIND, OnnxExtractor
from hpnet_plugin.estimation.onnx_graphs import maps_of_graph
from hpnet_plugin.estimation.pose import build_pose_net
from hpnet_plugin.onnx_export import with_metadata
from hpnet_plugin.store import StoreError
from hpnet_plugin.store.released import read_released
from hpnet_plugin.unpickling import UnreadablePickleError
from hpnet_plugin.weights import CheckpointError

DESCRIPTION = ModelDescription(
    'hp_j', ('walk', 'run'), facts=dict(title='mine', people=1),
    extraction=dict(pose=dict(sha256='0' * 64), taps=dict(a=4)),
    windows=dict(median=2., longest=3.),
    input=dict(kind='graph', key='keypoint', taps=[], stream='j',
               layout='coco', frames=4, people=1, normalize=False),
    config=dict(model=dict(
        type='RecognizerGCN', backbone=dict(
            type='STGCN', gcn_adaptive='init', num_stages=1, base_channels=8,
            graph_cfg=dict(layout='coco', mode='spatial')),
        cls_head=dict(type='GCNHead', num_classes=2, in_channels=8)),
        default_scope='mmaction', split=('a', 'b')),
    calibration=dict(temperature=1.5, threshold=.5),
    training=dict(epoch=3, saved='now'))


@functools.cache
def _net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


def _content() -> dict[str, Any]:
    from mmengine.logging import HistoryBuffer
    return dict(
        state_dict=_net().state_dict(),
        meta=dict(epoch=1, time='now', hpnet=DESCRIPTION.to_json()),
        message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.], [1]))),
        optimizer=dict(state={0: dict(step=torch.tensor(3.))}))


def _saved(path: Path, content: Any, new: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


def _checkpoints(folder: Path) -> list[Path]:
    return [_saved(folder / 'new.pth', _content()),
            _saved(folder / 'old.pth', _content(), new=False)]


def _scripted(folder: Path) -> list[Path]:
    from safetensors.torch import save_file
    state = _net().state_dict()
    torch.jit.script(_net()).save(str(folder / 'script.pt'))
    save_file(state, folder / 'plain.safetensors')
    return [folder / 'script.pt', folder / 'plain.safetensors',
            _saved(folder / 'model.pth', dict(model=state)),
            _saved(folder / 'old.pth', state, new=False)]


def _change_zip(data: bytes, rng: random.Random) -> bytes:
    """Change what is in an archive, and pack it again; or its pickle."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        at = rng.randrange(len(data))
        return data[:at] + changed(data[at:], rng, 'pickle', data)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, \
            zipfile.ZipFile(out, 'w') as target:
        entries = source.infolist()
        chosen = rng.choice(
            [e for e in entries if e.filename.endswith('data.pkl')]
            if rng.random() < .7 else entries)
        for entry in entries:
            content = source.read(entry)
            if entry is chosen:
                form = 'pickle' if entry.filename.endswith('.pkl') else \
                    'bytes'
                content = changed(content, rng, form, data)
            if entry is not chosen or rng.random() > .05:
                target.writestr(entry.filename, content)
    return out.getvalue()


def _weights(path: Path) -> None:
    load_weights(copy.deepcopy(_net()), str(path))


def _tensors(path: Path) -> None:
    for value in from_pretrained(path.parent).state().values():
        value.float().sum()


def _model_folder(folder: Path) -> list[Path]:
    from safetensors.torch import save_file
    model = folder / 'model'
    model.mkdir()
    (model / 'hpnet.json').write_text(json.dumps(DESCRIPTION.to_json()))
    save_file(_built().state_dict(), model / 'model.safetensors')
    return [model / 'model.safetensors']


@functools.cache
def _built() -> torch.nn.Module:
    from mmaction.registry import MODELS
    from mmengine.registry import DefaultScope
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(DESCRIPTION.config['model'])


def _descriptions(folder: Path) -> list[Path]:
    _model_folder(folder)
    fused = folder / 'fused'
    shutil.copytree(folder / 'model', fused / 'one')
    (fused / 'hpnet.json').write_text(json.dumps(ModelDescription(
        'both', ('walk', 'run'), members=[dict(
            path='one', weight=1., scores='logit')]).to_json()))
    return [folder / 'model/hpnet.json', fused / 'hpnet.json']


def _change_description(data: bytes, rng: random.Random) -> bytes:
    """Change the config of a model alone."""
    content = json.loads(data)
    config = changed(json.dumps(content['config']).encode(), rng, 'json', b'')
    try:
        content['config'] = json.loads(config)
    except (ValueError, RecursionError):
        return config
    return json.dumps(content).encode()


def _described(path: Path) -> None:
    trained = from_pretrained(path.parent)
    for member, _ in trained.members or [(trained, 1.)]:
        member.build()


def _calibrated(path: Path) -> None:
    load_trained(path.parent)


def _calibrations(folder: Path) -> list[Path]:
    run = folder / 'run'
    run.mkdir()
    _saved(run / 'epoch_1.pth', _content())
    (run / 'last_checkpoint').write_text(str(run / 'epoch_1.pth'))
    (run / 'calibration.json').write_text(json.dumps(dict(
        saved='now', checkpoint='epoch_1.pth', temperature=2.,
        threshold=.5)))
    return [run / 'calibration.json']


def _notes(folder: Path) -> list[Path]:
    _calibrations(folder)
    return [folder / 'run/last_checkpoint']


def _note(path: Path) -> None:
    newest_checkpoint(path.parent)


def _configs(folder: Path) -> list[Path]:
    (folder / 'base.py').write_text('a = dict(b=[1, 2])\n')
    (folder / 'x.py').write_text(
        "_base_ = ['base.py']\nmodel = dict(type='A', n=3)\na = dict(c=1)\n")
    return [folder / 'x.py']


def _config(path: Path) -> None:
    # Python's parser says MemoryError of too many brackets
    try:
        read_config(path)
        return
    except UnreadableConfigError as error:
        text = str(error)
    raise UnreadableConfigError(text)


def _released(folder: Path) -> list[Path]:
    np.save(folder / 'a.npy', np.ones((4, 2, 3, 5), np.float32))
    return [folder / 'a.npy']


def _graph(nodes: list, inputs: list, outputs: list, weights: dict) -> bytes:
    from onnx import helper, numpy_helper
    graph = helper.make_graph(
        nodes, 'net',
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(value, name)
         for name, value in weights.items()])
    return helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid('', 17)]).SerializeToString()


def _pose_nets(folder: Path) -> list[Path]:
    from onnx import helper
    rng = np.random.RandomState(0)
    nodes = [
        helper.make_node('Conv', ['input', 'w'], ['map'], strides=[4, 4]),
        helper.make_node('Relu', ['map'], ['relu']),
        helper.make_node('Conv', ['relu', 'v'], ['heat'])]
    (folder / 'net.onnx').write_bytes(_graph(
        nodes, [('input', 1, [1, 3, 32, 24])], [('heat', 1, [1, 17, 8, 6])],
        dict(w=rng.rand(4, 3, 4, 4).astype(np.float32),
             v=rng.rand(17, 4, 1, 1).astype(np.float32))))
    return [folder / 'net.onnx']


def _pose_net(path: Path) -> None:
    maps_of_graph(path)
    net = build_pose_net(str(path), taps=['relu'])
    net(np.zeros((2, net.size[1], net.size[0], 3), np.uint8))


def _detectors(folder: Path) -> list[Path]:
    from onnx import helper
    nodes = [
        helper.make_node('ReduceMean', ['input'], ['mean'], keepdims=0),
        helper.make_node('Mul', ['mean', 'zero'], ['nothing']),
        helper.make_node('Add', ['dets0', 'nothing'], ['dets']),
        helper.make_node('Identity', ['labels0'], ['labels'])]
    (folder / 'det.onnx').write_bytes(_graph(
        nodes, [('input', 1, [1, 3, 32, 48])],
        [('dets', 1, None), ('labels', 7, None)],
        dict(dets0=np.array([[[8, 6, 24, 30, .9]]], np.float32),
             zero=np.zeros(1, np.float32), labels0=np.zeros((1, 1), int))))
    return [folder / 'det.onnx']


def _detector(path: Path) -> None:
    detector = OnnxDetector(str(path), 'yolox')
    detector.people([np.zeros((40, 60, 3), np.uint8)], 'a', [0])


def _exported(folder: Path) -> list[Path]:
    """A model and a pose net as hpnet export writes them, but for the nets."""
    from onnx import helper
    model = folder / 'model'
    model.mkdir()
    nodes = [helper.make_node('ReduceMean', ['features'], ['mean'],
                              axes=[1, 2, 3], keepdims=0),
             helper.make_node('Identity', ['mean'], ['scores'])]
    graph = _graph(nodes, [('features', 1, ['n', 1, 4, 17, 2])],
                   [('scores', 1, ['n', 2])], {})
    (model / 'model.onnx').write_bytes(with_metadata(
        graph, description_facts(DESCRIPTION)))
    (model / 'hpnet.json').write_text(json.dumps(DESCRIPTION.to_json()))
    nodes = [helper.make_node('Cast', ['crops'], ['joints'], to=1)]
    pose = _graph(nodes, [('crops', 2, ['n', 8, 6, 3])],
                  [('joints', 1, None)], {})
    (model / 'pose.onnx').write_bytes(with_metadata(pose, dict(
        kind=KIND, size=[6, 8], udp=False, joints=17, record=dict(
            taps=dict(a=4), padding=1.25, aspect='net', layout='coco',
            pose=dict(onnx='x'), region=1))))
    return [model / name for name in ('model.onnx', 'hpnet.json',
                                      'pose.onnx')]


def _scored(path: Path) -> None:
    OnnxScorer(path.parent)
    OnnxExtractor(str(path.parent / 'pose.onnx'))


def _change_metadata(data: bytes, rng: random.Random) -> bytes:
    """Change one of the texts in a graph's metadata."""
    if data.startswith(b'{'):
        return changed(data, rng, 'json', data)
    import onnx
    model = onnx.load_from_string(data)
    entry = rng.choice(model.metadata_props)
    entry.value = changed(entry.value.encode(), rng, 'json', b'').decode(
        errors='replace')
    return model.SerializeToString()


def _trained_on(folder: Path) -> list[Path]:
    clips = [dict(frame_dir=name, label=i, img_shape=(4, 6), total_frames=3,
                  original_shape=(4, 6), box_score=np.float32(.5),
                  keypoint=np.zeros((1, 3, 17, 2), np.float16),
                  keypoint_score=np.ones((1, 3, 17), np.float16))
             for i, name in enumerate('ab')]
    content = dict(split=dict(train=['a', 'b']), annotations=clips)
    paths = []
    for protocol in range(6):
        paths.append(folder / f'{protocol}.pkl')
        paths[-1].write_bytes(pickle.dumps(content, protocol))
    return paths


def _train_on(path: Path) -> None:
    # as PoseDataset does; what it makes of other contents is its own
    import mmaction  # noqa: F401
    import mmengine
    mmengine.load(str(path))


def _length_right(data: bytes) -> bytes:
    """The length of the header of a safetensors file."""
    end = data.find(b'}}')
    return struct.pack('<Q', end - 6) + data[8:] if end > 8 else data


READERS = {
    'checkpoint': Reader(
        _checkpoints, read_checkpoint, (CheckpointError, ),
        change=_change_zip),
    'weights of a pose net': Reader(
        _checkpoints, _weights, (ValueError, ), change=_change_zip),
    'published weights': Reader(
        _scripted, read_weights, (ConversionError, ), change=_change_zip,
        repair=lambda data: data if data[:2] == b'PK' else data),
    'safetensors': Reader(
        _model_folder, _tensors, (CheckpointError, ), beside=True,
        repair=_length_right),
    'description': Reader(
        _descriptions, _described, (ValueError, OSError), beside=True,
        change=_change_description, named=lambda path: ''),
    'calibration': Reader(
        _calibrations, _calibrated, (TrainedError, ), beside=True),
    'last checkpoint': Reader(
        _notes, _note, (ValueError, OSError), beside=True, form='text',
        named=lambda path: path.parent.name),
    'config': Reader(
        _configs, _config,
        (UnreadableConfigError, FileNotFoundError), beside=True,
        form='text', named=lambda path: ''),
    'released features': Reader(_released, read_released, (StoreError, )),
    'onnx pose net': Reader(_pose_nets, _pose_net, (ValueError, )),
    'onnx detector': Reader(_detectors, _detector, (ValueError, )),
    'exported model': Reader(
        _exported, _scored, (ValueError, OSError), beside=True,
        change=_change_metadata),
    'annotations in training': Reader(
        _trained_on, _train_on, (UnreadablePickleError, )),
}

"""Files that mean harm: nothing in them runs, crashes or reaches out.

All are made here. What each pickle would run, if anything did, leaves a mark.
"""
import _codecs
import builtins
import collections
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import tarfile
import zipfile

import mmaction  # noqa: F401  whose pickles are read safely
import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config

from hpnet_plugin.apis.checkpoints import read_checkpoint
from hpnet_plugin.apis.registered import (
    UnregisteredError,
    offline,
    refuse_unregistered,
)
from hpnet_plugin.apis.trained import from_pretrained
from hpnet_plugin.checkpoint_files import check_checkpoint
from hpnet_plugin.compat import plain_files
from hpnet_plugin.config_text import UnreadableConfigError, read_config
from hpnet_plugin.conversion import ConversionError, read_weights
from hpnet_plugin.datasets.annotations import (
    AnnotationsError,
    read_annotations,
)
from hpnet_plugin.estimation.checkpoints import check_weights
from hpnet_plugin.evaluation.scores import read_scores
from hpnet_plugin.onnx_check import GraphError, check_onnx
from hpnet_plugin.onnx_session import open_session
from hpnet_plugin.pickle_scan import DEEPEST, HarmfulError, scan
from hpnet_plugin.store.errors import StoreError
from hpnet_plugin.store.released import read_released
from hpnet_plugin.unpickling import UnreadablePickleError, unpickle
from hpnet_plugin.weights import CheckpointError


class Reduce:
    """Pickles as the call of a function, and a state for its result."""

    def __init__(self, function, *args, state=None):
        self.call = (function, args) if state is None else (
            function, args, state)

    def __reduce__(self):
        return self.call


def text(value):
    """A text as protocol 2 has it."""
    data = value.encode()
    return b'X' + struct.pack('<I', len(data)) + data


def called(module, name, *args):
    """A pickle that calls a function by its name, whatever is imported."""
    return (b'\x80\x02c' + module.encode() + b'\n' + name.encode() + b'\n('
            + b''.join(map(text, args)) + b'tR.')


def named(module, name, *args):
    """The same by a name that is put together on the stack."""
    return (b'\x80\x04\x8c' + bytes([len(module)]) + module.encode()
            + b'\x8c' + bytes([len(name)]) + name.encode() + b'\x93('
            + b''.join(map(text, args)) + b'tR.')


def calls(mark):
    """What runs a command or writes a file, in pickle's usual ways."""
    touch, write = f'touch {mark}', f'open({str(mark)!r}, "w")'
    yield Reduce(os.system, touch)
    yield Reduce(builtins.exec, write)
    yield Reduce(builtins.eval, write)
    yield Reduce(subprocess.check_output, ['touch', str(mark)])
    yield Reduce(builtins.getattr, Reduce(__import__, 'os'), 'system')
    yield Reduce(builtins.open, str(mark), 'w')
    yield Reduce(list, Reduce(map, os.system, [touch]))
    yield Reduce(torch.storage._load_from_bytes, pickle.dumps(
        Reduce(os.system, touch)))
    yield Reduce(torch.load, str(mark))
    yield Reduce(np.load, str(mark), None, True)
    yield Reduce(pickle.loads, pickle.dumps(Reduce(os.system, touch)))
    yield Reduce(collections.OrderedDict, [('a', Reduce(os.system, touch))])
    yield Reduce(collections.OrderedDict, state=dict(
        __reduce__=Reduce(os.system, touch)))
    yield np.array([Reduce(os.system, touch)], object)
    yield Reduce(_codecs.encode, Reduce(os.system, touch), 'latin1')
    yield Reduce(torch._utils._rebuild_tensor_v2, Reduce(os.system, touch),
                 0, (1, ), (1, ), False, None)
    yield Reduce(shutil.rmtree, str(mark.parent / 'kept'))


def pickles(mark):
    """Bytes of pickles, those that Python's pickler does not write, too."""
    for call in calls(mark):
        for protocol in range(6):
            yield pickle.dumps(call, protocol)
    touch = f'touch {mark}'
    for make in (called, named):
        for module in ('os', 'posix', 'nt', 'subprocess'):
            yield make(module, 'getoutput' if module == 'subprocess' else
                       'system', touch)
        yield make('builtins', 'eval', f'open({str(mark)!r}, "w")')
        yield make('__builtin__', 'eval', f'open({str(mark)!r}, "w")')
        yield make('numpy', 'dtype.__init__', touch)
        yield make('collections', 'OrderedDict.__init__.__globals__', touch)
        yield make('torch', '_utils.os.system', touch)
        yield make('numpy.core.multiarray', 'scalar.__self__', touch)
        yield make('numpy.testing._private.utils', 'runstring', touch)
        yield make('hpnet_plugin.unpickling', 'os.system', touch)
        yield make('copyreg', 'add_extension', 'os', 'system')
        yield make('torch.serialization', 'add_safe_globals', touch)
        yield make('mmengine.config', 'Config.fromfile', str(mark))
    yield b'cos\nsystem\n(' + text(touch) + b'o.'  # OBJ
    yield b'(ios\nsystem\n.'  # INST
    yield b'(S' + repr(touch).encode() + b'\nios\nsystem\n.'
    yield b'\x80\x02\x82\x01.\x80\x02\x83\x01\x02.'  # extensions
    yield b'\x80\x02P' + touch.encode() + b'\n.'  # persistent
    yield b'\x80\x02' + text(touch) + b'Q.'
    # BUILD on a class and on functions that are allowed
    for name in (b'collections\nOrderedDict', b'numpy\ndtype',
                 b'torch._utils\n_rebuild_tensor_v2', b'_codecs\nencode'):
        yield b'\x80\x02c' + name + b'\n}' + text('__code__') + b'Nsb.'
        yield b'\x80\x02c' + name + b'\nN}' + text('__call__') + b'Ns\x86b.'


def bombs():
    """Small files that take much: time, memory or stack."""
    deep = 300_000
    yield b'\x80\x02})' + b'\x85' * deep + b'Ns.'  # the key of a dict
    yield b'\x80\x02})q\0' + b'\x85q\0h\0\x86' * deep + b'Ns.'
    yield b'\x80\x04(' + b'(' * 9 + b')' + b'\x85' * deep + b't' * 9 + b't}N.'
    yield b'\x80\x04\x8f(' + b')' + b'\x85' * deep + b'\x90.'  # of a set
    yield b'\x80\x02' + b']' * 50_000 + b'a' * 49_999 + b'.'
    yield b'\x80\x02]r\xff\xff\xff\x7f.'  # the memo
    yield b'\x80\x02]p999999999999\n.'
    for op in (b'\x8d', b'\x8e', b'\x96'):  # sizes
        for size in (2**33, 2**62, 2**63 - 1, 2**64 - 1):
            yield b'\x80\x05' + op + struct.pack('<Q', size) + b'x.'
    for op in (b'X', b'B', b'T', b'\x8b'):
        for size in (2**31 - 1, 2**31, 2**32 - 1):
            yield b'\x80\x02' + op + struct.pack('<I', size) + b'x.'
    yield b'\x80\x04\x95' + struct.pack('<Q', 2**62) + b'N.'
    yield b'(' * deep
    yield b'I' + b'9' * deep + b'\n.'
    yield b'c' + b'a.' * deep + b'\nb\n.'
    # an array of 2**60 numbers, and one whose strides leave it
    yield pickle.dumps(Reduce(np.core.multiarray._reconstruct, np.ndarray,
                              (2**60, ), b'b'), 2)
    yield pickle.dumps(Reduce(
        np.core.multiarray._reconstruct, np.ndarray, (0, ), b'b',
        state=(1, (2**60, ), np.dtype('f8'), False, b'')), 2)
    yield pickle.dumps(Reduce(
        np.core.multiarray.scalar, np.dtype('O'), b'\1' * 8), 2)
    yield pickle.dumps(Reduce(
        np.dtype, 'V8', False, True, state=(
            3, '|', (np.dtype('O'), (2**40, )), None, None, -1, -1, 0)), 2)
    yield pickle.dumps(Reduce(builtins.bytearray, 2**40), 2)


def tried(read, path, errors, mark):
    """Read a file; no other error, and nothing has run."""
    try:
        read(path)
    except errors as error:
        assert str(path) in str(error)
    assert not mark.exists()


def train_on(path):
    """As PoseDataset reads its annotations."""
    mmengine.load(str(path))


PICKLES = [
    (lambda path: unpickle(path), UnreadablePickleError),
    (lambda path: unpickle(path, arrays=True), UnreadablePickleError),
    (train_on, UnreadablePickleError),
    (lambda path: read_annotations(path, joints=True), AnnotationsError),
    (lambda path: read_scores(str(path)), ValueError)]


@pytest.mark.parametrize('read, errors', PICKLES)
def test_pickles(tmp_path, read, errors):
    mark, path = tmp_path / 'ran', tmp_path / 'x.pkl'
    (tmp_path / 'kept').mkdir()
    for data in (*pickles(mark), *bombs()):
        path.write_bytes(data)
        tried(read, path, errors, mark)
    assert (tmp_path / 'kept').is_dir()


def test_plain_data_of_stock_datasets_is_read_as_it_was(tmp_path):
    """By mmengine.load, of all protocols; file objects, too."""
    clip = dict(frame_dir='a', label=3, img_shape=(4, 6), total_frames=2,
                keypoint=np.arange(12, dtype=np.float16).reshape(1, 2, 3, 2),
                keypoint_score=np.ones((1, 2, 3)), valid={.5: 2, .6: 1},
                box_score=np.float32(.5), score=torch.tensor([1., 2.]))
    content = dict(split=dict(train=['a']), annotations=[clip])
    for protocol in range(6):
        path = tmp_path / f'{protocol}.pkl'
        path.write_bytes(pickle.dumps(content, protocol))
        with open(path, 'rb') as file:
            opened = mmengine.load(file, file_format='pkl')
        for found in (mmengine.load(path), opened):
            assert found['split'] == content['split']
            for key, value in clip.items():
                other = found['annotations'][0][key]
                assert type(other) is type(value)
                np.testing.assert_array_equal(other, value)


def test_other_programs_read_pickles_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_files, '_in_use', lambda: False)
    path = tmp_path / 'x.pkl'
    path.write_bytes(pickle.dumps(collections.Counter('aab')))
    assert mmengine.load(path) == {'a': 2, 'b': 1}
    monkeypatch.undo()
    with pytest.raises(UnreadablePickleError, match='collections.Counter'):
        mmengine.load(path)


def test_what_nests_is_counted_exactly():
    def nested(count):
        return b'\x80\x02)' + b'\x85' * count + b'.'

    assert scan(nested(DEEPEST)) == DEEPEST + 4
    with pytest.raises(HarmfulError, match='nested'):
        scan(nested(DEEPEST + 1))
    # side by side they may be many, of whatever protocol
    for protocol in range(6):
        many = [(('a', i), (i, )) for i in range(
            DEEPEST if protocol == 4 else 9)]
        data = pickle.dumps(many, protocol)
        assert scan(data) == len(data)
        assert scan(b'xyz' + data, 3) == len(data) + 3
        with pytest.raises(ValueError, match='truncated|claims'):
            scan(data[:-1])


def test_places_in_the_memo_are_those_of_a_pickler():
    for data in (b'\x80\x02]r\xff\xff\xff\x7f.', b'\x80\x02]p99999999\n.',
                 b'\x80\x04]\x94q\x01.', b'\x80\x02]p-1\n.'):
        with pytest.raises(HarmfulError, match='memo'):
            scan(data)
    values = [str(i) for i in range(70_000)]
    for protocol in range(6):
        data = pickle.dumps([values, values], protocol)
        assert scan(data) == len(data)


@pytest.fixture
def saved():
    """Packs the pickle of a checkpoint, in both of torch's formats."""

    def save(path, data, zipped):
        buffer = io.BytesIO()
        torch.save(dict(state_dict=dict(a=torch.zeros(3))), buffer,
                   _use_new_zipfile_serialization=zipped)
        if not zipped:
            head = buffer.getvalue()
            at = scan(head, scan(head, scan(head)))
            path.write_bytes(head[:at] + data + b'\x80\x02].')
            return
        with zipfile.ZipFile(buffer) as source, \
                zipfile.ZipFile(path, 'w') as out:
            for name in source.namelist():
                out.writestr(name, data if name.endswith('data.pkl')
                             else source.read(name))

    return save


CHECKPOINTS = [(read_checkpoint, CheckpointError),
               (lambda path: check_weights(str(path)), ValueError),
               (read_weights, ConversionError)]


@pytest.mark.parametrize('read, errors', CHECKPOINTS)
def test_checkpoints(tmp_path, saved, read, errors):
    mark, path = tmp_path / 'ran', tmp_path / 'x.pth'
    (tmp_path / 'kept').mkdir()
    # each reader has another third of the pickles that run something
    some = [*pickles(mark)][[r for r, _ in CHECKPOINTS].index(read)::3]
    for i, data in enumerate((*some, *bombs())):
        saved(path, data, bool(i % 2))
        tried(read, path, errors, mark)
    assert (tmp_path / 'kept').is_dir()


@pytest.mark.parametrize('read, errors', CHECKPOINTS)
def test_archives_that_are_no_checkpoints(tmp_path, read, errors):
    """Second files of a name, packed bombs, tar, scripts, names outside."""
    mark, path = tmp_path / 'ran', tmp_path / 'x.pth'
    good, evil = io.BytesIO(), pickle.dumps(Reduce(
        os.system, f'touch {mark}'), 2)
    torch.save(dict(state_dict=dict(a=torch.zeros(3000))), good)

    def pack(change, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(good) as source, \
                zipfile.ZipFile(path, 'w', method) as out:
            for name in source.namelist():
                change(out, name, source.read(name))

    def twice(out, name, data):
        out.writestr(name, data)
        if name.endswith('data.pkl'):
            with pytest.warns(UserWarning, match='Duplicate'):
                out.writestr(name, evil)

    pack(twice)
    with pytest.raises(errors, match='two files in it have one name'):
        read(path)
    pack(lambda out, name, data: out.writestr(
        name, bytes(50 << 20) if '/data/' in name else data),
        zipfile.ZIP_DEFLATED)
    with pytest.raises(errors, match='compressed'):
        read(path)
    pack(lambda out, name, data: out.writestr(
        name, data[:4] if '/data/' in name else data))
    with pytest.raises(errors, match=r'x\.pth'):
        read(path)  # more numbers than there are
    pack(lambda out, name, data: out.writestr(
        '../../ran' if name.endswith('/version') else name, data))
    tried(read, path, errors, mark)
    pack(lambda out, name, data: name.endswith('byteorder') or out.writestr(
        name, data))
    tried(read, path, errors, mark)
    with tarfile.open(path, 'w') as tar:
        for name in ('pickle', 'storages', 'tensors', '../ran'):
            entry = tarfile.TarInfo(name)
            entry.size = len(evil)
            tar.addfile(entry, io.BytesIO(evil))
    with pytest.raises(errors, match=r'x\.pth'):
        read(path)
    np.savez(path.with_suffix('.npz'), a=np.array([Reduce(
        os.system, f'touch {mark}')], object))
    os.replace(path.with_suffix('.npz'), path)
    with pytest.raises(errors, match=r'x\.pth'):
        read(path)
    assert not mark.exists() and not (tmp_path.parent / 'ran').exists()


def test_a_script_is_not_run(tmp_path):
    """Modules that refer to each other are walked through once."""

    class Ring(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

        def forward(self, x):
            return x * self.weight

    path = tmp_path / 'x.pt'
    torch.jit.script(Ring()).save(str(path))
    assert set(read_weights(path)) == {'weight'}
    with pytest.raises(CheckpointError, match=r'x\.pt'):
        read_checkpoint(path)
    with zipfile.ZipFile(path) as source:
        files = {name: source.read(name) for name in source.namelist()}
    # 2 ** 60 ways lead through these modules
    build = b'c__torch__\nM\n)\x81}(%sub'
    inner = build % (text('w') + b'N')
    for i in range(60):
        inner = (b'c__torch__\nM\n)\x81}(' + text('a')
                 + (inner + b'q%c' % i if not i else inner) + b'q%c' % i
                 + text('b') + b'h%c' % i + b'ub')
    with zipfile.ZipFile(path, 'w') as out:
        for name, data in files.items():
            out.writestr(name, b'\x80\x02' + inner + b'.' if name.endswith(
                'data.pkl') else data)
    with pytest.raises(ConversionError, match='no weights'):
        read_weights(path)


def test_arrays_that_hold_objects(tmp_path):
    mark, path = tmp_path / 'ran', tmp_path / 'x.npy'
    evil = np.array([Reduce(os.system, f'touch {mark}')], object)
    np.save(path, evil)
    with pytest.raises(StoreError, match=r'x\.npy'):
        read_released(path)
    np.savez(tmp_path / 'x.npz', evil)
    os.replace(tmp_path / 'x.npz', path)
    with pytest.raises(StoreError, match='no header of a'):
        read_released(path)
    np.save(path, np.zeros((2, 1, 3, 4), np.float32))
    data = path.read_bytes()
    path.write_bytes(data.replace(b'(2, 1, 3, 4)', b'(9**9,1,3,4)'))
    with pytest.raises(StoreError, match=r'x\.npy'):
        read_released(path)
    path.write_bytes(data.replace(b'(2, 1, 3, 4), }  ', b'(2**50, 1,3,4)}'))
    with pytest.raises(StoreError, match=r'x\.npy'):
        read_released(path)
    assert not mark.exists()


def test_yaml_runs_nothing(tmp_path):
    mark = tmp_path / 'ran'
    evil = tmp_path / 'x.yaml'
    evil.write_text(f'a: !!python/object/apply:os.system ["touch {mark}"]\n')
    (tmp_path / 'child.py').write_text("_base_ = ['grandchild.py']\n")
    (tmp_path / 'grandchild.py').write_text("_base_ = './x.yaml'\n")
    (tmp_path / 'x.json').write_text('{}')
    for name in ('x.yaml', 'child.py', 'x.json'):
        with pytest.raises(UnreadableConfigError, match=r'a \.py file'):
            read_config(tmp_path / name)
    with pytest.raises(Exception, match='could not determine'):
        Config.fromfile(evil)
    assert not mark.exists()
    # what mmengine writes it reads
    Config(dict(a=(1, 2), b=['c'])).dump(tmp_path / 'y.yaml')
    assert Config.fromfile(tmp_path / 'y.yaml').a == (1, 2)


def test_commands_name_python_for_configs_of_yaml(tmp_path):
    from hpnet_plugin.commands.names import find_config
    from hpnet_plugin.estimation.pose import build_pose_net
    for name in ('x.yaml', 'x.yml', 'x.JSON', 'x.json'):
        path = tmp_path / name
        path.write_text('{}')
        with pytest.raises(ValueError, match=r'\.py'):
            build_pose_net(str(path), taps=['a'])
        with pytest.raises(ValueError):
            find_config(str(path))


def net(nodes, weights=(), **more):
    from onnx import helper
    graph = helper.make_graph(
        nodes, 'g', [helper.make_tensor_value_info('x', 1, [4])],
        [helper.make_tensor_value_info('y', 1, [4])], list(weights), **more)
    return helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid('', 17)])


def linked(place, name='w', size=4):
    from onnx import TensorProto
    tensor = TensorProto(name=name, data_type=1, dims=[size],
                         data_location=TensorProto.EXTERNAL)
    for key, value in dict(location=place, offset='0',
                           length=str(4 * size)).items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_linked_weights_are_read_from_nowhere(tmp_path, monkeypatch):
    """Wherever in the graph they are; onnxruntime reads them from here."""
    from onnx import TensorProto, helper, numpy_helper
    monkeypatch.chdir(tmp_path)
    np.arange(4, dtype=np.float32).tofile('w.bin')
    add = helper.make_node('Add', ['x', 'w'], ['y'])
    plain = numpy_helper.from_array(np.ones(4, np.float32), 'w')
    check_onnx(net([add], [plain]).SerializeToString())

    def branch(tensor):
        return helper.make_graph(
            [helper.make_node('Constant', [], ['z'], value=tensor)], 'b', [],
            [helper.make_tensor_value_info('z', 1, [4])])

    for place in ('w.bin', './w.bin', str(tmp_path / 'w.bin'), '../w.bin',
                  '/etc/passwd', ''):
        tensor = linked(place)
        sparse = helper.make_sparse_tensor(
            tensor, numpy_helper.from_array(np.arange(4)), [4])
        inner = helper.make_node('If', ['c'], ['y'], then_branch=branch(
            tensor), else_branch=branch(plain))
        function = net([add])
        function.functions.append(helper.make_function(
            'mine', 'f', [], ['w'], [helper.make_node(
                'Constant', [], ['w'], value=tensor)],
            [helper.make_opsetid('', 17)]))
        training = net([add], [plain])
        training.training_info.add().algorithm.CopyFrom(branch(tensor))
        for model in (
                net([add], [tensor]), net([inner]), function, training,
                net([helper.make_node('Constant', [], ['w'], value=tensor),
                     add]),
                net([add], sparse_initializer=[sparse])):
            content = model.SerializeToString()
            with pytest.raises(ValueError, match='another file|sparse'):
                open_session(content, 'it')
    only = TensorProto(name='w', data_type=1, dims=[4])
    only.external_data.add(key='location', value='w.bin')
    with pytest.raises(GraphError, match='another file'):
        check_onnx(net([add], [only]).SerializeToString())


def test_tensors_that_claim_more_than_they_have():
    from onnx import TensorProto, helper, numpy_helper
    add = helper.make_node('Add', ['x', 'w'], ['y'])
    two = struct.pack('<2f', 1, 2)
    for dims, more in (
            ([10**6], dict(raw_data=two)), ([10**6], dict(float_data=[1, 2])),
            ([-1], dict(raw_data=two)), ([2**40, 2**40], dict(raw_data=two)),
            ([2], dict(raw_data=two, data_type=99)), ([3], {}),
            ([10**6], dict(data_type=7, int64_data=[1, 2])),
            ([10**6], dict(data_type=22, int32_data=[1, 2])),
            ([1], dict(raw_data=two))):
        tensor = TensorProto(**{**dict(name='w', data_type=1, dims=dims),
                                **more})
        content = net([add], [tensor]).SerializeToString()
        with pytest.raises(GraphError, match='a tensor'):
            check_onnx(content)
    for kind in ('f2', 'f4', 'f8', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8',
                 'u8', '?', 'c8', 'c16', 'U3'):
        for shape in ((3, 5), (), (0, 4)):
            array = np.zeros(shape, kind).astype(object if kind == 'U3'
                                                 else kind)
            check_onnx(net([add], [numpy_helper.from_array(
                array.astype(str).astype(object) if kind == 'U3' else array,
                'w')]).SerializeToString())
    check_onnx(net([add], [helper.make_tensor(
        'w', kind, [5], [1] * 5) for kind in (1, 6, 7, 10, 11, 16, 21, 22)]
    ).SerializeToString())


def test_damaged_graphs():
    for content, match in (
            (b'', 'no graph'), (b'\x08\x08', 'no graph'),
            (b'\x3a\xff\xff\xff\xff\x0f', 'does not end'),
            (b'\x3a' + b'\xff' * 20, 'does not end'), (b'\x3b', 'kind 3'),
            (b'\x3a\x02\x3a', 'does not end'), (b'\x00\x01', 'no graph'),
            (b'....ORTM' + bytes(100), 'damaged|no graph')):
        with pytest.raises(GraphError, match=match):
            check_onnx(content)
    # graphs in graphs: node, attribute, graph
    data = b''
    for _ in range(200):
        for tag in (b'\x32', b'\x2a', b'\x0a'):
            size, number = len(data), b''
            while size > 127:
                number += bytes([size & 127 | 128])
                size >>= 7
            data = tag + number + bytes([size]) + data
    size, number = len(data), b''
    while size > 127:
        number += bytes([size & 127 | 128])
        size >>= 7
    with pytest.raises(GraphError, match='nested'):
        check_onnx(b'\x3a' + number + bytes([size]) + data)


@pytest.fixture
def shared_model(models, tmp_path):
    """A model whose config was changed by somebody."""

    def change(edit):
        folder = tmp_path / 'model'
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(models('hp_j'), folder)
        content = json.loads((folder / 'hpnet.json').read_text())
        edit(content['config']['model'])
        (folder / 'hpnet.json').write_text(json.dumps(content))
        return from_pretrained(folder)

    return change


def test_a_shared_model_names_nothing_elsewhere(shared_model, tmp_path):
    path = tmp_path / 'w.pth'
    for text in ('https://example.org/w.pth', str(path), '../w.pth',
                 '~/w.pth', 's3://a/b', 'a/../../b', 'C:\\w'):
        with pytest.raises(UnregisteredError, match='no addresses'):
            refuse_unregistered(dict(model=dict(
                type='RecognizerGCN', backbone=[dict(x=text)])), 'it')
    with pytest.raises(UnregisteredError, match='has at most 1000'):
        refuse_unregistered(dict(model=dict(
            type='RecognizerGCN', backbone=dict(num_stages=1 << 63))), 'it')
    # its own weights replace these in any case
    shared_model(lambda model: model['backbone'].update(init_cfg=dict(
        type='Pretrained', checkpoint=str(path)))).build().init_weights()
    with pytest.raises(UnregisteredError, match='no registered class'):
        shared_model(lambda model: model['backbone'].update(
            act_cfg=dict(type='os.system'))).build()


def test_a_shared_model_reaches_no_network(shared_model):
    import socket

    from mmaction.registry import MODELS

    class Fetches(torch.nn.Module):
        def __init__(self, **kwargs):
            super().__init__()
            socket.create_connection(('127.0.0.1', 9))

    MODELS.register_module(module=Fetches, name='Fetches')
    try:
        trained = shared_model(lambda model: model.update(backbone=dict(
            type='Fetches')))
        with pytest.raises(UnregisteredError, match='the network'):
            trained.build()
    finally:
        MODELS.module_dict.pop('Fetches')
    with pytest.raises(UnregisteredError, match='x reaches'), offline('x'):
        socket.getaddrinfo('localhost', 80)
    socket.getaddrinfo('localhost', 80)


def test_members_of_a_fusion_are_below_it(models, tmp_path):
    from hpnet_plugin.apis.description import DescriptionError
    content = json.loads((models('hp_j') / 'hpnet.json').read_text())
    for path in ('..', '../other', '/etc', 'a/../../b', ''):
        (tmp_path / 'hpnet.json').write_text(json.dumps(dict(
            content, config={}, members=[dict(
                path=path, weight=1., scores='logit')])))
        with pytest.raises(DescriptionError, match='below this folder'):
            from_pretrained(tmp_path)


def test_downloads_are_read_as_weights_alone():
    import functools

    import mmengine.runner.checkpoint as reader
    assert isinstance(reader.load_url, functools.partial)
    assert reader.load_url.keywords == dict(weights_only=True)


def test_a_runner_goes_through_a_checkpoint_first(tmp_path, saved):
    path = tmp_path / 'x.pth'
    for zipped in (True, False):
        saved(path, next(bombs()), zipped)
        with pytest.raises(HarmfulError, match='nested'):
            check_checkpoint(path)
        saved(path, pickle.dumps(Reduce(bytearray, 2**40), 2), zipped)
        with pytest.raises(ValueError, match='bytearray'):
            check_checkpoint(path)

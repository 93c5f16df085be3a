"""Pickles that lie about what they hold: no crash, no foreign memory."""
import io
import os
import pathlib
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest
import torch

from hpnet_plugin.unpickling import (
    UnreadablePickleError,
    UnsafePickleError,
    unpickle,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]


def annotations():
    rng = np.random.default_rng(0)
    clips = [dict(frame_dir=f'c{i}', label=i, total_frames=4,
                  img_shape=(1080, 1920),
                  keypoint=rng.random((1, 4, 17, 2), np.float32),
                  keypoint_score=rng.random((1, 4, 17), np.float32))
             for i in range(3)]
    return dict(split=dict(train=['c0', 'c1']), annotations=clips)


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            same(one, other)
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b)
    else:
        assert a == b


@pytest.mark.parametrize('protocol', range(2, 6))
@pytest.mark.parametrize('core', ['core', '_core'])
def test_what_is_plain_is_read_as_pickle_reads_it(tmp_path, protocol, core):
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    content = [
        annotations(), array, array.T, array[:, :0], array.astype('>f4'),
        np.array(5), np.array(['a', 'bcd']), np.array([b'a', b'']),
        np.float32(2.5), np.int64(-3), np.bool_(True), np.str_('ab'),
        np.array([True, False]), np.array([1 + 2j]), b'a', None, 2.5,
        (1, (array, [array])), torch.arange(6).reshape(2, 3).t(),
        torch.tensor(2.), torch.zeros(0, 3), torch.ones(2).bfloat16()]
    data = pickle.dumps(content, protocol)
    if protocol < 4:  # names stand in lines; later they have a length
        data = data.replace(b'numpy.core', f'numpy.{core}'.encode())
    path = tmp_path / 'x.pkl'
    path.write_bytes(data)
    read = unpickle(path)
    same(read, content)
    assert read[17][1][0] is read[17][1][1][0] is read[1]
    assert read[1].flags.writeable and not hasattr(read[1], 'value')


def test_lists_that_hold_themselves(tmp_path):
    content = [np.arange(2)]
    content.append((content, {'a': content}))
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(content))
    read = unpickle(tmp_path / 'x.pkl')
    assert read[1][0] is read and read[1][1]['a'] is read
    assert type(read[0]) is np.ndarray
    deep = np.arange(2)
    for _ in range(5000):
        deep = (deep, )
    # the interpreter's own pickler is too recursive to write this
    data = pickle.dumps(np.arange(2), 2)[:-1] + b'\x85' * 5000 + b'.'
    (tmp_path / 'x.pkl').write_bytes(data)
    read = unpickle(tmp_path / 'x.pkl')
    for _ in range(5000):
        read, = read
    assert type(read) is np.ndarray


def dtype_state(*state):
    """A pickle of one float32 array whose type gets another state."""
    class Dtype:
        def __reduce__(self):
            return np.dtype, ('f4', False, True), state

    class Array:
        def __reduce__(self):
            return (*np.zeros(2, 'f4').__reduce__()[:2],
                    (1, (2, ), Dtype(), False, b'12345678'))

    return pickle.dumps([Array()], 2)


def hidden_object():
    """An array of records with an object that the type does not admit to:
    numpy follows the pointer in the file when it shows the array."""
    class Dtype:
        def __reduce__(self):
            return np.dtype, ('V8', False, True), (
                3, '|', None, ('a', ), {'a': (np.dtype('O'), 0)}, 8, 8, 0)

    class Array:
        def __reduce__(self):
            return (*np.zeros(2, 'f4').__reduce__()[:2],
                    (1, (1, ), Dtype(), False, b'\x10\x32\x54\x76' * 2))

    return pickle.dumps([Array()], 2)


@pytest.mark.parametrize('state', [
    # a record with a hidden object: numpy would follow a pointer in the file
    (3, '|', None, ('a', ), {'a': (np.dtype('O'), 0)}, 8, 8, 63),
    (3, '<', None, ('a', 'b'), {'a': (np.dtype('f4'), 0)}, 4, 1, 16),
    (3, '<', (np.dtype('f4'), (9, )), None, None, -1, -1, 0),
    (3, '<', None, None, None, 4000, 4, 0),
    (3, '<', None, None, None, -1, -1, 63),
    (3, '<', None, None, None, -1, -1), (3, ), 'text', None, (3, '<'),
])
def test_states_of_types(tmp_path, state):
    data = dtype_state(*state) if isinstance(state, tuple) else \
        dtype_state(state)
    (tmp_path / 'x.pkl').write_bytes(data)
    with pytest.raises(UnreadablePickleError, match='x.pkl: '):
        unpickle(tmp_path / 'x.pkl')


@pytest.mark.parametrize('content, found', [
    (np.array([{}], object), "'O8'"),
    (np.zeros(2, [('a', 'f4')]), "'V4'"),
    (np.zeros(2, 'M8[s]'), "'M8'"),
    (np.dtype('f4'), 'PlainDtype'),
    (np.ma.zeros(2), 'numpy.ma'),
])
def test_other_types_are_refused_by_name(tmp_path, content, found):
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps([content]))
    with pytest.raises(UnsafePickleError, match=f'x.pkl: refused.*{found}'):
        unpickle(tmp_path / 'x.pkl')


def array_of(shape, data, dtype='f4'):
    class Array:
        def __reduce__(self):
            return (*np.zeros(2, 'f4').__reduce__()[:2],
                    (1, shape, np.dtype(dtype), False, data))

    return Array()


def tensor_of(offset, size, stride):
    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (
                torch.zeros(2).storage(), offset, size, stride, False, {})

    return Tensor()


def built(state):
    """A good tensor, which is then told to be another."""
    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (
                torch.zeros(2).storage(), 0, (2, ), (1, ), False, {}), state

    return Tensor()


@pytest.mark.filterwarnings('ignore:TypedStorage')
@pytest.mark.parametrize('content', [
    array_of((2**33, 2**31), b''),  # 2**64 values are none in C
    array_of((3, ), b'12345678'), array_of((-2, -1), b'12345678'),
    array_of((2., ), b'12345678'), array_of([2], b'12345678'),
    array_of((2, ), [1, 2]), array_of((1, ) * 40, b'1234'),
    tensor_of(0, (10**6, ), (1, )), tensor_of(1, (2, ), (1, )),
    tensor_of(-1, (1, ), (1, )), tensor_of(0, (2, 2), (1, )),
    tensor_of(0, (2, ), (-1, )), tensor_of(0, (2, 2), (2**62, 2**62)),
    tensor_of(9, (0, ), (1, )), tensor_of(0, None, None),
    built((1, 2, 3)), torch.zeros(2).storage(),
], ids=range(17))
def test_lengths_that_do_not_fit(tmp_path, content):
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps([content], 2))
    with pytest.raises(UnreadablePickleError, match='x.pkl: '):
        unpickle(tmp_path / 'x.pkl')


@pytest.mark.parametrize('data', [
    b'', b'text', b'\x80\x05', pickle.dumps([1])[:-1], b'\x80\x02}]1s.',
    b'\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb.',
])
def test_no_pickle(tmp_path, data):
    (tmp_path / 'x.pkl').write_bytes(data)
    with pytest.raises(UnreadablePickleError, match='x.pkl: '):
        unpickle(tmp_path / 'x.pkl')


PROGRAM = """
import pickle, resource, sys
import numpy as np
{imports}
# a length of some GB is refused here rather than by the whole machine
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, -1))
rng = np.random.default_rng(0)
read = refused = 0
files = pickle.load(open(sys.argv[1], 'rb'))


def touch(content):
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, (list, tuple)):
        return [touch(item) for item in content]
    return getattr(content, 'tolist', int)()


for data, starts, i in [
        (data, starts, i) for data, starts in files
        for i in range(len(starts) + {rounds})]:
    changed = bytearray(data)
    if i < len(starts):  # each opcode gone
        del changed[starts[i]:(starts + [len(data)])[i + 1]]
    else:
        for _ in range(rng.integers(1, 4)):
            at = rng.integers(len(changed))
            match rng.integers(3):
                case 0: changed[at] = rng.integers(256)
                case 1: del changed[at:at + rng.integers(1, 9)]
                case 2: changed[at:at] = changed[at - 5:at]
    open(sys.argv[1], 'wb').write(changed)
    try:
        content = {load}
        read += 1
    except {errors}:
        refused += 1
        continue
    try:
        touch(content)
    except (TypeError, ValueError, AttributeError, OverflowError,
            SystemError):
        pass
print(read, refused)
"""


def attack(tmp_path, files, rounds, **parts):
    """Read thousands of changed files in a process that may crash."""
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(files))
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM.format(rounds=rounds, **parts),
         str(tmp_path / 'x.pkl')], capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    count = sum(len(starts) + rounds for _, starts in files)
    assert read + refused == count and refused > count // 4


def test_changed_annotations_crash_nothing(tmp_path):
    """Every opcode deleted once (one of these used to be a segmentation
    fault), then random bytes; only the documented error comes out."""
    content = [annotations(), torch.arange(3.), np.float32(1)]
    files = [pickle.dumps(content, protocol) for protocol in (2, 4, 5)]
    attack(tmp_path, [(data, [at for _, _, at in pickletools.genops(data)])
                      for data in files], 250,
           imports=f"""
import types
package = types.ModuleType('hpnet_plugin')  # the rest takes long
package.__path__ = [{str(ROOT / 'hpnet_plugin')!r}]
sys.modules['hpnet_plugin'] = package
from hpnet_plugin.unpickling import *
""",
           load='unpickle(sys.argv[1])', errors='UnreadablePickleError')


CHECKPOINTS = """
import io, torch
from mmengine.logging import HistoryBuffer
import types
package = types.ModuleType('hpnet_plugin')
package.__path__ = [{path!r}]
sys.modules['hpnet_plugin'] = package
compat = types.ModuleType('hpnet_plugin.compat')
compat.__path__ = [{path!r} + '/compat']
sys.modules['hpnet_plugin.compat'] = compat
from hpnet_plugin.compat.checkpoint_contents import contents
torch.serialization.add_safe_globals(contents())
""".format(path=str(ROOT / 'hpnet_plugin'))


def test_changed_checkpoints_crash_nothing(tmp_path):
    """The same through torch's reader with the list of compat."""
    content = dict(state_dict={}, log=np.arange(4.), number=np.float64(2))
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    attack(tmp_path, [(data, list(range(0, len(data) - 1, 3)))], 1500,
           imports=CHECKPOINTS, errors='Exception',
           load='torch.load(sys.argv[1], weights_only=True)')


def test_a_hidden_object_in_a_checkpoint(tmp_path):
    """A type with a hidden object field made numpy follow a pointer."""
    data = hidden_object()
    program = f"""
import sys
{CHECKPOINTS}
magic = io.BytesIO()
torch.save([1], magic, _use_new_zipfile_serialization=False)
whole = magic.getvalue()
start = whole.index(b'\\x80\\x02]')
end = whole.index(b'.', start) + 1
try:
    print(torch.load(io.BytesIO(whole[:start] + {data!r} + whole[end:]),
                     weights_only=True))
except Exception as error:
    print('refused', error)
"""
    done = subprocess.run([sys.executable, '-c', program],
                          capture_output=True, text=True,
                          env=dict(os.environ,
                                   PYTHONPATH=os.pathsep.join(sys.path)))
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'refused' in done.stdout and "'V8'" in done.stdout


def test_a_hidden_object_in_annotations(tmp_path):
    (tmp_path / 'x.pkl').write_bytes(hidden_object())
    program = f"""
import sys, types
package = types.ModuleType('hpnet_plugin')
package.__path__ = [{str(ROOT / 'hpnet_plugin')!r}]
sys.modules['hpnet_plugin'] = package
from hpnet_plugin.unpickling import unpickle
try:
    print(repr(unpickle(sys.argv[1])))
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, '-c', program, str(tmp_path / 'x.pkl')],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'refused' in done.stdout and "'V8'" in done.stdout

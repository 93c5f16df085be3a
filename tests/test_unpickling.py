"""Pickles that lie about what they hold: no crash, no foreign memory."""
import contextlib
import io
import json
import pickle
import pickletools
import resource

import numpy as np
import pytest
import torch
from forked import forked

from hpnet_plugin.compat.checkpoint_contents import contents
from hpnet_plugin.unpickling import (
    UnreadablePickleError,
    UnsafePickleError,
    unpickle,
)


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


def alone(work):
    """What a function finds in a process of its own, which may crash."""
    def program():
        # some GB are refused here rather than by the whole machine
        resource.setrlimit(resource.RLIMIT_AS, (
            16 << 30, resource.RLIM_INFINITY))
        print(json.dumps(work()))

    status, printed = forked(program)
    assert status == 0, printed[-2000:]
    return json.loads(printed.splitlines()[-1])


def touch(content):
    """Look at every value."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, (list, tuple)):
        return [touch(item) for item in content]
    return getattr(content, 'tolist', int)()


def changes(files, rounds):
    """Each file without each of its parts, then with random bytes."""
    rng = np.random.default_rng(0)
    for data, starts in files:
        for start, end in zip(starts, [*starts[1:], len(data)]):
            yield data[:start] + data[end:]
        for _ in range(rounds):
            changed = bytearray(data)
            for _ in range(rng.integers(1, 4)):
                at = rng.integers(len(changed))
                match rng.integers(3):
                    case 0:
                        changed[at] = rng.integers(256)
                    case 1:
                        del changed[at:at + rng.integers(1, 9)]
                    case 2:
                        changed[at:at] = changed[at - 5:at]
            yield bytes(changed)


def attack(path, files, rounds, load, errors):
    """Read thousands of changed files in a process that may crash."""
    def work():
        read = refused = 0
        for changed in changes(files, rounds):
            path.write_bytes(changed)
            try:
                content = load(path)
            except errors:
                refused += 1
                continue
            read += 1
            with contextlib.suppress(TypeError, ValueError, AttributeError,
                                     OverflowError, SystemError):
                touch(content)
        return read, refused

    read, refused = alone(work)
    count = sum(len(starts) + rounds for _, starts in files)
    assert read + refused == count and refused > count // 4


def test_changed_annotations_crash_nothing(tmp_path):
    """Every opcode deleted once (one of these used to be a segmentation
    fault), then random bytes; only the documented error comes out."""
    content = [annotations(), torch.arange(3.), np.float32(1)]
    files = [pickle.dumps(content, protocol) for protocol in (2, 4, 5)]
    attack(tmp_path / 'x.pkl',
           [(data, [at for _, _, at in pickletools.genops(data)])
            for data in files], 250, unpickle, UnreadablePickleError)


def load_checkpoint(file):
    """By torch's reader with the list of compat."""
    with torch.serialization.safe_globals(contents()):
        return torch.load(file, weights_only=True)


def test_changed_checkpoints_crash_nothing(tmp_path):
    content = dict(state_dict={}, log=np.arange(4.), number=np.float64(2))
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    attack(tmp_path / 'x.pth', [(data, list(range(0, len(data) - 1, 3)))],
           1500, load_checkpoint, Exception)


def test_a_hidden_object_in_a_checkpoint():
    """A type with a hidden object field made numpy follow a pointer."""
    magic = io.BytesIO()
    torch.save([1], magic, _use_new_zipfile_serialization=False)
    whole = magic.getvalue()
    start = whole.index(b'\x80\x02]')
    end = whole.index(b'.', start) + 1

    def work():
        try:
            return repr(load_checkpoint(io.BytesIO(
                whole[:start] + hidden_object() + whole[end:])))
        except Exception as error:
            return f'refused {error}'

    said = alone(work)
    assert 'refused' in said and "'V8'" in said


def test_a_hidden_object_in_annotations(tmp_path):
    (tmp_path / 'x.pkl').write_bytes(hidden_object())

    def work():
        try:
            return repr(unpickle(tmp_path / 'x.pkl'))
        except ValueError as error:
            return str(error)

    said = alone(work)
    assert 'refused' in said and "'V8'" in said

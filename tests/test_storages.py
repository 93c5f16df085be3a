"""Storages that torch has saved: read as torch reads them, or left to it."""
import io
import pickle

import numpy as np
import pytest
import torch

from hpnet_plugin.storages import (
    StorageError,
    Storages,
    read_alike,
    saved,
)
from hpnet_plugin.unpickling import unpickle

TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16,
         torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
         torch.bool, torch.complex64, torch.complex128]


def stock(tensor):
    buffer = io.BytesIO()
    torch.save(tensor._typed_storage(), buffer,
               _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize('dtype', TYPES, ids=str)
@pytest.mark.parametrize('count', [0, 1, 300])
def test_types_and_lengths(dtype, count):
    tensor = (torch.linspace(-3, 3, count) * 40).to(dtype)
    read, content = Storages(), stock(tensor)
    assert read.look(content) is not None  # not left to torch
    for storage in (read(content), read(content)):  # parsed, and compared
        again = storage.tensor(0, (count, ), (1, ))
        assert again.dtype == dtype and torch.equal(again, tensor)
        wide = tensor.float() if dtype is torch.bfloat16 else tensor
        array = storage.array(0, (count, ), (1, ))
        assert array.dtype == wide.numpy().dtype
        np.testing.assert_array_equal(array, wide.numpy())


def test_views_of_a_larger_storage(tmp_path):
    whole = torch.arange(60.).reshape(3, 4, 5)
    views = [whole, whole[1], whole[1, 2], whole[:, 1:3, ::2], whole[1].t(),
             whole[2, 3, 4], whole[:, :0], whole[0, 0].expand(2, 5)]
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(views, 2))
    for view, tensor, array in zip(views, unpickle(tmp_path / 'x.pkl'),
                                   unpickle(tmp_path / 'x.pkl', arrays=True)):
        assert torch.equal(view, tensor)
        assert array.shape == view.shape and not array.flags.writeable \
            or not array.size
        np.testing.assert_array_equal(array, view.numpy())


def test_tensors_of_one_storage_share_their_memory():
    storage = Storages()(stock(torch.zeros(4)))
    storage.tensor(1, (2, ), (1, ))[0] = 5
    assert storage.tensor(0, (4, ), (1, )).tolist() == [0, 5, 0, 0]


@pytest.mark.parametrize('offset, size, stride', [
    (0, (5, ), (1, )), (1, (4, ), (1, )), (0, (2, 2), (3, 1)),
    (5, (0, ), (1, )),
    (0, (2**40, 2**40), (0, 0)), (0, (1, ) * 40, (1, ) * 40)])
def test_tensors_that_do_not_fit(offset, size, stride):
    storage = Storages()(stock(torch.zeros(4)))
    for build in (storage.array, storage.tensor):
        with pytest.raises(StorageError):
            build(offset, size, stride)


def test_what_is_saved_is_read_by_torch():
    for array in (np.arange(3), np.ones(120, 'f4'), np.zeros(70_000, 'f2'),
                  np.zeros(0)):
        storage = torch.load(io.BytesIO(saved(array)), weights_only=True)
        assert storage.tolist() == array.tolist()
        assert Storages().look(saved(array)) is not None


def test_changed_bytes_are_read_as_torch_reads_them():
    """What is not left to torch, torch reads as well, and alike."""
    rng, own = np.random.default_rng(0), 0
    contents = [stock(torch.arange(n).to(dtype)) for n in (1, 12, 400)
                for dtype in (torch.int64, torch.float32)]
    read = Storages()
    for content in contents:
        read(content)
    for turn in range(1000):
        changed = bytearray(contents[turn % len(contents)])
        at = rng.integers(len(changed))
        match rng.integers(3):
            case 0:
                changed[at] = rng.integers(256)
            case 1:
                del changed[at:at + rng.integers(1, 9)]
            case 2:
                changed[at:at] = changed[at - 5:at]
        look = read.look(bytes(changed))
        if look is not None:
            own += 1
            ours = read(bytes(changed)).array(0, (look.count, ), (1, ))
            theirs = torch.load(io.BytesIO(changed), weights_only=True)
            assert ours.tobytes() == np.array(
                theirs.tolist(), ours.dtype).tobytes() or np.isnan(ours).any()
    assert own > 50


def test_many_at_once():
    tensors = torch.randn(5, 7).bfloat16()
    contents = [stock(row.clone()) for row in tensors]
    np.testing.assert_array_equal(read_alike(contents), tensors.float())
    at = contents[0].index(b'cpu')
    for changed in (contents[3][:at] + b'gpu' + contents[3][at + 3:],
                    stock(torch.zeros(7, dtype=torch.float16)).ljust(
                        len(contents[0]))[:len(contents[0])]):
        with pytest.raises(StorageError, match='alike'):
            read_alike([*contents[:3], changed])
    with pytest.raises(StorageError, match='as torch saves it'):
        read_alike([b'text'])


def test_a_key_that_does_not_come_again():
    content = bytearray(stock(torch.zeros(3)))
    at = content.rindex(b'q\x01a.') - 1
    content[at] = ord('0') + (content[at] + 1) % 10
    read = Storages()
    assert read.look(bytes(content)) is None
    read(stock(torch.zeros(3)))  # known now
    assert read.look(bytes(content)) is None

"""Resampling against its definition, written plainly, bit by bit."""
import time

import numpy as np
import pytest
import torch

from hpnet_plugin.resampling import linear_weights, resize


def plainly(array, length):
    """The definition in numpy alone, as it was before it was made fast."""
    earlier, later, weight = linear_weights(array.shape[1], length)
    weight = weight.reshape((-1, ) + (1, ) * (array.ndim - 2))
    before = array[:, earlier].astype(np.float32)
    after = array[:, later].astype(np.float32)
    joints = tuple(range(2, array.ndim))
    edge = before.any(joints, keepdims=True) != after.any(
        joints, keepdims=True)
    weight = np.where(edge, np.rint(weight), weight)
    return (before + (after - before) * weight).astype(array.dtype)


def clip(people, frames, joints=17, channels=5, dtype=np.float16):
    """People who come and go, with zeros of both signs and subnormals."""
    rng = np.random.RandomState(frames)
    x = rng.uniform(-9, 9, (people, frames, joints, channels))
    x[rng.rand(people, frames) < .3] = 0
    x[rng.rand(*x.shape) < .1] *= 1e-7
    absent = rng.rand(people, frames) < .1
    x[absent] = -0.
    x[0, frames // 2, :-1] = 0  # of one joint alone is seen something
    return x.astype(dtype)


@pytest.mark.parametrize('frames', [1, 2, 63, 65, 103, 300])
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_same_bits(frames, dtype):
    for x in (clip(2, frames, dtype=dtype), clip(1, frames, 3, 1, dtype),
              clip(2, frames, dtype=dtype)[..., 0],
              clip(2, frames, dtype=dtype).transpose(0, 1, 3, 2)):
        out = resize(x, 64)
        assert out.dtype == dtype and out.flags.c_contiguous
        assert out.tobytes() == plainly(x, 64).tobytes()


def test_special_values():
    x = clip(1, 90)
    x[0, 10:20] = np.inf
    x[0, 30:40] = np.nan
    with np.errstate(invalid='ignore'):
        np.testing.assert_array_equal(resize(x, 64), plainly(x, 64))


def test_that_length_already():
    """Nothing is computed, nothing copied."""
    x = clip(2, 64)
    x.flags.writeable = False
    assert resize(x, 64) is x
    assert (plainly(x, 64) == x).all()


@pytest.mark.parametrize('frames', [5, 64, 65, 130, 300, 5000])
@pytest.mark.parametrize('length', [1, 64])
def test_sparse_is_whole(frames, length):
    """Only frames with weight, and the same bits; more of them do no harm."""
    x = clip(2, frames, 4)
    earlier, later, _ = linear_weights(frames, length)
    needed = np.unique([earlier, later])
    assert len(needed) <= 2 * length
    expected = resize(x, length).tobytes()
    for numbers in (needed, np.union1d(needed, np.arange(0, frames, 7))):
        out = resize(x[:, numbers], length, numbers, frames)
        assert out.tobytes() == expected


def test_sparse_of_wrong_frames():
    x = clip(1, 300)
    earlier, later, _ = linear_weights(300, 64)
    needed = np.unique([earlier, later])
    for gone in (0, 40, len(needed) - 1):
        numbers = np.delete(needed, gone)
        with pytest.raises(ValueError, match=f'frame {needed[gone]} has a '
                           f'weight.*{len(numbers)} frames'):
            resize(x[:, numbers], 64, numbers, 300)
    with pytest.raises(ValueError, match='2 frame numbers.*300 frames'):
        resize(x, 64, [0, 1], 300)
    with pytest.raises(ValueError, match='without frames'):
        resize(x[:, :0], 64)
    with pytest.raises(ValueError, match='without frames'):
        resize(x[:, :0], 64, [], 0)
    # as many frames as are wanted, but of a longer clip
    numbers = np.arange(64)
    with pytest.raises(ValueError, match='has a weight'):
        resize(x[:, numbers], 64, numbers, 300)


def test_faster_than_plainly():
    """4.5 times here, with numpy's own casts of halves 1.0 times."""
    x = clip(2, 300, 17, 96)

    def seconds(function):
        start = time.process_time()
        for _ in range(5):
            function(x, 64)
        return time.process_time() - start

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        resize(x, 64)
        slow, fast = (min(seconds(function) for _ in range(5))
                      for function in (plainly, resize))
    finally:
        torch.set_num_threads(threads)
    assert slow > 2 * fast

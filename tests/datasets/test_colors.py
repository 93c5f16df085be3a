"""Colours: those of torchvision, with torchvision's draws."""
import numpy as np
import pytest
import torch
import torchvision.transforms.functional as tv
from mmaction.registry import TRANSFORMS
from mmengine.registry import DefaultScope

import hpnet_plugin  # noqa: F401
from hpnet_plugin.datasets.transforms import (
    ClipColorJitter,
    ClipGrayscale,
    EachImage,
    colors,
)

JITTER = dict(brightness=.4, contrast=.4, saturation=.2, hue=.1)
STOCK = dict(type='TorchVisionWrapper')


@pytest.fixture(scope='module')
def images():
    """Noise of every colour, and smooth colours with edges and grey parts."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 48, 3), np.uint8)
    y, x = np.mgrid[:64, :48]
    smooth = np.stack((4 * y, 5 * x, 255 - 2 * x - 2 * y), -1).clip(0, 255)
    smooth[:16] = smooth[:16, :, :1]
    smooth[-9:] = [[[0, 0, 0]] * 16 + [[255, 255, 255]] * 16
                   + [[255, 0, 0]] * 16]
    dark = noise // 16
    return [noise, smooth.astype(np.uint8), dark]


def torchvision(function, image, *factor):
    tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())
    return function(tensor, *factor).numpy().transpose(1, 2, 0)


def draw(transform, images, seed):
    """Images after a transform, and what is drawn next."""
    torch.manual_seed(seed)
    found = transform(dict(imgs=images, frame_dir='a'))['imgs']
    return np.stack(found), torch.rand(1).item()


@pytest.mark.parametrize('name, factors, share', [
    ('brightness', (0, .6, .83, 1, 1.37, 2), 0),
    ('contrast', (0, .6, .83, 1, 1.37, 2), 1e-3),
    ('saturation', (0, .8, .93, 1, 1.17, 2), .08),
    ('hue', (-.5, -.1, -.02, 0, .03, .1, .5), 2e-3)])
def test_each_step(images, name, factors, share):
    """A level at most, where torchvision's float32 is at an edge."""
    for factor in factors:
        for image in images:
            kept = image.copy()
            found = getattr(colors, f'adjust_{name}')(image, factor)
            assert found.dtype == np.uint8 and found.flags.c_contiguous
            wanted = torchvision(getattr(tv, f'adjust_{name}'), image, factor)
            off = np.abs(found.astype(int) - wanted)
            assert off.max() <= 1, (factor, off.max())
            assert (off > 0).mean() <= share, (factor, (off > 0).mean())
            np.testing.assert_array_equal(image, kept)


def test_grey(images):
    for image in images:
        wanted = torchvision(tv.rgb_to_grayscale, image)[..., 0]
        np.testing.assert_array_equal(colors.grey(image), wanted)


def test_a_seed_gives_the_same_clip_as_torchvision(images):
    """The same factors in the same order, and as many draws."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        stock = TRANSFORMS.build(dict(STOCK, op='ColorJitter', **JITTER))
        ours = TRANSFORMS.build(dict(type='ClipColorJitter', **JITTER))
    for seed in range(24):
        # edges of uint8 are passed on, and some steps stretch colours
        (found, then), (wanted, there) = (
            draw(one, images[:1], seed) for one in (ours, stock))
        assert then == there
        off = np.abs(found.astype(int) - wanted)
        assert (off > 0).mean() < .02 and (off > 2).mean() < 5e-4, seed


def test_grey_as_often_as_torchvision(images):
    with DefaultScope.overwrite_default_scope('mmaction'):
        stock = TRANSFORMS.build(dict(STOCK, op='RandomGrayscale', p=.3))
    ours, changed = ClipGrayscale(.3), 0
    for seed in range(30):
        (found, then), (wanted, there) = (
            draw(one, images, seed) for one in (ours, stock))
        np.testing.assert_array_equal(found, wanted)
        assert then == there
        changed += bool((found != images).any())
    assert 3 < changed < 16


def test_one_draw_a_clip_or_an_image(images):
    clip, jitter = images[:1] * 4, ClipColorJitter(**JITTER)
    torch.manual_seed(0)
    together = jitter(dict(imgs=clip))['imgs']
    apart = EachImage([jitter])(dict(imgs=clip))['imgs']
    assert len({image.tobytes() for image in together}) == 1
    assert len({image.tobytes() for image in apart}) == 4


def test_what_is_left_out_is_kept(images):
    (found, then), (kept, there) = (
        draw(one, images, 3) for one in (
            ClipColorJitter(hue=(.25, .25)),
            TRANSFORMS.get('TorchVisionWrapper')('ColorJitter',
                                                 hue=(.25, .25))))
    assert then == there
    np.testing.assert_allclose(found, kept, atol=1)
    np.testing.assert_array_equal(
        draw(ClipColorJitter(), images, 3)[0], images)


def test_ranges(images):
    assert repr(ClipColorJitter(.4, hue=(0, .1))) == (
        'ClipColorJitter(brightness=(0.6, 1.4), contrast=None, '
        'saturation=None, hue=(0.0, 0.1))')
    assert repr(ClipGrayscale(.2)) == 'ClipGrayscale(p=0.2)'
    with pytest.raises(ValueError, match='hue'):
        ClipColorJitter(hue=.6)
    for transform in (ClipColorJitter(.4), ClipGrayscale(1)):
        with pytest.raises(ValueError, match='clip a: its images are float32'):
            transform(dict(imgs=[images[0].astype(np.float32)],
                           frame_dir='a'))

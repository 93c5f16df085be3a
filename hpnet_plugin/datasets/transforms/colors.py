"""Colours of images: torchvision's jitter, for video clips on a CPU.

torchvision draws what is random; the images go through OpenCV, which takes
a twentieth of the time. Colours are those that torchvision gives uint8
tensors: each step cuts the fraction off, as there.
"""
from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from .clip import clip_title

GREY = np.array([[0.2989, 0.587, 0.114]])  # torchvision's, of red to blue
# OpenCV rounds to the nearest number; with this it cuts the fraction off
CUT = -0.4999
# in [0, 1] torchvision makes 256 equal steps of it
STEPS = 255.999 / 255


def grey(image: np.ndarray) -> np.ndarray:
    """Greyscale as torchvision computes it.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        (H, W) uint8.
    """
    return cv2.transform(image.astype(np.float32), GREY).astype(np.uint8)


def adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend with black.

    Args:
        image: (H, W, 3) uint8, RGB.
        factor: 1 changes nothing, 0 gives black.

    Returns:
        The same shape and type.
    """
    return cv2.addWeighted(image, factor, image, 0, CUT)


def adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the image's mean grey.

    Args:
        image: (H, W, 3) uint8, RGB.
        factor: 1 changes nothing, 0 gives grey.

    Returns:
        The same shape and type.
    """
    mean = cv2.mean(grey(image))[0]
    return cv2.addWeighted(image, factor, image, 0, (1 - factor) * mean + CUT)


def adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the greyscale image.

    Args:
        image: (H, W, 3) uint8, RGB.
        factor: 1 changes nothing, 0 gives greyscale.

    Returns:
        The same shape and type.
    """
    plain = cv2.cvtColor(grey(image), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, plain, 1 - factor, CUT)


def adjust_hue(image: np.ndarray, factor: float) -> np.ndarray:
    """Turn all hues.

    Args:
        image: (H, W, 3) uint8, RGB.
        factor: Part of a full turn, from -0.5 to 0.5.

    Returns:
        The same shape and type.
    """
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    # degrees; the way back knows those beyond 360, but none below 0
    hsv[..., 0] += 360 * (factor % 1)
    turned = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=hsv)
    return cv2.convertScaleAbs(turned, alpha=STEPS, beta=CUT)


# in torchvision's order, by which it names the steps that it has shuffled
STEPS_OF_JITTER = (adjust_brightness, adjust_contrast, adjust_saturation,
                   adjust_hue)


@TRANSFORMS.register_module()
class ClipColorJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue of a clip at random.

    The same as ``dict(type='TorchVisionWrapper', op='ColorJitter', ...)``:
    one draw for all images of a clip, by torchvision itself, so that a seed
    gives the same factors in the same order. Within
    :class:`~hpnet_plugin.datasets.transforms.EachImage` it draws for each
    image.

    Required Keys:

        - imgs (list of (H, W, 3) uint8, RGB)

    Modified Keys:

        - imgs

    Args:
        brightness: Factors are drawn from [1 - brightness, 1 + brightness],
            or from the two numbers that are given. Defaults to 0.
        contrast: Likewise.
        saturation: Likewise.
        hue: Turns are drawn from [-hue, hue], or between the two numbers that
            are given, all within -0.5 and 0.5. Defaults to 0.

    Raises:
        TypeError: If a range is neither a number nor two.
        ValueError: If one is negative, or a hue beyond 0.5.
    """

    def __init__(self,
                 brightness: float | tuple[float, float] = 0,
                 contrast: float | tuple[float, float] = 0,
                 saturation: float | tuple[float, float] = 0,
                 hue: float | tuple[float, float] = 0) -> None:
        from torchvision.transforms import ColorJitter
        # it checks the ranges and draws
        self._jitter = jitter = ColorJitter(
            brightness, contrast, saturation, hue)
        self._ranges: Any = (jitter.brightness, jitter.contrast,
                             jitter.saturation, jitter.hue)

    def transform(self, results: dict) -> dict:
        """Change the colours of all images alike.

        Raises:
            ValueError: If they are not uint8.
        """
        order, *factors = self._jitter.get_params(*self._ranges)
        steps = [partial(STEPS_OF_JITTER[i], factor=factors[i])
                 for i in order if factors[i] is not None]
        return _each(results, *steps)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}{str(self._jitter)[11:]}'


@TRANSFORMS.register_module()
class ClipGrayscale(BaseTransform):
    """Make a clip grey at random.

    The same as ``dict(type='TorchVisionWrapper', op='RandomGrayscale', ...)``.

    Required Keys:

        - imgs (list of (H, W, 3) uint8, RGB)

    Modified Keys:

        - imgs

    Args:
        p: How often. Defaults to 0.1.
    """

    def __init__(self, p: float = 0.1) -> None:
        self.p = p

    def transform(self, results: dict) -> dict:
        """Make all images grey, or none.

        Raises:
            ValueError: If they are not uint8.
        """
        import torch
        if torch.rand(1) >= self.p:
            return results
        return _each(results, grey, partial(
            cv2.cvtColor, code=cv2.COLOR_GRAY2RGB))

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(p={self.p})'


def _each(results: dict, *steps: Any) -> dict:
    """Put each image through the steps."""
    imgs = []
    for image in results['imgs']:
        if image.dtype != np.uint8:
            raise ValueError(
                f'{clip_title(results)}: its images are {image.dtype}; '
                'colours are changed of uint8 images, before they are '
                'normalised')
        for step in steps:
            image = step(image)
        imgs.append(image)
    results['imgs'] = imgs
    return results

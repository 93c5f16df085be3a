"""What a model reads of a clip: the test pipeline of its config, in numpy.

The arrays are those of the pipeline to the bit. Nothing here needs torch or
mmaction; OpenCV is imported where crops have to be scaled.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..graph import bone_pairs, mirror_pairs
from ..persons import centre_features, fill_people, normalize_pose
from ..resampling import middle_frames
from ..streams import stream
from ..views import clip_views, mirrored

KINDS = ('graph', 'hpnet')
# names of a model's inputs
FEATURES, IMAGES = 'features', 'imgs'


class ClipInput(NamedTuple):
    """What a model is given of a window or clip: M people, T frames.

    Attributes:
        arrays: ``keypoint`` (M, T, V, 2) float32 in pixels of the frame,
            ``keypoint_score`` (M, T, V) float32, 0 where a person is absent,
            and each feature by its name, (M, T, V, C) float16: the arrays
            that ``hpnet extract`` stores.
        shape: Height and width of the frames.
        crops: Person-centred images, for models that see them: an object
            with ``frames``, the number T of its frames, and
            ``read(indices)``, which gives (H, W, 3) uint8 RGB images in the
            order asked (:class:`hpnet_plugin.datasets.crops.Crops` is one).
            None where no model asks for them.
        name: For messages.
    """
    arrays: dict[str, np.ndarray]
    shape: tuple[int, int]
    crops: Any = None
    name: str = ''


class InputError(ValueError):
    """A clip lacks what a model reads; the message names both."""


def input_needs(spec: Mapping[str, Any]) -> frozenset[str]:
    """What a model reads of a clip.

    Args:
        spec: ``input`` of a :class:`ModelDescription`.

    Returns:
        Some of ``'features'``, ``'keypoint'`` and ``'crops'``.
    """
    key = 'keypoint' if spec['key'] == 'keypoint' else 'features'
    return frozenset({key, 'crops'} if spec['kind'] == 'hpnet' else {key})


def model_inputs(clips: Sequence[ClipInput],
                 spec: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The inputs of a model for a batch of N clips.

    Args:
        clips: One or more.
        spec: ``input`` of a :class:`ModelDescription`.

    Returns:
        ``'features'`` (N * views, M, T, V, C) float32, pooled features or
        joints of the people and frames that the model was trained with; the
        views of a clip follow each other (:func:`views_of`). For HP-Net also
        ``'imgs'`` (N, frames, 3, side, side) float32, normalised RGB.

    Raises:
        InputError: If a clip lacks a feature, or crops, or has nobody.
        ValueError: If the description is of another kind of model.
    """
    if spec['kind'] not in KINDS:
        raise ValueError(f'the model reads a {spec["kind"]!r}; known are '
                         f'{KINDS}')
    inputs = {FEATURES: np.concatenate(
        [_features(clip, spec) for clip in clips])}
    if spec['kind'] == 'hpnet':
        inputs[IMAGES] = np.stack([_images(clip, spec) for clip in clips])
    return inputs


def views_of(spec: Mapping[str, Any]) -> int:
    """Views of a clip that a model scores.

    Args:
        spec: ``input`` of a :class:`ModelDescription`.

    Returns:
        How many; the mean of their scores is the clip's.
    """
    return spec.get('views', 1) * (1 + spec.get('mirror', False))


def _features(clip: ClipInput, spec: Mapping[str, Any]) -> np.ndarray:
    """(views, M, T, V, C) float32 of the model's people and frames."""
    array = _loaded(clip, spec)
    if not len(array) or not array.shape[1]:
        raise InputError(
            f'{clip.name or "a clip"}: (people, frames) are '
            f'{array.shape[:2]}; a model needs one of each at least')
    parts = [_viewed(array, clip, spec, spec['key'] == 'keypoint',
                     spec['kind'] == 'graph')]
    if spec.get('pose'):
        joints = normalize_pose(clip.arrays['keypoint'])[0]
        score = clip.arrays['keypoint_score'][..., None]
        parts += [_viewed(joints, clip, spec, True),
                  _viewed(score, clip, spec, False, False)]
    array = np.concatenate([part.astype(array.dtype) for part in parts], -1) \
        if len(parts) > 1 else parts[0]
    array = fill_people(array, spec['people']).astype(np.float32)
    people, _, joints, channels = array.shape
    return np.ascontiguousarray(array.reshape(
        people, views_of(spec), -1, joints, channels).swapaxes(0, 1))


def _viewed(array: np.ndarray, clip: ClipInput, spec: Mapping[str, Any],
            coordinates: bool, moves: bool = True) -> np.ndarray:
    """(M, views * T, V, C): views one after the other, of the stream."""
    array = clip_views(
        array, spec['frames'], spec.get('views', 1), spec.get('share', .75),
        spec.get('sampling', 'resize'))
    if spec.get('mirror'):
        width = None if spec['normalize'] else clip.shape[1]
        array = np.concatenate([array, mirrored(
            array, mirror_pairs(), width, coordinates)], 1)
    if not moves:
        return array
    apart = array.reshape(
        len(array), views_of(spec), -1, *array.shape[2:])
    return stream(apart, spec['stream'],
                  bone_pairs(spec['layout'])).reshape(array.shape)


def _loaded(clip: ClipInput, spec: Mapping[str, Any]) -> np.ndarray:
    """Joints, or the taps side by side, as they are stored."""
    keys = ['keypoint'] if spec['key'] == 'keypoint' else spec['taps']
    lacking = [key for key in keys if key not in clip.arrays]
    if lacking or not keys:
        raise InputError(
            f'{clip.name or "a clip"} has {sorted(clip.arrays)}, the model '
            f'reads {lacking or "features that nothing names"}: extract it '
            'by the pose net and taps that the model was trained with')
    if spec['key'] == 'keypoint':
        joints = clip.arrays['keypoint']
        return normalize_pose(joints)[0] if spec['normalize'] else joints
    arrays = [clip.arrays[key] for key in keys]
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, -1)
    return centre_features(array, spec['centre']) if spec.get('centre') \
        else array


def _images(clip: ClipInput, spec: Mapping[str, Any]) -> np.ndarray:
    """(frames, 3, side, side) float32 of person-centred crops."""
    if clip.crops is None:
        raise InputError(f'{clip.name or "a clip"} has no person-centred '
                         'crops, which HP-Net reads')
    side = spec['side']
    images = []
    for image in clip.crops.read(
            middle_frames(clip.crops.frames, spec['crops'])):
        if image.shape[:2] != (side, side):
            import cv2
            image = cv2.resize(image, (side, side),
                               interpolation=cv2.INTER_LINEAR)
        images.append(image)
    images = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
    if spec['mean'] is None:
        return images
    mean, std = (np.array(spec[key], np.float32).reshape(-1, 1, 1)
                 for key in ('mean', 'std'))
    return (images - mean) / std

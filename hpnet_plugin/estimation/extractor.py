"""Crops in, joints and pooled features out: the Feedback Pooling Module."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ..graph import LAYOUTS, bone_pairs
from ..pooling import REGIONS, beyond, patch_at_joints, pool_at_joints
from .geometry import crop_person, to_crop, to_frame
from .image_nets import ImageNet, build_image_nets
from .interfaces import Features
from .pose import PoseNet, PoseOutput, build_pose_net
from .rings import ring_means, within
from .tap_names import BEYOND, parse_tap
from .taps import TapError

if TYPE_CHECKING:
    from torch import Tensor

ASPECTS = ('input', 'frame')
# What else can be kept of a crop, each under its own name in the store.
EXTRAS = ('rgb', f'rgb{BEYOND}', 'coordinates', 'heatmap')
RGB_STRIDE, RGB_PATCH, HEATMAP_PATCH = 4, 5, 7


def build_extractor(pose: str | Path, checkpoint: str | None = None,
                    taps: Sequence[str] = (), device: str = 'cpu',
                    norm: str = 'eval', region: int = 1, grid: str = 'exact',
                    aspect: str = 'input', backend: str = 'torch',
                    precision: str = 'fp32', threads: int = 1
                    ) -> PooledExtractor:
    """Build a pose net and the pooling of what its taps name.

    Args:
        pose: See :func:`build_pose_net`.
        checkpoint: Likewise.
        taps: Features to take, each one of

            - a feature map of the net, see :func:`build_pose_net`;
            - one of an image net on the same crops, ``NET:LAYER``, see
              :func:`~hpnet_plugin.estimation.tap_names.parse_net`;
            - either with a region of its own, ``TAP@3``;
            - any of these past the joint, ``TAP@beyond``, where the hand and
              what it holds are; see :func:`~hpnet_plugin.pooling.beyond`;
            - any of these minus its mean around the person, ``TAP@ring``,
              see :func:`~hpnet_plugin.estimation.rings.ring_means`;
            - ``'rgb'``: 5 x 5 colours around the joint, 0 to 1, each the
              mean of 4 x 4 pixels of the crop (Table XI); also as
              ``'rgb@beyond'``;
            - ``'coordinates'``: both vectors of a SimCC head (Table IV);
            - ``'heatmap'``: 7 x 7 cells of the joint's own heatmap around
              it, and ``'heatmap_scale'``, pixels of the frame a cell.
        device: See :func:`build_pose_net`.
        norm: Likewise.
        region: R of Eq. 3 where a tap has none of its own.
        grid: See :func:`pool_at_joints`. Defaults to ``'exact'``.
        aspect: See :class:`PooledExtractor`.
        backend: See :func:`build_pose_net`.
        precision: Likewise.
        threads: Likewise.

    Returns:
        Net and pooling.

    Raises:
        TapError: If a tap is not there; or the net has no such head.
    """
    extras = [tap for tap in taps if tap in EXTRAS]
    named = [parse_tap(tap, region) for tap in taps if tap not in EXTRAS]
    own = dict.fromkeys(tap.layer for tap in named if tap.net is None)
    net = build_pose_net(pose, checkpoint, tuple(own), device, norm,
                         backend, precision, threads)
    return PooledExtractor(
        net, region, grid, aspect, extras=extras,
        features={tap.name: (tap.source, tap.region) for tap in named},
        reaching=[tap.name for tap in named if tap.beyond],
        rings=[tap.name for tap in named if tap.ring],
        others=build_image_nets(named, net.size, net.device))


class PooledExtractor:
    """Pose net, taps and pooling as one function of frames and boxes.

    Args:
        net: The pose net with its taps, of
            :func:`hpnet_plugin.estimation.pose.build_pose_net`.
        region: R of Eq. 3; see :func:`pool_at_joints`. Defaults to 1.
        grid: See :func:`pool_at_joints`. Defaults to ``'exact'``.
        aspect: ``'input'``: the crop has the net's aspect ratio; ``'frame'``:
            the frame's height / width, as the released code. Defaults to
            ``'input'``.
        padding: Factor by which the crop exceeds the person's box. Defaults to
            1.25.
        features: Name of a feature to tap and region. Defaults to None: every
            tap of the net by its own name, with ``region``.
        extras: Some of ``EXTRAS``; see :func:`build_extractor`. Defaults to
            none.
        reaching: Features that are pooled past the joints. Defaults to none.
        rings: Features from which the mean around the person is subtracted.
            Defaults to none.
        others: Image nets on the same crops. Defaults to none.

    Attributes:
        taps: Name of a feature to its channels.

    Raises:
        TapError: If nothing is to be taken, or the net has no such head.
        ValueError: If ``aspect`` or a region is unknown.
    """

    def __init__(self,
                 net: PoseNet,
                 region: int = 1,
                 grid: str = 'exact',
                 aspect: str = 'input',
                 padding: float = 1.25,
                 features: dict[str, tuple[str, int]] | None = None,
                 extras: Sequence[str] = (),
                 reaching: Collection[str] = (),
                 rings: Collection[str] = (),
                 others: Sequence[ImageNet] = ()) -> None:
        if aspect not in ASPECTS:
            raise ValueError(f'aspect must be one of {ASPECTS}, '
                             f'got {aspect!r}')
        self.net, self.region, self.grid = net, region, grid
        self.aspect, self.padding = aspect, padding
        self.features = {tap: (tap, region) for tap in net.taps} \
            if features is None else features
        for name, (_, size) in self.features.items():
            if size not in REGIONS:
                raise ValueError(f'tap {name!r}: the region must be one of '
                                 f'{REGIONS}')
        self.extras, self.rings = tuple(extras), frozenset(rings)
        self.reaching = frozenset(reaching) | {
            name for name in extras if name.endswith(BEYOND)}
        self.others = tuple(others)
        self.parents = self._parents() if self.reaching else None
        if not self.features and not self.extras:
            raise TapError('no tap is given: name at least one feature map '
                           'of the pose net to pool')
        # a grey crop tells the channels, and whether the head is the right one
        grey = np.full((1, net.size[1], net.size[0], 3), 114, np.uint8)
        _, _, pooled = self(grey, np.eye(2, 3, dtype=np.float32)[None],
                            areas=np.zeros((1, 2, 2, 2), np.float32))
        self.taps = {name: value.shape[-1] for name, value in pooled.items()}

    @property
    def record(self) -> dict[str, Any]:
        """What made the features; `meta` of a feature store."""
        others = {net.net.title: net.record for net in self.others}
        return dict(
            **dict(image_nets=others) if others else {},
            taps=self.taps,
            layout=self.net.layout,
            pose=self.net.record,
            region=self.region,
            grid=self.grid,
            aspect=self.aspect,
            padding=self.padding)

    def crop(self, frame: np.ndarray, box: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray]:
        """Cut a person out.

        Args:
            frame: (H, W, 3) uint8.
            box: x1, y1, x2, y2 in pixels.

        Returns:
            The crop (h, w, 3) and its matrix (2, 3).
        """
        return crop_person(frame, box, self.net.size, self.padding,
                           self.aspect, self.net.udp)

    def __call__(self, crops: np.ndarray, matrices: np.ndarray,
                 joints: np.ndarray | None = None,
                 areas: np.ndarray | None = None) -> Features:
        """Joints and pooled features of crops.

        Args:
            crops: RGB crops, (N, h, w, 3) uint8.
            matrices: From frame to crop, (N, 2, 3).
            joints: Joints to pool at, (N, V, 2) in pixels of the frame,
                instead of the net's own.
            areas: Where box and frame lie in the crops, which ``@ring``
                needs; see
                :func:`~hpnet_plugin.estimation.rings.areas_in_crops`.

        Returns:
            Joints (N, V, 2) in pixels of the frame and scores (N, V), float32,
            and a dict of feature to (N, V, C), float16. Scores are None where
            joints were given.
        """
        return self.submit(crops, matrices, joints, areas).result()

    def submit(self, crops: np.ndarray, matrices: np.ndarray,
               joints: np.ndarray | None = None,
               areas: np.ndarray | None = None) -> PendingFeatures:
        """Start on a batch; a GPU works on it while the next is prepared.

        Args:
            crops: See :meth:`__call__`.
            matrices: Likewise.
            joints: Likewise.
            areas: Likewise.

        Returns:
            Its ``result()`` is what :meth:`__call__` gives.
        """
        with self.net.computing():
            images = self.net.upload(crops)
            output = self.net.run(images)
            found: dict[str, Tensor] = {}
            if joints is None:
                at = output.joints
                found = dict(joints=at, scores=output.scores)
            else:
                at = self.net.upload(to_crop(joints, matrices))
            pooled = self.pool(images, output, at,
                               None if areas is None else
                               self.net.upload(areas))
            if 'heatmap' in self.extras:
                pooled['heatmap_scale'] = self._scale(output, matrices)
            pooled = {name: value.half() for name, value in pooled.items()}
            return PendingFeatures(found, pooled, matrices, joints)

    def pool(self, images: Tensor, output: PoseOutput[Tensor], at: Tensor,
             areas: Tensor | None = None) -> dict[str, Tensor]:
        """Features at joints; tensors in, tensors out.

        Args:
            images: RGB crops, (N, h, w, 3) uint8.
            output: What the net says of them.
            at: Joints in pixels of the crops, (N, V, 2).
            areas: See :meth:`__call__`.

        Returns:
            Feature to (N, V, C), in the net's precision.

        Raises:
            TapError: If ``@ring`` is asked for without areas, or ``@beyond``
                at other joints than the net's.
        """
        past = at if self.parents is None else self._past(at)
        if self.rings and areas is None:
            raise TapError(f'{min(self.rings)}: a ring needs the box of the '
                           'person and the frame, which are not given here')
        pooled = {}
        views = self._views(images, output, (at, past), areas)
        for name, (tap, region) in self.features.items():
            maps, size, places, seen = views[tap]
            joints = places[name in self.reaching]
            pooled[name] = pool_at_joints(maps, joints, size, region,
                                          self.grid)
            if name in self.rings and seen is not None:
                means = ring_means(maps, seen, size)
                pooled[name] = pooled[name] - means[:, None]
        for name, places in (('rgb', at), (f'rgb{BEYOND}', past)):
            if name in self.extras:
                pooled[name] = self._rgb(images, places)
        if 'coordinates' in self.extras:
            pooled['coordinates'] = self._coordinates(output, at)
        if 'heatmap' in self.extras:
            pooled['heatmap'] = self._heatmaps(output, at)
        return pooled

    def _parents(self) -> list[int]:
        """The joint before each joint of the net, itself at the root."""
        if self.net.layout not in LAYOUTS:
            raise TapError(
                f'{min(self.reaching)}: the bones of the layout '
                f'{self.net.layout!r} are not known; known are those of '
                f'{", ".join(LAYOUTS)}')
        return [parent for _, parent in bone_pairs(self.net.layout)]

    def _past(self, at: Tensor) -> Tensor:
        assert self.parents is not None
        if at.shape[1] != len(self.parents):
            raise TapError(
                f'{min(self.reaching)}: the pose net has '
                f'{len(self.parents)} joints, {at.shape[1]} are given to '
                'pool at, and their bones are not known')
        return beyond(at, self.parents)

    def _views(self, images: Tensor, output: PoseOutput[Tensor],
               places: tuple[Tensor, Tensor], areas: Tensor | None
               ) -> dict[str, _View]:
        """Maps by tap, and where joints and areas are in what they show."""
        size = self.net.size
        seen = None if areas is None else within(areas, size)
        views = {tap: _View(maps.float(), size, places, seen)
                 for tap, maps in output.maps.items()}
        for net in self.others:
            for layer, maps in net(images).items():
                views[f'{net.net.title}:{layer}'] = _View(
                    maps.float(), net.extent(maps),
                    (net.locate(places[0]), net.locate(places[1])),
                    None if seen is None else net.locate(seen))
        return views

    def _rgb(self, crops: Tensor, at: Tensor) -> Tensor:
        images = crops.permute(0, 3, 1, 2).float() / 255
        return patch_at_joints(F.avg_pool2d(images, RGB_STRIDE), at,
                               self.net.size, RGB_PATCH)

    def _coordinates(self, output: PoseOutput[Tensor], at: Tensor) -> Tensor:
        if len(output.head_outputs) != 2:
            raise TapError("'coordinates' are the two vectors of a SimCC "
                           'head; this pose net gives heatmaps')
        return self._of_each_joint('coordinates',
                                   torch.cat(output.head_outputs, -1), at)

    def _heatmaps(self, output: PoseOutput[Tensor], at: Tensor) -> Tensor:
        if len(output.head_outputs) != 1:
            raise TapError("'heatmap' needs a pose net that gives heatmaps; "
                           'this one has a SimCC head')
        maps = self._of_each_joint(
            'heatmap', output.head_outputs[0].float(), at)
        # heatmaps are made and read so that cell i stands for pixel s * i
        at = at + (self._stride(maps) - 1) / 2
        patches = patch_at_joints(  # a joint's patch is of its own map
            maps.flatten(0, 1)[:, None], at.flatten(0, 1)[:, None],
            self.net.size, HEATMAP_PATCH)
        return patches.view(-1, maps.shape[1], HEATMAP_PATCH**2)

    def _stride(self, maps: Tensor) -> float:
        return self.net.size[0] / maps.shape[-1]

    def _scale(self, output: PoseOutput[Tensor], matrices: np.ndarray
               ) -> Tensor:
        """Pixels of the frame a cell of the heatmap, (N, V, 1)."""
        maps = output.head_outputs[0]
        zoom = torch.from_numpy(np.ascontiguousarray(matrices[:, 0, 0]))
        scale = self._stride(maps) / zoom
        return scale[:, None, None].expand(-1, maps.shape[1], 1)

    def _of_each_joint(self, name: str, output: Tensor, at: Tensor) -> Tensor:
        if output.shape[1] != at.shape[1]:
            raise TapError(
                f'{name!r}: the pose net knows {output.shape[1]} joints, '
                f'{at.shape[1]} are given to pool at')
        return output


class _View(NamedTuple):
    """A feature map of crops.

    Attributes:
        maps: (N, C, h, w), float32.
        size: Width and height in pixels of what it covers.
        places: Joints, and places past them, (N, V, 2) in these pixels.
        areas: Box and what is seen of the frame, likewise.
    """
    maps: Tensor
    size: tuple[int, int]
    places: tuple[Tensor, Tensor]
    areas: Tensor | None


class PendingFeatures:
    """A batch that a GPU may still be working on.

    Args:
        found: The net's ``joints`` in pixels of the crops and their
            ``scores``; empty where joints were given.
        pooled: Features.
        matrices: From frame to crop, (N, 2, 3).
        joints: The joints that were given.
    """

    def __init__(self, found: dict[str, Tensor], pooled: dict[str, Tensor],
                 matrices: np.ndarray, joints: np.ndarray | None) -> None:
        self._matrices, self._joints = matrices, joints
        self._found = {k: _to_host(v) for k, v in found.items()}
        self._pooled = {k: _to_host(v) for k, v in pooled.items()}
        # behind all copies, which went into the current stream
        values = (*found.values(), *pooled.values())
        on_gpu = next(filter(_is_on_gpu, values), None)
        self._copied = None if on_gpu is None else \
            torch.cuda.current_stream(on_gpu.device).record_event()

    def result(self) -> Features:
        """Wait for the batch.

        Returns:
            See :meth:`PooledExtractor.__call__`.
        """
        if self._copied is not None:
            self._copied.synchronize()
        joints, scores = self._joints, None
        if joints is None:
            joints = to_frame(self._found['joints'].numpy(), self._matrices)
            scores = self._found['scores'].numpy()
        return joints, scores, {name: value.numpy()
                                for name, value in self._pooled.items()}


def _is_on_gpu(value: Tensor) -> bool:
    return value.is_cuda


def _to_host(value: Tensor) -> Tensor:
    """A tensor on the host; from a GPU it arrives while others work."""
    if not _is_on_gpu(value):
        return value
    # .to('cpu', non_blocking=True) would copy into memory that is not pinned
    host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    return host.copy_(value, non_blocking=True)

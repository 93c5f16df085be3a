"""Crops in, joints and pooled features out, by one ONNX graph.

What :class:`~hpnet_plugin.estimation.extractor.PooledExtractor` does, of a
file that ``hpnet export`` wrote; without torch and mmpose.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..files import sha256_of
from ..onnx_session import open_exported
from .geometry import crop_person, to_frame
from .interfaces import Features

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# names of the graph's inputs and outputs; features are pooled0, pooled1, ...
CROPS, JOINTS, SCORES, POOLED = 'crops', 'joints', 'scores', 'pooled'
KIND = 'hpnet_plugin pose net'


class OnnxNet(NamedTuple):
    """The pose net within the graph.

    Attributes:
        size: Width and height of the crops that it takes.
        udp: Whether crops follow mmpose's unbiased data processing.
        layout: Name of the joints' layout.
        num_joints: V.
        record: What it is, for the store.
    """
    size: tuple[int, int]
    udp: bool
    layout: str
    num_joints: int
    record: dict[str, Any]


class OnnxExtractor:
    """Pose net, decoding and pooling as one ONNX graph.

    Args:
        path: The file, ``pose.onnx`` of an exported model.
        device: ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.
        threads: Threads on a CPU.

    Attributes:
        net: The pose net.
        taps: Name of a feature to its channels.
        record: What makes the features; ``meta`` of a feature store.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another file.
    """

    def __init__(self,
                 path: str,
                 device: str = 'cpu',
                 threads: int = 1) -> None:
        self._session, facts = open_exported(path, device, threads)
        try:
            if facts['kind'] != KIND:
                raise KeyError('kind')
            record = facts['record']
            self.taps = dict(record['taps'])
            self._padding = float(record['padding'])
            self._aspect = record['aspect']
            self.net = OnnxNet(
                _size(facts['size'], self._session), bool(facts['udp']),
                record['layout'], int(facts['joints']), dict(
                    record['pose'], backend='onnxruntime',
                    graph=sha256_of(path)))
            self.record = dict(record, pose=self.net.record)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(
                f'{path} is no pose net of hpnet export (its metadata: '
                f'{type(error).__name__} {error})') from None
        self._names = [JOINTS, SCORES,
                       *(f'{POOLED}{i}' for i in range(len(self.taps)))]

    def crop(self, frame: np.ndarray,
             box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut a person out.

        Args:
            frame: (H, W, 3) uint8, RGB.
            box: x1, y1, x2, y2 in pixels.

        Returns:
            The crop (h, w, 3) and its matrix (2, 3).
        """
        return crop_person(frame, box, self.net.size, self._padding,
                           self._aspect, self.net.udp)

    def __call__(
        self,
        crops: np.ndarray,
        matrices: np.ndarray,
        joints: np.ndarray | None = None,
        areas: np.ndarray | None = None
    ) -> Features:
        """Joints and pooled features of crops.

        Args:
            crops: RGB crops, (N, h, w, 3) uint8.
            matrices: From frame to crop, (N, 2, 3).
            joints: None; the graph pools at the joints that it finds.
            areas: Not looked at.

        Returns:
            Joints (N, V, 2) in pixels of the frame and scores (N, V), float32,
            and feature to (N, V, C), float16.

        Raises:
            ValueError: If joints are given.
        """
        return self.submit(crops, matrices, joints).result()

    def submit(self, crops: np.ndarray, matrices: np.ndarray,
               joints: np.ndarray | None = None,
               areas: np.ndarray | None = None) -> FinishedFeatures:
        """As :meth:`__call__`; the result is there at once.

        Args:
            crops: See :meth:`__call__`.
            matrices: Likewise.
            joints: Likewise.
            areas: Likewise.

        Returns:
            Its ``result()`` is what :meth:`__call__` gives.

        Raises:
            ValueError: If joints are given.
        """
        if joints is not None:
            raise ValueError('an exported pose net pools at the joints that '
                             'it finds; joints of others need the pose net '
                             'in torch: --backend torch')
        at, scores, *pooled = map(np.asarray, self._session.run(
            self._names, {CROPS: np.ascontiguousarray(crops)}))
        return FinishedFeatures(to_frame(at, matrices), scores,
                                dict(zip(self.taps, pooled)))


def _size(size: Any, session: InferenceSession) -> tuple[int, int]:
    """Width and height of the crops, which the graph must take."""
    width, height = size
    shape = session.get_inputs()[0].shape
    if shape[1:] != [height, width, 3]:
        raise ValueError(f'crops of the size {size!r:.40} are none of '
                         f'{shape!r:.80}')
    return width, height


class FinishedFeatures(NamedTuple):
    """What was computed of a batch.

    Attributes:
        joints: (N, V, 2) in pixels of the frame.
        scores: (N, V).
        pooled: Feature to (N, V, C), float16.
    """
    joints: np.ndarray
    scores: np.ndarray
    pooled: dict[str, np.ndarray]

    def result(self) -> Features:
        """What was computed.

        Returns:
            See :meth:`OnnxExtractor.__call__`.
        """
        return self.joints, self.scores, self.pooled

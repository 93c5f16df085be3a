"""People found by YOLOX or RTMDet in an ONNX file, as rtmlib runs them."""
from __future__ import annotations

import os.path as osp

import numpy as np

from ..files import sha256_of
from ..onnx_session import open_session
from .boxes import best_first, suppressed
from .people import People, PersonSource

KINDS = ('yolox', 'rtmdet')
# What a file is told by: names of weights that exports keep.
_WEIGHTS = {
    'yolox': (b'multi_level_conv_cls', b'cls_preds'),  # mmdet's, Megvii's
    'rtmdet': (b'rtm_cls', )
}
# RTMDet's input is normalised outside of the exported graph, YOLOX's not at
# all. Both read BGR.
_MEAN = {'yolox': (0, 0, 0), 'rtmdet': (103.53, 116.28, 123.675)}
_STD = {'yolox': (1, 1, 1), 'rtmdet': (57.375, 57.12, 58.395)}
GREY = 114  # of what a frame leaves of the net's input
STRIDES = (8, 16, 32)
LARGEST = 8192  # pixels of a side of the net's input
PERSON = 0  # in COCO, and where people are all that is detected


class OnnxDetector(PersonSource):
    """The persons of an exported detector, looked at every 4th frame.

    Understood are (of one image, h and w of the net's input):

    - ``dets`` (1, K, 5) and ``labels`` (1, K), what mmdeploy's
      ``end2end.onnx`` of YOLOX and RTMDet gives, its non-maximum suppression
      included; without ``labels`` all are persons;
    - (1, N, 5 + classes), what YOLOX's own export gives: offsets in the
      cells of the strides 8, 16 and 32, logarithms of width and height,
      objectness and scores.

    Frames keep their shape and lie at the top left of the input.

    Args:
        path: The file.
        kind: ``'yolox'`` or ``'rtmdet'``, which are normalised differently; by
            default told by the names of the file and of its weights.
        device: Where it runs.
        score_thr: Least score.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is no such detector, or cannot be told which.
    """

    every = 4

    def __init__(self,
                 path: str,
                 kind: str | None = None,
                 device: str = 'cpu',
                 score_thr: float = 0.3) -> None:
        if not osp.isfile(path):
            raise FileNotFoundError(f'{path}: no such ONNX detector')
        with open(path, 'rb') as file:
            content = file.read()
        self.path = path
        self.kind = kind or _told_kind(path, content)
        self.session = open_session(content, path, device)
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or \
                inputs[0].shape[1] != 3:
            raise ValueError(
                f'{path}: a detector has one input (1, 3, h, w), this one has '
                f'{[(i.name, i.shape) for i in inputs]}')
        self.input = inputs[0].name
        # a size that is left open is that of the published exports
        self.size = tuple(side if isinstance(side, int) else 640
                          for side in inputs[0].shape[2:])
        if not all(0 < side <= LARGEST for side in self.size):
            raise ValueError(f'{path}: an input of {self.size} pixels; sides '
                             f'of 1 to {LARGEST} are read')
        self.name = osp.splitext(osp.basename(path))[0]
        if self.name == 'end2end':  # mmdeploy's name for all of them
            self.name = osp.basename(osp.dirname(osp.abspath(path)))
        self.sha256 = sha256_of(path)
        self.score_thr = score_thr
        try:
            self._detect(np.full((*self.size, 3), GREY, np.uint8))
        except ValueError as error:
            text = str(error).removeprefix(f'{path}: ')
            raise ValueError(f'{path}: {text}') from None

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Look at each of some frames; see :meth:`PersonSource.people`."""
        return [People(self._detect(frame)) for frame in frames]

    def _detect(self, frame: np.ndarray) -> np.ndarray:
        """Boxes (K, 5) of one frame."""
        image, zoom = self._letterbox(frame)
        try:
            outputs = [np.asarray(value) for value in self.session.run(
                None, {self.input: image})]
        except Exception as error:  # onnxruntime has a class for each
            raise ValueError(f'{self.path}: onnxruntime failed on '
                             f'{image.shape}: {error}') from None
        boxes, scores = self._decode(outputs)
        keep = scores >= self.score_thr
        boxes = boxes[keep] / zoom
        height, width = frame.shape[:2]
        boxes = boxes.clip(0, (width, height) * 2)
        found = np.c_[boxes, scores[keep]]
        return best_first(found[(found[:, 2:4] > found[:, :2]).all(1)])

    def _letterbox(self, frame: np.ndarray) -> tuple[np.ndarray, float]:
        """The net's input (1, 3, h, w), and pixels of it a pixel."""
        import cv2
        zoom = min(self.size[0] / frame.shape[0],
                   self.size[1] / frame.shape[1])
        height, width = (max(1, int(side * zoom)) for side in frame.shape[:2])
        image = np.full((*self.size, 3), GREY, np.float32)
        image[:height, :width] = cv2.resize(
            frame, (width, height), interpolation=cv2.INTER_LINEAR)[..., ::-1]
        image -= np.array(_MEAN[self.kind], np.float32)
        image /= np.array(_STD[self.kind], np.float32)
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None]), zoom

    def _decode(self, outputs: list[np.ndarray]
                ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) in pixels of the input and scores (N,) of persons."""
        shapes = [value.shape for value in outputs]
        first = outputs[0]
        if first.ndim == 3 and first.shape[0] == 1 and first.shape[2] == 5:
            found = first[0]
            if len(outputs) > 1 and outputs[1].shape == first.shape[:2]:
                found = found[outputs[1][0] == PERSON]
            return found[:, :4], found[:, 4]
        cells = sum((self.size[0] // s) * (self.size[1] // s)
                    for s in STRIDES)
        if len(outputs) == 1 and first.ndim == 3 and \
                first.shape[:2] == (1, cells) and first.shape[2] > 5:
            return self._decode_raw(first[0])
        raise ValueError(
            f'the outputs {shapes} are neither dets (1, K, 5) and labels '
            f'(1, K) nor the (1, {cells}, 5 + classes) of YOLOX')

    def _decode_raw(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        corners, strides = [], []
        for stride in STRIDES:
            y, x = np.mgrid[:self.size[0] // stride, :self.size[1] // stride]
            corners.append(np.stack((x, y), -1).reshape(-1, 2))
            strides.append(np.full((x.size, 1), stride))
        corners, strides = np.concatenate(corners), np.concatenate(strides)
        scores = found[:, 4] * found[:, 5 + PERSON]
        likely = scores >= self.score_thr
        found, scores = found[likely], scores[likely]
        centre = (found[:, :2] + corners[likely]) * strides[likely]
        half = np.exp(found[:, 2:4]) * strides[likely] / 2
        boxes = np.concatenate((centre - half, centre + half), 1)
        kept = suppressed(boxes, scores)
        return boxes[kept], scores[kept]


def _told_kind(path: str, content: bytes) -> str:
    """Which of the two nets a file holds."""
    name = osp.abspath(path).lower()
    kinds = [kind for kind in KINDS
             if any(weight in content for weight in _WEIGHTS[kind])]
    kinds = kinds or [kind for kind in KINDS if kind in name]
    if len(kinds) != 1:
        raise ValueError(
            f'{path}: neither its name nor its weights tell whether this is '
            f'YOLOX or RTMDet: write yolox:{path} or rtmdet:{path}')
    return kinds[0]

"""Person-centred clips for the RGB branch of the recogniser."""
import os
import os.path as osp

import cv2
import numpy as np

SIDE = 256  # of the clips written; training crops 224 of it
MARGIN = 1.1  # factor by which the window exceeds the people's box
FPS = 15  # nominal: readers go by frame number
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]


class CropRecorder:
    """Keeps what may become a clip's crops until the people are known.

    Who stays is only known at the end of a clip, and its frames are gone by
    then. So the part of each frame that shows any candidate is kept as JPEG.

    Args:
        out (str): The dataset folder; clips go to ``<out>/crops``.
    """

    def __init__(self, out):
        self.folder = osp.join(out, 'crops')
        self.kept = []

    def add(self, frame, boxes):
        """Remember the part of a frame that shows its candidates.

        Args:
            frame (np.ndarray): (H, W, 3) uint8, RGB.
            boxes (np.ndarray): (K, 5), x1, y1, x2, y2, score; all of the
                frame is kept where K is 0.
        """
        height, width = frame.shape[:2]
        x1, y1, x2, y2 = 0, 0, width, height
        if len(boxes):
            window = _square(_union(boxes))
            x1, y1 = np.maximum(np.floor(window[:2]), 0).astype(int)
            x2, y2 = np.minimum(np.ceil(window[2:]),
                                (width, height)).astype(int)
        part = np.ascontiguousarray(frame[y1:y2, x1:x2, ::-1])
        _, data = cv2.imencode('.jpg', part, QUALITY)
        self.kept.append(((x1, y1), data))

    def write(self, name, boxes, chosen):
        """Write the clip: one square frame a frame of the features.

        Frames without a chosen person show the window of the nearest frame
        that has one, so that both keep one timeline.

        Args:
            name (str): The clip.
            boxes (list[np.ndarray]): Candidates of each frame, (K, 5).
            chosen (np.ndarray): (M, T) indices into ``boxes``, -1 if absent.
        """
        import av
        present = np.flatnonzero((chosen >= 0).any(0))
        os.makedirs(self.folder, exist_ok=True)
        path = osp.join(self.folder, name + '.mp4')
        partial = osp.join(self.folder, '.tmp-' + name + '.mp4')
        with av.open(partial, 'w') as container:
            stream = container.add_stream('libx264', rate=FPS)
            stream.width = stream.height = SIDE
            stream.pix_fmt = 'yuv420p'
            stream.options = dict(crf='18', preset='veryfast', threads='1')
            for t, (corner, data) in enumerate(self.kept):
                near = present[np.abs(present - t).argmin()]
                box = _union([boxes[near][k] for k in chosen[:, near]
                              if k >= 0])
                image = cv2.imdecode(data, cv2.IMREAD_COLOR)
                image = _cut(image, _square(box) - np.tile(corner, 2))
                frame = av.VideoFrame.from_ndarray(image, format='bgr24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        os.replace(partial, path)


def _union(boxes):
    boxes = np.asarray(boxes, np.float32)
    return np.concatenate((boxes[:, :2].min(0), boxes[:, 2:4].max(0)))


def _square(box):
    """Square window around a box, so that people keep their shape."""
    centre, side = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * MARGIN
    return np.concatenate((centre - side / 2, centre + side / 2))


def _cut(image, window):
    zoom = SIDE / (window[2] - window[0])
    matrix = np.array([[zoom, 0, -zoom * window[0]],
                       [0, zoom, -zoom * window[1]]])
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)

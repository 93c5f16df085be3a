"""Person-centred clips of a dataset folder, for the RGB branch."""
from __future__ import annotations

import io
import json
import os.path as osp
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..files import write_whole
from .crop_checksums import note_checksum
from .crop_cutting import CropCutter, CropPart

FPS = 15  # nominal: readers go by frame number
# Training reads 8 frames of a clip. A key frame every 4, and neither CABAC nor
# a loop filter, bring them in 0.4 of the time that a key frame every 12 takes
# with both, of the same quality, for 1.3 times the bytes.
CODEC: dict[str, object] = dict(
    crf='18', preset='veryfast', tune='fastdecode', threads='1', g='4',
    bf='0')
SETTINGS = 'crops.json'
SPOOLED = 64 << 20  # bytes of frames in memory; more go to a file


def crop_settings(out: str) -> dict[str, Any] | None:
    """What the crops of a dataset folder were made with.

    Args:
        out: The dataset folder.

    Returns:
        ``size``, ``margin``, ``fit`` and perhaps ``length``; None without
        crops.

    Raises:
        CropsError: If the file is damaged.
    """
    from ..datasets.crops import read_settings
    return read_settings(out)


class CropRecorder(CropCutter):
    """Keeps what may become a clip's crops until the people are known.

    Who stays is only known at the end of a clip, and its frames are gone by
    then. So the part of each frame that shows any candidates is kept as JPEG.

    Args:
        out: The dataset folder; clips go to ``<out>/crops``.
        size: See :class:`CropCutter`, as ``margin``, ``fit`` and
            ``num_people``. Defaults to 256.
        margin: Likewise. Defaults to 1.1.
        fit: Likewise. Defaults to ``'keep'``.
        num_people: Likewise. Defaults to 2.
        length: What clips are resampled to, for the record.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(self,
                 out: str,
                 size: int = 256,
                 margin: float = 1.1,
                 fit: str = 'keep',
                 num_people: int = 2,
                 length: int | None = None) -> None:
        super().__init__(size, margin, fit, num_people)
        self.out, self.folder = out, osp.join(out, 'crops')
        self.length = length
        # corner, place and length of each frame's JPEG
        self._kept: list[tuple[tuple[int, int], int, int]] = []
        self._shape = 0, 0  # of the frames
        self._file = tempfile.SpooledTemporaryFile(SPOOLED)

    @property
    def record(self) -> dict[str, Any]:
        """What the clips depend on beside the people."""
        length = {} if self.length is None else dict(length=self.length)
        return dict(size=self.size, margin=self.margin, fit=self.fit,
                    **length)

    def prepare(self) -> None:
        """Make the folder, for crops of one kind only.

        Raises:
            ValueError: If it holds crops of another kind.
        """
        there = crop_settings(self.out)
        if there is None:
            write_whole(
                osp.join(self.folder, SETTINGS),
                (json.dumps(self.record) + '\n').encode())
        elif there != self.record:
            raise ValueError(
                f'{self.folder} holds crops made with {there}, asked for '
                f'are {self.record}: ask for the same, or remove the folder')

    def path(self, name: str) -> str:
        """File of a clip.

        Args:
            name: The clip.

        Returns:
            Its path.
        """
        return osp.join(self.folder, name + '.mp4')

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Remember the part of a frame that shows its candidates.

        Args:
            frame: See :meth:`part`, as ``boxes``.
            boxes: Likewise.
        """
        self._shape = frame.shape[0], frame.shape[1]
        corner, data = self.part(frame, boxes)
        self._kept.append((corner, self._file.tell(), len(data)))
        self._file.write(data)

    def write(self,
              name: str,
              boxes: Sequence[np.ndarray],
              chosen: np.ndarray,
              at: Sequence[int] | np.ndarray | None = None) -> None:
        """Write the clip: one square frame a frame of the features.

        The clip's comment is the list of all windows, x1, y1, x2, y2 in
        pixels of the original frame, for whoever wants joints in it
        (``MMDecodeCrops``).

        Args:
            name: The clip.
            boxes: See :meth:`windows`, as ``chosen``.
            chosen: Likewise.
            at: Write these of the frames, where features were resampled.
                Defaults to all.

        Raises:
            OSError: If it cannot be written; no part of it is left behind.
        """
        import av
        windows = self.windows(boxes, chosen, self._shape)
        at = range(len(self._kept)) if at is None else at
        windows = windows[at]
        data = io.BytesIO()
        with av.open(data, 'w', format='mp4') as container:
            container.metadata['comment'] = json.dumps(
                windows.round(2).tolist())
            stream = container.add_stream('libx264', rate=FPS)
            stream.width = stream.height = self.size
            stream.pix_fmt = 'yuv420p'
            stream.options = CODEC
            for window, t in zip(windows, at):
                corner, start, length = self._kept[t]
                self._file.seek(start)
                image = self.read(CropPart(corner, self._file.read(length)),
                                  window)
                frame = av.VideoFrame.from_ndarray(image, format='bgr24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        write_whole(self.path(name), data.getvalue())
        note_checksum(self.folder, name, data.getbuffer())

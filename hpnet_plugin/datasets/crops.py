"""Folders of person crops: short videos, or images of the authors.

A clip's crops are ``<clip>.mp4``, which ``hpnet extract --crops`` writes,
or a folder ``<clip>`` of JPEG images ``0.jpg``, ``1.jpg``, …, which the
released code writes. Crops and pooled features of a clip share one timeline,
frame by frame. Those that do not are listed in the folder's ``frames.json``,
with the number of their frames: there both show the whole clip, from its
beginning to its end, and no more is known.
"""
import json
import os
import os.path as osp
import struct
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

from ..benchmark_files import FactsError, read_json
from ..estimation.video import LIMITS, OpenedVideo
from ..files import write_whole
from ..store.fetching import fetch_file
from .benchmarks import bare_name

TIMELINES = 'frames.json'
SETTINGS = 'crops.json'
SIZE = 224  # of an image of nobody; the released code's
LARGEST_IMAGE = 1 << 28  # bytes of a file
NAMED = 3  # clips that a message names


class CropsError(ValueError):
    """Crops are not what they should be; the message says where."""


class Crops:
    """Crops of one clip.

    Args:
        path: A video, or a folder of images.

    Attributes:
        path: The same.
        frames: Number of frames.

    Raises:
        CropsError: If images are missing.
        VideoError: If the file is no video.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # opened once, for the number of frames and for the frames
        self._video = None if osp.isdir(path) else OpenedVideo(path)
        self._images = _find_images(path) if self._video is None else []
        self.frames = len(self._images) if self._video is None else \
            self._video.info.frames

    @classmethod
    def of(cls, folder: str, name: str) -> 'Crops':
        """Crops of a clip in a folder of all clips' crops.

        Args:
            folder: Of all clips' crops.
            name: Of the clip.

        Returns:
            Its crops.

        Raises:
            FileNotFoundError: If the clip has none.
        """
        video = osp.join(folder, name + '.mp4')
        for path in (video, osp.join(folder, name)):
            if osp.exists(path):
                return cls(path)
        if fetch_file(video):
            return cls(video)
        raise FileNotFoundError(
            f'{folder} has neither {name}.mp4 nor a folder {name} of images: '
            'run hpnet extract as for the features, with --crops, or '
            'hpnet import-released --crops FOLDER')

    def read(self, frames: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Chosen frames, (H, W, 3) uint8, RGB, in the order asked.

        Args:
            frames: Their numbers, from 0, (T,) int.

        Returns:
            T images.
        """
        if self._video is not None:
            return self._video.read(np.asarray(frames).tolist())
        return _read_images([self._images[index] for index in frames])


def _find_images(folder: str) -> list[str]:
    """Images of a clip that the released code has cut out, in order.

    They are ``0.jpg``, ``1.jpg`` and so on: it numbers the frames in which it
    sees people, and them alone. Other files do not count.
    """
    numbers = {}
    for entry in os.listdir(folder):
        stem, suffix = osp.splitext(entry)
        if suffix.lower() in ('.jpg', '.jpeg') and stem.isdecimal():
            numbers[int(stem)] = entry
    order = sorted(numbers)
    first = min(order[:1] + [1])  # some count from 0, some from 1
    gap = next((n for n in range(first, first + len(order))
                if n not in numbers), None)
    if gap is not None:
        raise CropsError(
            f'{folder} holds {len(order)} images, {numbers[order[-1]]} the '
            f'last of them, but not number {gap}: was it copied in full?')
    return [osp.join(folder, numbers[n]) for n in order]


def _read_images(paths: list[str]) -> list[np.ndarray]:
    """JPEG images (H, W, 3) uint8, RGB, with the numbers of the files.

    A file may come several times.
    """
    found = {}
    for path in paths:
        if path not in found:
            image = _decoded(path)
            if image is None:
                raise CropsError(f'{path} is no JPEG image')
            found[path] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            if image.shape != found[paths[0]].shape:
                raise CropsError(
                    f'{path} has (height, width) {image.shape[:2]}, '
                    f'{paths[0]} {found[paths[0]].shape[:2]}; crops of a clip '
                    'must be of one size')
    return [found[path] for path in paths]


def _decoded(path: str) -> np.ndarray | None:
    """Pixels of a JPEG image; None if it is none, or above the limits.

    OpenCV would read any kind of image, whatever the file is called, and
    allocate what the header of the file says.
    """
    data = np.fromfile(path, np.uint8, LARGEST_IMAGE + 1)
    pixels = _pixels(data.tobytes())
    if not 0 < pixels <= LIMITS.pixels or len(data) > LARGEST_IMAGE:
        return None
    try:
        return cv2.imdecode(
            data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def _pixels(data: bytes) -> int:
    """Number of pixels that the header of a JPEG image says; 0 of others."""
    at, pixels = 2, 0
    while data[:2] == b'\xff\xd8' and len(data) - at >= 9:
        marker = data[at + 1]
        if data[at] != 0xff or marker == 0xda:  # the pixels begin
            break
        if marker == 0xff:
            at += 1
            continue
        if 0xc0 <= marker <= 0xcf and marker not in (0xc4, 0xc8, 0xcc):
            height, width = struct.unpack_from('>HH', data, at + 5)
            pixels = max(pixels, height * width)
        # of these, nothing follows
        alone = 0xd0 <= marker <= 0xd8 or marker == 0x01
        at += 2 if alone else 2 + max(2, int.from_bytes(
            data[at + 2:at + 4], 'big'))
    return pixels


def read_timelines(folder: str) -> dict[str, int]:
    """Clips whose crops have a timeline of their own.

    Args:
        folder: Of the crops.

    Returns:
        Clip to number of crops, which is 0 where nobody was seen; empty where
        all crops share the timeline of the features.

    Raises:
        CropsError: If the file is damaged.
    """
    path = osp.join(folder, TIMELINES)
    if not osp.isfile(path):
        return {}
    timelines = _read_object(path)
    wrong = [name for name, frames in timelines.items()
             if type(frames) is not int or not 0 <= frames < 1 << 31]
    if wrong:
        raise CropsError(f'{path}: {wrong[0]!r:.60} has '
                         f'{timelines[wrong[0]]!r:.60} crops; expected a '
                         'number of images')
    return timelines


def read_settings(out: str) -> dict | None:
    """What the crops of a dataset folder were made with; None without any.

    Args:
        out: The dataset folder.

    Returns:
        The settings.

    Raises:
        CropsError: If the file is damaged.
    """
    path = osp.join(out, 'crops', SETTINGS)
    return _read_object(path) if osp.isfile(path) else None


def _read_object(path: str) -> dict:
    try:
        return read_json(path)
    except FactsError as error:
        raise CropsError(f'{error}; run hpnet extract --crops again, or '
                         'hpnet import-released, which writes it') from None


def import_crops(source: str, out: str, names: Iterable[str],
                 shows_people: Callable[[str], bool]) -> int:
    """Take a folder of crops into a dataset folder, by links.

    Nothing is encoded again: the authors' images stay as they are.

    Args:
        source: Of the authors' folders of images, ``CLIP/NUMBER.jpg`` or
            ``CLASS/CLIP/NUMBER.jpg``, or of this package's ``CLIP.mp4``.
        out: The dataset folder.
        names: Its clips.
        shows_people: Clip to whether its features show anybody; asked of those
            without crops.

    Returns:
        Clips without crops, in which nobody was seen.

    Raises:
        CropsError: If the source lacks a clip that shows people, or the
            dataset folder has other crops.
        OSError: If a link cannot be made.
    """
    folder = osp.join(out, 'crops')
    there, record = read_settings(out), dict(imported=True)
    if there not in (None, record):
        raise CropsError(
            f'{folder} holds crops made with {there}: take another dataset '
            'folder, or remove that one')
    names = list(names)
    found = _find_clips(source, names)
    frames = {name: Crops(found[name]).frames if name in found else 0
              for name in names}
    lacking = [name for name in names
               if not frames[name] and shows_people(name)]
    if lacking:
        raise CropsError(
            f'{source} has no crops of {len(lacking)} of {len(names)} clips '
            f'whose features show people ({", ".join(lacking[:NAMED])}'
            f'{", …" if len(lacking) > NAMED else ""}): is it complete, and '
            'of these clips?')
    os.makedirs(folder, exist_ok=True)
    write_whole(osp.join(folder, SETTINGS),
                (json.dumps(record) + '\n').encode())
    for name, path in found.items():
        if frames[name]:
            suffix = '' if osp.isdir(path) else '.mp4'
            _link(path, osp.join(folder, name + suffix))
    everyone = dict(read_timelines(folder), **frames)
    write_whole(osp.join(folder, TIMELINES),
                (json.dumps(everyone) + '\n').encode())
    return sum(not number for number in frames.values())


def _find_clips(source: str, names: Iterable[str]) -> dict[str, str]:
    """Clip to path of its crops, one or two levels deep."""
    wanted = {bare_name(name): name for name in names}
    found = {}

    def look(folder: str) -> list[str]:
        """Take what is wanted; return the folders that are not."""
        others = []
        for entry in os.scandir(folder):
            name = wanted.get(bare_name(entry.name))
            if name and (entry.is_dir() or entry.name.endswith('.mp4')):
                found.setdefault(name, entry.path)
            elif entry.is_dir():
                others.append(entry.path)
        return others

    for folder in look(source):
        look(folder)
    return found


def _link(source: str, path: str) -> None:
    source = osp.realpath(source)
    if osp.islink(path) and osp.realpath(path) == source:
        return
    if osp.lexists(path):
        raise CropsError(f'{path} is there already, and not a link to '
                         f'{source}: remove it')
    os.symlink(source, path)

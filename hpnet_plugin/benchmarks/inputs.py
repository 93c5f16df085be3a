"""What benchmarks work on where nothing else is given: all is drawn here."""
from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import os.path as osp
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..estimation.extractor import PooledExtractor
    from ..estimation.people import PersonSource

TINY_TAP = 'output1'  # name of the tap in the exported graph
DRAWN = 100  # frames of a clip, about as many as one of NTU's has
LARGE = 1920, 1080  # of a long video
SCENE = 96  # frames of one that are drawn; they go to and fro
ACTED = 15  # s of a video of actions that are drawn
GRAIN = 37  # distinct frames of filling; prime, so that none is a copy


def tiny_nets(detector: str
              ) -> Callable[[str], tuple[PersonSource, PooledExtractor]]:
    """What extracts with the tiny pose net.

    Args:
        detector: As for ``hpnet extract --detector``.

    Returns:
        What builds both on a device, for
        :class:`~hpnet_plugin.extraction.run.Extraction`.
    """
    from ..estimation import zoo
    from ..estimation.detectors import build_detector
    from ..estimation.extractor import build_extractor
    pose = zoo.choose_pose('tiny')

    def build(device: str) -> tuple[PersonSource, PooledExtractor]:
        return build_detector(detector), build_extractor(
            pose.file, pose.checkpoint, pose.taps, device)

    return build


def draw_clips(folder: str, count: int, frames: int = DRAWN, seed: int = 0
               ) -> tuple[str, str]:
    """Draw clips of moving people.

    Args:
        folder: Gets ``videos/`` and ``boxes.json``.
        count: Clips, of ``frames`` each.
        seed: Of everything.

    Returns:
        The videos, and the file of their boxes.
    """
    from ..demo import people
    videos = osp.join(folder, 'videos')
    os.makedirs(videos)
    boxes = {}
    for i in range(count):
        label, number = i % len(people.ACTIONS), i // len(people.ACTIONS)
        clip = people.make_clip(label, number, seed, frames)
        name = f'{people.ACTIONS[label].short}_{number:03d}'
        people.save_video(osp.join(videos, name + '.mp4'), clip.frames)
        boxes[name] = _rows(clip.boxes)
    return videos, _write(folder, boxes)


def draw_long(folder: str, frames: int, seed: int = 0,
              size: tuple[int, int] = LARGE) -> tuple[str, str]:
    """Draw one long video of people who go to and fro, 30 frames/s.

    It is H.264 as cameras and archives write it: a key frame every 250, and
    frames between that no other refers to.

    Args:
        folder: Gets ``videos/`` and ``boxes.json``.
        frames: Its length.
        seed: Of everything.
        size: Width and height.

    Returns:
        The videos, and the file of their boxes.
    """
    import cv2

    from ..demo import people
    videos = osp.join(folder, 'videos')
    os.makedirs(videos)
    clip = people.make_clip(0, 0, seed, min(frames, SCENE))
    scale = np.array(size) / clip.frames.shape[2:0:-1]
    there_and_back = [*range(len(clip.frames)),
                      *range(len(clip.frames) - 2, 0, -1)] or [0]
    order = list(itertools.islice(itertools.cycle(there_and_back), frames))
    write_video(osp.join(videos, 'long.mp4'),
                (cv2.resize(clip.frames[i], size) for i in order),
                options=dict(preset='veryfast', crf='23'))
    boxes = clip.boxes[:, order] * np.tile(scale, 2)
    return videos, _write(folder, dict(long=_rows(boxes)))


def draw_actions(folder: str, minutes: int, seed: int = 0) -> str:
    """Draw a video of one person who does one thing after the other.

    Args:
        folder: Gets ``actions.mp4``.
        minutes: Its length. Some seconds are drawn, and repeated.
        seed: Of everything.

    Returns:
        The video.
    """
    from ..demo.long_video import make_long_video
    from ..estimation.video import read_frames
    drawn = osp.join(folder, 'drawn')
    rate = make_long_video(drawn, ACTED / 60, seed=seed)['fps']
    path = osp.join(folder, 'actions.mp4')
    images = (image for _, chunk in read_frames(osp.join(drawn, 'video.mp4'))
              for image in chunk)
    write_video(path, images, round(60 * minutes / ACTED),
                dict(preset='veryfast', bf='0'), rate)
    return path


def draw_dataset(folder: str, length: int = 4, words: Iterable[str] = ()
                 ) -> None:
    """Draw a small dataset, two clips a class, and extract it.

    Args:
        folder: Gets ``people/`` and the dataset folder ``data/``.
        length: Frames of a clip.
        words: Further options of ``hpnet extract``.
    """
    from ..commands import extract
    from ..demo import people
    drawn = osp.join(folder, 'people')
    people.make_dataset(drawn, clips_per_class=2, length=length,
                        test_share=.5)
    command = [osp.join(drawn, 'videos'), '--pose', 'tiny', '--detector',
               'boxes:' + osp.join(drawn, 'boxes.json'), '--max-people', '1',
               '--workers', '0', '--out', osp.join(folder, 'data'), *words]
    for option in ('labels.txt', 'classes.txt', 'splits.json'):
        command += ['--' + osp.splitext(option)[0], osp.join(drawn, option)]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        if extract.main(command):
            raise RuntimeError('the small dataset could not be extracted: '
                               + said.getvalue())


def untrained_model(folder: str, name: str = 'hp_j', frames: int = 16) -> str:
    """A small model that nobody has trained; its scores mean nothing.

    Args:
        folder: That of :func:`draw_dataset`, which is called if need
            be; gets ``runs/NAME`` and ``models/NAME``.
        name: A stream, or ``'hpnet'``.
        frames: Of a clip, that the model sees.

    Returns:
        ``models/NAME``, as ``save_pretrained`` writes it.
    """
    import torch
    from mmaction.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    from ..apis import load_trained, save_pretrained
    from ..apis.describing import describe
    from ..recipes import compose
    data, run, model = (osp.join(folder, *words) for words in (
        ('data', ), ('runs', name), ('models', name)))
    if not osp.isdir(data):
        draw_dataset(folder)
    torch.manual_seed(0)
    settings = dict(recipe='hpnet') if name == 'hpnet' else dict(
        recipe='stream', stream=name)
    with DefaultScope.overwrite_default_scope('mmaction'):
        config = Config(compose(data_root=data, size='small', frames=frames,
                                **settings))
        config.default_scope = 'mmaction'
        net = MODELS.build(config.model)
    for weights in net.parameters():
        # heads begin so small that all scores are about equal
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, 0, weights[0].numel()**-.5)
    os.makedirs(run)
    checkpoint = osp.join(run, 'epoch_1.pth')
    torch.save(dict(state_dict=net.state_dict(), meta=dict(hpnet=describe(
        config.to_dict(), name).to_json())), checkpoint)
    save_pretrained(load_trained(checkpoint), model)
    return model


def fill_video(path: str, frames: int, size: tuple[int, int] = (160, 120),
               copies: int = 1, seed: int = 0) -> None:
    """Write a video whose content does not matter.

    Args:
        path: The file.
        frames: Frames that are encoded.
        size: Width and height.
        copies: How often they follow each other, without being encoded
            again.
        seed: Of the noise in it.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (min(frames, GRAIN), 12, 16, 3), np.uint8)
    factor = -(-size[0] // 16), -(-size[1] // 12)

    def image(i: int) -> np.ndarray:
        return coarse[i % len(coarse)].repeat(factor[1], 0).repeat(
            factor[0], 1)[:size[1], :size[0]]

    write_video(path, map(image, range(frames)), copies,
                dict(preset='ultrafast', bf='0'))


def write_video(path: str, images: Iterable[np.ndarray], copies: int = 1,
                options: dict[str, str] | None = None, rate: int = 30,
                codec: str = 'libx264', pix_fmt: str = 'yuv420p') -> None:
    """Write frames (H, W, 3) uint8 RGB.

    Args:
        path: The file.
        images: The frames.
        copies: How often all of them follow each other. More than one
            needs an encoder that keeps the order of the frames.
        options: Of the encoder.
        rate: Frames a second.
        codec: The encoder.
        pix_fmt: What it takes.
    """
    import av
    images = iter(images)
    first = next(images)
    with av.open(path, 'w') as container:
        stream: Any = container.add_stream(codec, rate=rate,
                                           options=options or {})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.thread_count = 1
        packets, count = [], 0
        for image in itertools.chain((first, ), images):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame.pts, frame.time_base = count, Fraction(1, rate)
            count += 1
            packets += stream.encode(frame)
            if copies == 1:  # nothing is kept
                container.mux(packets)
                packets = []
        packets += stream.encode()
        if copies == 1:
            container.mux(packets)
            return
        kept = [(bytes(packet), packet.pts, packet.dts, packet.time_base,
                 packet.is_keyframe) for packet in packets]
        for copy in range(copies):
            for data, pts, dts, time_base, is_key in kept:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, time_base
                shift = int(Fraction(copy * count, rate) / time_base)
                packet.pts, packet.dts = pts + shift, dts + shift
                packet.is_keyframe = is_key
                container.mux(packet)


def tiny_net(folder: str) -> tuple[str, str]:
    """The tiny pose net of this package as an ONNX file.

    Returns:
        The file, and the name of its tap.
    """
    import onnx

    from ..estimation import zoo
    from ..estimation.export import export_pose_net
    from ..estimation.pose import build_pose_net
    choice = zoo.choose_pose('tiny')
    net: Any = build_pose_net(choice.file, choice.checkpoint, choice.taps)
    data, names = export_pose_net(net.model, net.kept, net.size,
                                  dict(net.record, taps=list(choice.taps)))
    graph = onnx.load_from_string(data)
    # the tap is one of its tensors then; its only output are the heatmaps
    del graph.graph.output[names.index(TINY_TAP):]
    path = osp.join(folder, 'tiny.onnx')
    onnx.save(graph, path)
    return path, TINY_TAP


def _rows(boxes: np.ndarray) -> list:
    return [[[round(float(v), 2) for v in one] + [1.0] for one in frame]
            for frame in boxes.transpose(1, 0, 2)]


def _write(folder: str, boxes: dict[str, list]) -> str:
    path = osp.join(folder, 'boxes.json')
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(boxes, file)
    return path

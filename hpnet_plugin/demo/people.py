"""Clips, data sets and training crops of moving people, all joints known.

Eight actions. Two pairs of them, drink and phone, box and bag, have the very
same motion: a clip of the one differs from the clip of the other with the
same number only in the thing held, so that joints cannot tell them apart.
"""
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np

from . import drawing, figure

FPS = 16
SIZES = ((160, 120), (240, 180), (320, 240))  # width, height of a video


class Action(NamedTuple):
    """A class of the data set."""
    short: str  # begins the names of its clips
    name: str
    motion: Callable
    thing: tuple | None = None  # kind, RGB


ACTIONS = (
    Action('cup', 'drink from a red cup', figure.raise_to_head,
           ('cup', (214, 34, 38))),
    Action('phone', 'talk on a dark phone', figure.raise_to_head,
           ('phone', (42, 44, 52))),
    Action('box', 'carry a box', figure.carry, ('box', (176, 126, 72))),
    Action('bag', 'carry a bag', figure.carry, ('bag', (44, 150, 84))),
    Action('wave', 'wave', figure.wave),
    Action('pickup', 'pick up', figure.pick_up),
    Action('kick', 'kick', figure.kick),
    Action('jump', 'jumping jack', figure.jumping_jack),
)
CLASSES = tuple(action.name for action in ACTIONS)
PAIRS = ((0, 1), (2, 3))  # labels that differ only in the thing held
_MOTIONS = list(dict.fromkeys(action.motion for action in ACTIONS))


class Clip(NamedTuple):
    """A rendered clip of P people; the acting one is the first."""
    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    boxes: np.ndarray  # (P, T, 4) float32 xyxy, pixels
    joints: np.ndarray  # (P, T, 17, 2) float32, pixels


class Actor(NamedTuple):
    """A body placed in the picture, all in pixels."""
    joints: np.ndarray  # (T, 17, 3)
    head: np.ndarray  # (T, 3)
    toes: np.ndarray  # (T, 2, 3)
    gaze: np.ndarray  # (T, 3)
    unit: float
    girth: float
    floor: np.ndarray  # (T, 2), the place of the shadow

    def boxes(self):
        """Bounding boxes (T, 4) of the drawn body, without what it holds."""
        radius = .075 * self.unit
        around = np.concatenate([
            self.joints[..., :2], self.toes[..., :2],
            self.head[:, None, :2] - radius, self.head[:, None, :2] + radius],
                                1)
        margin = .035 * self.unit
        return np.concatenate([around.min(1) - margin,
                               around.max(1) + margin], -1)

    def draw(self, image, t, wear, thing=None, hold=1):
        drawing.person(image, self.joints[t], self.head[t], self.toes[t],
                       self.gaze[t], self.unit, self.girth, wear, thing, hold)


def place(body, unit, origin):
    """Put a figure into the picture: origin (2,) is its place on the floor."""
    shift = np.r_[origin, 0]
    floor = body.joints[:, 11:13].mean(1) * [1, 0, 0]
    return Actor(
        joints=body.joints * unit + shift,
        head=body.head * unit + shift,
        toes=body.toes * unit + shift,
        gaze=body.gaze,
        unit=unit,
        girth=body.build.girth,
        floor=(floor * unit + shift)[:, :2])


def extent(body):
    """Left, top, right, bottom of all a figure's boxes, in body heights."""
    boxes = place(body, 1, np.zeros(2)).boxes()
    return np.r_[boxes[:, :2].min(0), boxes[:, 2:].max(0)]


def put_inside(rng, body, unit, width, height):
    """Put a figure at random where it is in the picture all the time."""
    return place(body, *room_for(rng, extent(body), unit, width, height))


def room_for(rng, reach, unit, width, height):
    """Size and place at random of a figure that is to be in the picture.

    Args:
        rng (np.random.Generator): source of all chance.
        reach (np.ndarray): (4,) what :func:`extent` gave.
        unit (float): its height in pixels; less where it would not fit.
        width (float): of the picture.
        height (float): likewise.

    Returns:
        tuple: height in pixels, and the place (2,) for :func:`place`.
    """
    left, top, right, bottom = reach
    unit = min(unit, .98 * width / (right - left),
               .98 * height / (bottom - top))
    low = .01 * width - left * unit
    # where it only just fits, rounding may leave less than nothing
    x = rng.uniform(low, max(low, .99 * width - right * unit))
    low, high = .01 * height - top * unit, .99 * height - bottom * unit
    return unit, (x, low + (high - low) * rng.uniform(.5, 1))


def make_clip(label, number, seed=0, length=32):
    """Render one clip.

    Args:
        label (int): index into `ACTIONS`.
        number (int): which clip of the action.
        seed (int): seed of the data set.
        length (int): number of frames.

    Returns:
        Clip: depends on the arguments alone. Two labels of a pair give the
        same clip but for the thing held.
    """
    action = ACTIONS[label]
    rng = np.random.default_rng(
        [seed, _MOTIONS.index(action.motion), number])
    width, height = SIZES[rng.integers(len(SIZES))]
    t = np.arange(length) / FPS
    mirrored = bool(rng.integers(2))
    body = figure.pose(action.motion(rng, t), figure.Build.sample(rng),
                       mirrored)
    actor = put_inside(rng, body, height * rng.uniform(.66, .86), width,
                       height)
    wear = drawing.wardrobe(rng)
    scene = drawing.room(rng, width, height)
    light, cast = rng.uniform(.8, 1.12), rng.uniform(.95, 1.05, 3)
    grain = rng.uniform(1, 4)

    people = [actor]
    other = figure.pose(
        (figure.stroll, figure.wave)[rng.integers(2)](rng, t),
        figure.Build.sample(rng), bool(rng.integers(2)))
    other = put_inside(rng, other, actor.unit * rng.uniform(.55, .8), width,
                       height)
    other_wear = drawing.wardrobe(rng)
    gap = np.abs(other.floor[:, 0] - actor.floor[:, 0]).min()
    if gap > .5 * actor.unit:
        # farther away is higher up in the picture
        rise = [0, max(0, other.floor[0, 1] - actor.floor[0, 1] +
                       .12 * actor.unit), 0]
        rise[1] = min(rise[1], other.boxes()[:, 1].min())
        people.append(other._replace(
            joints=other.joints - rise, head=other.head - rise,
            toes=other.toes - rise, floor=other.floor - rise[:2]))

    thing = action.thing
    if thing is not None:
        thing = thing[0], np.array(thing[1]) * rng.uniform(.85, 1.12)
    frames = []
    for i in range(length):
        image = scene.copy()
        for one in people[::-1]:
            drawing.shadow(image, one.floor[i], one.unit)
        for one in people[:0:-1]:
            one.draw(image, i, other_wear)
        actor.draw(image, i, wear, thing, 0 if mirrored else 1)
        image = image * np.float32(light * cast) + np.float32(grain) * (
            rng.standard_normal(image.shape, np.float32))
        frames.append(np.clip(image, 0, 255).astype(np.uint8))
    return Clip(
        np.stack(frames),
        np.float32([one.boxes() for one in people]),
        np.float32([one.joints[..., :2] for one in people]))


def save_video(path, frames, fps=FPS):
    """Write frames as H.264; the file appears whole.

    Args:
        path (str | os.PathLike): the file.
        frames (Iterable[np.ndarray]): (H, W, 3) uint8 RGB each; they are
            taken one by one.
        fps (int): frames a second.
    """
    import av
    path = os.fspath(path)
    part = f'{path}.part.mp4'
    with av.open(part, 'w') as container:
        stream = container.add_stream('libx264', rate=fps)
        stream.pix_fmt = 'yuv420p'
        stream.thread_count = 1
        # x264's assembler code gives other files from run to run
        stream.options = {'crf': '20', 'preset': 'veryfast',
                          'x264-params': 'asm=0'}
        for i, image in enumerate(frames):
            if not i:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(
                av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())
    os.replace(part, path)


def _write_clip(task):
    """Make one clip and its video; what a worker process does."""
    folder, name, label, number, seed, length = task
    clip = make_clip(label, number, seed, length)
    save_video(os.path.join(folder, f'{name}.mp4'), clip.frames)
    return name, clip.boxes, clip.joints


def make_dataset(root, clips_per_class=24, test_share=1 / 3, length=32,
                 seed=0, workers=None):
    """Write a data set of videos, labels, splits and the truth.

    The folder gets ``videos/<clip>.mp4``, ``labels.txt`` ("<clip> <label>" a
    line), ``classes.txt`` (in label order), ``splits.json`` ({"train",
    "test"}: lists of clips; clips of a pair with the same number are on the
    same side), ``boxes.json`` ({clip: a list a frame of [x1, y1, x2, y2,
    score] a person}, for ``--detector boxes:FILE``) and ``truth.npz``
    ("<clip>/boxes" (P, T, 4) and "<clip>/joints" (P, T, 17, 2), pixels, the
    acting person first).

    Args:
        root (str | os.PathLike): the folder; it appears only when complete.
        clips_per_class (int): clips of each of the eight actions.
        test_share (float): the share of them in the test split.
        length (int): frames of a clip.
        seed (int): seed of everything.
        workers (int, optional): processes; default one a core.

    Raises:
        FileExistsError: the folder is there already.
        ValueError: a split would be empty.
    """
    root = os.fspath(root)
    if os.path.exists(root):
        raise FileExistsError(
            f'{root} exists already: remove it or choose another folder')
    test = round(clips_per_class * test_share)
    if not 0 < test < clips_per_class:
        raise ValueError(
            f'{clips_per_class} clips a class with a test share of '
            f'{test_share:g} leave a split empty: take more clips')
    part = f'{root}.part'
    shutil.rmtree(part, ignore_errors=True)
    videos = os.path.join(part, 'videos')
    os.makedirs(videos)
    names = {(label, number): f'{action.short}_{number:03d}'
             for label, action in enumerate(ACTIONS)
             for number in range(clips_per_class)}
    tasks = [(videos, name, label, number, seed, length)
             for (label, number), name in names.items()]
    truth, boxes = {}, {}
    with ProcessPoolExecutor(workers) as pool:
        for name, box, joints in pool.map(_write_clip, tasks, chunksize=4):
            truth[f'{name}/boxes'], truth[f'{name}/joints'] = box, joints
            boxes[name] = [
                [[round(float(v), 2) for v in one] + [1.0] for one in frame]
                for frame in box.transpose(1, 0, 2)]
    splits = {'train': [], 'test': []}
    for (_, number), name in names.items():
        splits['test' if number < test else 'train'].append(name)

    def write(name, text):
        with open(os.path.join(part, name), 'w', encoding='utf-8') as file:
            file.write(text)

    write('labels.txt', ''.join(
        f'{name} {label}\n' for (label, _), name in names.items()))
    write('classes.txt', '\n'.join(CLASSES) + '\n')
    write('splits.json', json.dumps(splits, indent=1))
    write('boxes.json', json.dumps(boxes))
    np.savez_compressed(os.path.join(part, 'truth.npz'), **truth)
    os.replace(part, root)


# ------------------------------------------------------ crops for a pose net
_TRAIN_MOTIONS = (figure.raise_to_head, figure.carry, figure.wave,
                  figure.pick_up, figure.kick, figure.jumping_jack,
                  figure.stroll, figure.flail, figure.flail, figure.flail)


class Crop(NamedTuple):
    """A picture of one person, cut out as top-down pose nets want it."""
    image: np.ndarray  # (h, w, 3) uint8 RGB
    joints: np.ndarray  # (17, 2) float32, pixels of the crop
    inside: np.ndarray  # (17,) bool, the joint is within the crop
    box_height: float  # height of the person's box in pixels of the crop


def _instant(rng):
    """One posture of any kind, (1, ...) frames, and the hand of a thing."""
    motion = _TRAIN_MOTIONS[rng.integers(len(_TRAIN_MOTIONS))]
    mirrored = bool(rng.integers(2))
    body = figure.pose(motion(rng, rng.uniform(0, 3, 1)),
                       figure.Build.sample(rng), mirrored)
    things = drawing.THINGS
    if motion is not figure.carry:
        things = [one for one in things if one not in ('box', 'bag')]
    thing = None
    if rng.random() < .6:
        thing = (things[rng.integers(len(things))],
                 rng.uniform(20, 220) + rng.uniform(-60, 60, 3))
    return body, thing, 0 if mirrored else 1


def make_crop(rng, size=(96, 128), padding=1.25, jitter=1.0):
    """Draw one random person and cut them out.

    The cut is mmpose's affine crop: a window of the crop's aspect around the
    box, padded, its middle at (w / 2, h / 2), its width spread over w pixels.

    Args:
        rng (np.random.Generator): source of all chance.
        size (tuple[int]): width and height of the crop in pixels.
        padding (float): window over box.
        jitter (float): how much the window is shifted (6 % of it), scaled
            (20 %) and turned (14 degrees), and how often something covers
            the person; 0 is the exact crop.

    Returns:
        Crop: the picture and its truth.
    """
    body, thing, hold = _instant(rng)
    unit = np.exp(rng.uniform(np.log(60), np.log(210)))
    left, top, right, bottom = extent(body) * unit
    side = int(1.35 * max(right - left, bottom - top))
    origin = np.array([side - left - right, side - top - bottom]) / 2
    actor = place(body, unit, origin)
    image = drawing.room(rng, side, side)
    if rng.random() < .3:
        other, other_thing, other_hold = _instant(rng)
        away = rng.choice([-1, 1]) * rng.uniform(.35, .8) * unit
        other = place(other, unit * rng.uniform(.5, .9),
                       origin + [away, -.08 * unit])
        drawing.shadow(image, other.floor[0], other.unit)
        other.draw(image, 0, drawing.wardrobe(rng), other_thing, other_hold)
    drawing.shadow(image, actor.floor[0], unit)
    actor.draw(image, 0, drawing.wardrobe(rng), thing, hold)
    if rng.random() < .15 * jitter:
        w, h = rng.uniform(.1, .3, 2) * side
        x, y = rng.uniform(0, side - w), rng.uniform(0, side - h)
        drawing.polygon(image, [[x, y], [x + w, y], [x + w, y + h],
                                [x, y + h]], rng.uniform(0, 255, 3))

    x1, y1, x2, y2 = actor.boxes()[0]
    width, height = size
    window = padding * max(x2 - x1, (y2 - y1) * width / height)
    shift, scale, turn = rng.uniform(-1, 1, 2), *rng.uniform(-1, 1, 2)
    centre = np.array([x1 + x2, y1 + y2]) / 2 + .06 * jitter * window * shift
    window *= 1 + .2 * jitter * scale
    # getRotationMatrix2D turns about the centre, which then moves to (w, h)/2
    matrix = cv2.getRotationMatrix2D(centre.tolist(), 14 * jitter * turn,
                                     width / window)
    matrix[:, 2] += np.array(size) / 2 - centre
    image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
    joints = actor.joints[0, :, :2] @ matrix[:, :2].T + matrix[:, 2]
    if rng.random() < .3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(.3, 1))
    image = (image * (rng.uniform(.65, 1.2) * rng.uniform(.92, 1.08, 3)) +
             rng.uniform(-15, 15) +
             rng.normal(0, rng.uniform(1, 7), image.shape))
    return Crop(
        np.clip(image, 0, 255).astype(np.uint8), np.float32(joints),
        ((joints >= 0) & (joints <= np.array(size) - 1)).all(-1),
        float((y2 - y1) * width / window))

"""The tracker: IDF1 and switches where people cross.

Scenes of 2 to 6 people who walk through each other, as a detector sees them:
boxes are inexact, some are missed, who is covered gets a lower score and is
not seen at all behind another, and now and then there is a box of nobody.
The tracker of this package stands beside ByteTrack of supervision (pip
install supervision==0.25.1; later ones are without it), whose rows are left
out where it is not installed. Every figure is the mean over the scenes with
its standard deviation.
"""
from __future__ import annotations

import argparse
import sys

import numpy as np

from .common import Tables, positive

WIDTH, HEIGHT, FRAMES = 1280, 720, 150
MATCH_IOU = 0.5
HIDDEN = 0.7  # covered share from which on nobody is detected
PLACE_NOISE = 0.02  # of a box's height
MISSED, GHOSTS = 0.05, 0.05  # share of boxes, boxes a frame


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark tracking``."""
    parser.add_argument('--scenes', type=positive, default=20,
                        help='number of scenes for each number of people '
                        '(default 20)')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    return {f'{FRAMES} frames, {args.scenes} scenes of each number of people':
            measure(args.scenes)}


def draw_scene(count: int, seed: int
               ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """People who walk to and fro and cross.

    Args:
        count: Number of people.
        seed: Of everything.

    Returns:
        For each frame the true boxes (K, 4) of who can be seen, their
        numbers (K,), and what a detector gives, (D, 5).
    """
    rng = np.random.default_rng([count, seed])
    t = np.arange(FRAMES)
    depth = np.sort(rng.uniform(0.6, 1, count))  # the nearest last
    height = 420 * depth
    speed = rng.uniform(4, 9, count) * depth * rng.choice((-1, 1), count)
    start = rng.uniform(100, WIDTH - 100, count)
    x = (start[:, None] + speed[:, None] * t) % (2 * (WIDTH - 120))
    x = 60 + np.where(x > WIDTH - 120, 2 * (WIDTH - 120) - x, x)
    gait = rng.uniform(0.15, 0.3, count)[:, None] * t
    width = height[:, None] * (0.3 + 0.12 * np.abs(np.sin(gait)))
    bottom = (300 + 380 * depth)[:, None] + 4 * np.sin(2 * gait)
    truth = np.stack((x - width / 2, bottom - height[:, None], x + width / 2,
                      bottom), -1)
    scene = []
    for boxes in truth.transpose(1, 0, 2):
        covered = np.array([_covered(boxes[k], boxes[k + 1:])
                            for k in range(count)])
        seen = np.flatnonzero(covered < HIDDEN)
        found = seen[rng.random(len(seen)) >= MISSED]
        score = 0.9 - 0.6 * covered[found] + rng.normal(0, .05, len(found))
        noise = rng.normal(0, PLACE_NOISE, (len(found), 4))
        given = boxes[found] + noise * height[found, None]
        given = np.c_[given, score.clip(0.1, 1)]
        if rng.random() < GHOSTS:
            corner = rng.uniform(0, (WIDTH - 150, HEIGHT - 350))
            given = np.r_[given, [[*corner, *corner + (120, 320),
                                   rng.uniform(0.3, 0.6)]]]
        scene.append((boxes[seen], seen, rng.permutation(given)))
    return scene


def _covered(box: np.ndarray, nearer: np.ndarray) -> float:
    """Largest share of a box that one of the nearer boxes covers."""
    if not len(nearer):
        return 0.
    inner = (np.minimum(box[2:], nearer[:, 2:])
             - np.maximum(box[:2], nearer[:, :2])).clip(0).prod(1)
    return (inner / (box[2:] - box[:2]).prod()).max()


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes (N, 4) and (K, 4): (N, K)."""
    inner = (np.minimum(a[:, None, 2:4], b[None, :, 2:4])
             - np.maximum(a[:, None, :2], b[None, :, :2])).clip(0).prod(-1)
    areas = [(boxes[:, 2:4] - boxes[:, :2]).prod(-1) for boxes in (a, b)]
    return inner / (areas[0][:, None] + areas[1] - inner)


def evaluate(truth: list, found: list) -> tuple[float, int]:
    """IDF1 and identity switches of a clip.

    IDF1 (Ristani et al., ECCVW 2016) pairs true with found people over the
    whole clip, one to one, so that the number of frames in which a pair
    overlaps is largest: 2 IDTP / (true boxes + found boxes). A switch is a
    frame in which a true person, paired frame by frame (Hungarian method,
    pairs of the frame before are kept while they overlap), has another
    number than the last time.

    Args:
        truth: For each frame boxes (K, 4) and numbers (K,).
        found: The same of the tracker.

    Returns:
        IDF1 and the number of switches.
    """
    from scipy.optimize import linear_sum_assignment
    names = [sorted({int(n) for _, numbers in side for n in numbers})
             for side in (truth, found)]
    together = np.zeros([len(side) for side in names])
    last, switches = {}, 0
    for (boxes, people), (given, ids) in zip(truth, found):
        quality = iou(boxes, given)
        near = quality >= MATCH_IOU
        rows = np.searchsorted(names[0], people)
        columns = np.searchsorted(names[1], ids)
        for i, j in np.argwhere(near):
            together[rows[i], columns[j]] += 1
        kept = np.array([[last.get(int(p)) == int(n) for n in ids]
                         for p in people]).reshape(near.shape)
        i, j = linear_sum_assignment(np.where(near, quality + kept, 0),
                                     maximize=True)
        for person, number in zip(people[i[near[i, j]]], ids[j[near[i, j]]]):
            switches += last.get(int(person), int(number)) != int(number)
            last[int(person)] = int(number)
    i, j = linear_sum_assignment(together, maximize=True)
    boxes = sum(len(numbers) for side in (truth, found)
                for _, numbers in side)
    return 2 * together[i, j].sum() / max(boxes, 1), switches


def causal(scene: list) -> list:
    """Tracker of this package, frame by frame."""
    from ..estimation.tracking import Tracker
    tracker = Tracker()
    return [(given[:, :4], tracker.update(given)) for *_, given in scene]


def whole_clip(scene: list) -> list:
    """The same and who is kept of all people, as extraction does."""
    from ..estimation.selection import select
    from ..estimation.tracking import link
    boxes = [given for *_, given in scene]
    chosen = select(link(boxes), boxes, num_people=100)
    found = []
    for t, given in enumerate(boxes):
        slots = np.flatnonzero(chosen[:, t] >= 0)
        found.append((given[chosen[slots, t], :4], slots))
    return found


def bytetrack(scene: list) -> list:
    """ByteTrack of supervision with its own settings."""
    # nobody needs it but this measurement
    import supervision  # pyrefly: ignore[missing-import]
    tracker = supervision.ByteTrack()
    found = []
    for *_, given in scene:
        seen = tracker.update_with_detections(supervision.Detections(
            xyxy=given[:, :4].astype(np.float32),
            confidence=given[:, 4].astype(np.float32),
            class_id=np.zeros(len(given), int)))
        found.append((seen.xyxy.reshape(-1, 4), seen.tracker_id))
    return found


TRACKERS = {'ours, frame by frame': causal, 'ours, whole clip': whole_clip,
            'ByteTrack (supervision)': bytetrack}


def measure(scenes: int) -> list[dict]:
    """Rows of tracker and number of people, scenes of each."""
    rows = []
    for name, track in TRACKERS.items():
        for count in range(2, 7):
            results = []
            try:
                for seed in range(scenes):
                    scene = draw_scene(count, seed)
                    results.append(evaluate([part[:2] for part in scene],
                                            track(scene)))
            except (ImportError, AttributeError) as error:
                print(f'{name} is left out: {error}', file=sys.stderr)
                break
            idf1, switches = np.array(results, float).T
            rows.append(dict(
                tracker=name, people=count, scenes=scenes,
                idf1=round(float(idf1.mean()), 4),
                idf1_std=round(float(idf1.std()), 4),
                switches=round(float(switches.mean()), 2),
                switches_std=round(float(switches.std()), 2)))
    return rows

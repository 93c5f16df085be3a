"""Joints, and what is pooled at them, drawn on frames.

Images are RGB arrays (H, W, 3) uint8; joints are (M, V, 2) in pixels of the
image, M people with the V = 17 joints of COCO; scores and energies (M, V).
Joints with a score of zero were not found and are not drawn.
"""
from __future__ import annotations

import cv2
import numpy as np

JOINTS = ('nose', 'left eye', 'right eye', 'left ear', 'right ear',
          'left shoulder', 'right shoulder', 'left elbow', 'right elbow',
          'left wrist', 'right wrist', 'left hip', 'right hip', 'left knee',
          'right knee', 'left ankle', 'right ankle')
LIMBS = ((0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8),
         (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14),
         (14, 16))

LEFT, RIGHT, MIDDLE = (70, 170, 255), (255, 150, 50), (240, 240, 240)
# cv2 takes coordinates with this many binary digits after the point.
SHIFT = 4


def joint_names(count: int) -> list[str]:
    """Names of joints: COCO's where there are 17, else their numbers.

    Args:
        count: V.

    Returns:
        V names.
    """
    return list(JOINTS) if count == len(JOINTS) else [
        f'joint {i}' for i in range(count)]


def pooled_energy(pooled_feat: np.ndarray) -> np.ndarray:
    """L2 norm over the channels.

    Args:
        pooled_feat: (M, T, V, C).

    Returns:
        (M, T, V) float32.
    """
    return np.linalg.norm(pooled_feat.astype(np.float32), axis=-1)


def energy_limits(energy: np.ndarray, scores: np.ndarray
                  ) -> tuple[float, float]:
    """Limits for colours and dots: where 96 % of the energies lie.

    Args:
        energy: (...), energies.
        scores: (...), zero where no joint was found.

    Returns:
        Low and high; (0, 1) where no joint was found.
    """
    found = energy[scores > 0]
    if not found.size:
        return 0., 1.
    low, high = np.percentile(found, (2, 98))
    return float(low), float(high)


def people_box(joints: np.ndarray, scores: np.ndarray, margin: float = 0.2
               ) -> np.ndarray | None:
    """The box around all joints found, with room around it.

    Args:
        joints: (..., V, 2).
        scores: (..., V).
        margin: Room at each side, as a share of the longer side.

    Returns:
        X1, y1, x2, y2, or None where no joint is found.
    """
    found = joints[scores > 0]
    if not len(found):
        return None
    low, high = found.min(0), found.max(0)
    room = margin * (high - low).max()
    return np.concatenate([low - room, high + room])


def zoom(frame: np.ndarray, joints: np.ndarray, box: np.ndarray | None,
         height: int = 420) -> tuple[np.ndarray, np.ndarray]:
    """Cut a box out of a frame and bring it to a height.

    Lines drawn afterwards are equally thick whatever the person's size.

    Args:
        frame: (H, W, 3) uint8.
        joints: (M, V, 2).
        box: x1, y1, x2, y2; cut at the frame's edges. The whole frame if None.
        height: Of the result, in pixels.

    Returns:
        The image and the joints in it.
    """
    rows, columns = frame.shape[:2]
    if box is None:
        box = np.array([0, 0, columns, rows])
    x1, y1 = np.floor(np.clip(box[:2], 0, (columns - 1, rows - 1))).astype(int)
    x2, y2 = np.ceil(np.clip(box[2:], (x1 + 1, y1 + 1),
                             (columns, rows))).astype(int)
    factor = height / (y2 - y1)
    size = (max(1, round((x2 - x1) * factor)), height)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    image = cv2.resize(frame[y1:y2, x1:x2], size, interpolation=way)
    # Pixel centres lie at whole numbers, before and after.
    return image, (joints - (x1, y1) + 0.5) * factor - 0.5


def draw_joints(image: np.ndarray, joints: np.ndarray, scores: np.ndarray,
                tags: bool = True) -> np.ndarray:
    """Draw people: left limbs blue, right ones orange, the rest white.

    Args:
        image: (H, W, 3) uint8; stays as it is.
        joints: (M, V, 2).
        scores: (M, V).
        tags: Number the people, if there are several.

    Returns:
        (H, W, 3) uint8.
    """
    image = np.ascontiguousarray(image).copy()
    thick = max(1, round(2.2 * _unit(joints, scores)))
    # A dark rim keeps the colours apart from any background.
    for rim in (True, False):
        for person, found in zip(joints, scores > 0):
            for a, b in LIMBS:
                if found[a] and found[b]:
                    color = (20, 20, 20) if rim else _side_color(a, b)
                    cv2.line(image, cv_point(person[a]), cv_point(person[b]),
                             color, thick + 2 * rim, cv2.LINE_AA, SHIFT)
            for v in np.flatnonzero(found):
                color = (20, 20, 20) if rim else _side_color(v, v)
                cv2.circle(image, cv_point(person[v]),
                           round((1.3 * thick + rim) * 2**SHIFT), color,
                           cv2.FILLED, cv2.LINE_AA, SHIFT)
    if tags and len(joints) > 1:
        for number, (person, found) in enumerate(zip(joints, scores > 0), 1):
            if found.any():
                _tag(image, person[found], str(number), thick / 4)
    return image


def draw_energy(image: np.ndarray, joints: np.ndarray, scores: np.ndarray,
                energy: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Draw joints in the size and colour of their pooled energy.

    Args:
        image: (H, W, 3) uint8; drawn grey and darker.
        joints: (M, V, 2).
        scores: (M, V).
        energy: (M, V), of :func:`pooled_energy`.
        limits: Energies of the smallest and largest dot.

    Returns:
        (H, W, 3) uint8.
    """
    from matplotlib import colormaps
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    canvas = cv2.cvtColor((grey * 0.5).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    unit = _unit(joints, scores)
    low, high = limits
    level = np.clip((energy - low) / max(high - low, 1e-12), 0, 1)
    for person, found in zip(joints, scores > 0):
        for a, b in LIMBS:
            if found[a] and found[b]:
                cv2.line(canvas, cv_point(person[a]), cv_point(person[b]),
                         (150, 150, 150), max(1, round(unit)), cv2.LINE_AA,
                         SHIFT)
    # The strongest last, on top.
    for m, v in sorted(np.argwhere(scores > 0).tolist(),
                       key=lambda at: level[at[0], at[1]]):
        color = colormaps['inferno'](0.15 + 0.8 * level[m, v])[:3]
        radius = unit * (2.5 + 7 * level[m, v])
        for extra, shade in ((unit, (20, 20, 20)),
                             (0, [round(255 * c) for c in color])):
            cv2.circle(canvas, cv_point(joints[m, v]),
                       round((radius + extra) * 2**SHIFT), shade,
                       cv2.FILLED, cv2.LINE_AA, SHIFT)
    return canvas


def _side_color(a: int, b: int) -> tuple[int, int, int]:
    sides = {JOINTS[a].split()[0], JOINTS[b].split()[0]} - {'nose'}
    if sides == {'left'}:
        return LEFT
    return RIGHT if sides == {'right'} else MIDDLE


def cv_point(xy: np.ndarray) -> tuple[int, int]:
    """A place as cv2 takes it with :data:`SHIFT`.

    Args:
        xy: (2,) in pixels.

    Returns:
        x and y in parts of a pixel.
    """
    x, y = (round(float(v) * 2**SHIFT) for v in xy)
    return x, y


def _unit(joints: np.ndarray, scores: np.ndarray) -> float:
    """Thickness to draw in: a 300th of the tallest person, in pixels."""
    tall = [np.ptp(person[found], axis=0).max()
            for person, found in zip(joints, scores > 0) if found.any()]
    return max([0.5, *(t / 300 for t in tall)])


def _tag(image: np.ndarray, joints: np.ndarray, text: str, scale: float
         ) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX,
                                         scale, 1)
    pad = round(height * 0.6)
    x = round(float(joints[:, 0].mean()) - width / 2)
    y = max(round(float(joints[:, 1].min()) - 2.2 * height), height + pad)
    cv2.rectangle(image, (x - pad, y - height - pad),
                  (x + width + pad, y + pad), (20, 20, 20), cv2.FILLED)
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale,
                (255, 255, 255), max(1, round(scale * 1.5)), cv2.LINE_AA)

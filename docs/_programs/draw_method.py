"""Draws docs/images/method.svg and method_dark.svg, the method in a picture.

python docs/_programs/draw_method.py
"""
from __future__ import annotations

from html import escape
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / 'images'
WIDTH, HEIGHT = 1000, 600
LIGHT = dict(ink='#1f2328', faint='#57606a', line='#57606a',
             once='#ddf4ff', once_line='#54aeff',
             kept='#fff8c5', kept_line='#bf8700',
             train='#dafbe1', train_line='#2da44e')
DARK = dict(ink='#f0f6fc', faint='#b1bac4', line='#9198a1',
            once='#0c2d4a', once_line='#4493f8',
            kept='#3b2e04', kept_line='#d29922',
            train='#0f3019', train_line='#3fb950')
# name: left, top, width, height, colour, title, what it does
BOXES = dict(
    video=(10, 40, 110, 64, 'once', 'Video', 'decoded once'),
    detect=(212, 40, 110, 64, 'once', 'Detect', 'RTMDet, YOLOX'),
    track=(404, 40, 110, 64, 'once', 'Track', 'M people, crops'),
    pose=(632, 40, 128, 64, 'once', 'Pose net', 'one map is tapped'),
    pool=(876, 40, 114, 64, 'once', 'Pool', 'at the joints'),
    folder=(10, 192, 980, 52, 'kept', 'Dataset folder',
            'written once, read by every training: joints and pooled '
            'features, person crops, class names, labels, splits'),
    text=(10, 328, 190, 64, 'train', 'X-CLIP text tower',
          'frozen, from CLIP'),
    smclm=(272, 328, 190, 64, 'train', 'SMCLM',
           '3 × CTR-GCN: j, b, jm'),
    vision=(534, 328, 190, 64, 'train', 'X-CLIP video tower',
            'ViT-B/16 across frames'),
    stream=(796, 328, 194, 64, 'train', 'One stream: CTR-GCN',
            'hp_j, hp_b, hp_jm, hp_bm'),
    trmm=(272, 462, 190, 64, 'train', 'TRMM',
          'the clip refines the text'),
    match=(534, 462, 190, 64, 'train', 'X-CLIP match',
           'scaled cosine'),
    fuse=(796, 462, 194, 64, 'train', 'Fusion',
          'weighted sum, by clip name'),
)
# points of a line, then (x, y, anchor, text above, text below)
ARROWS = [
    ([(120, 72), (210, 72)], (165, 72, 'frames', 'T×H×W×3')),
    ([(322, 72), (402, 72)], (362, 72, 'boxes', 'T×n×5')),
    ([(514, 72), (630, 72)], (572, 72, 'crops', 'MT×3×256×192')),
    ([(760, 72), (874, 72)],
     (817, 72, 'map, joints', 'MT×96×32×24\nMT×17×2')),
    ([(933, 104), (933, 190)], (925, 152, '', 'M × T × 17 × 96')),
    ([(105, 244), (105, 326)], (113, 290, '', 'K class names')),
    ([(367, 244), (367, 326)], (375, 290, '', 'N×2×64×17×96')),
    ([(629, 244), (629, 326)], (637, 290, '', 'N×8×3×224×224')),
    ([(893, 244), (893, 326)], (885, 290, '', 'N×2×64×17×96')),
    ([(105, 392), (105, 494), (270, 494)], (186, 494, 'text', 'K × 512')),
    ([(367, 392), (367, 460)], (375, 432, '', 'N × 768')),
    ([(629, 392), (629, 460)], (637, 432, '', 'N × 512')),
    ([(893, 392), (893, 460)], (901, 432, '', 'N × K logits')),
    ([(462, 494), (532, 494)], (497, 494, 'text′', 'N×K×512')),
    ([(724, 494), (794, 494)], (759, 494, 'scores', 'N × K')),
    ([(893, 526), (893, 566)], (893, 584, '', '')),
]


def text(x: float, y: float, words: str, colours: dict[str, str],
         size: float = 13, anchor: str = 'middle', weight: str = 'normal',
         colour: str = 'ink', family: str = 'sans-serif') -> str:
    """A line of text."""
    return (f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}"'
            f' font-weight="{weight}" font-family="{family}" '
            f'fill="{colours[colour]}">{escape(words)}</text>')


def box(left: int, top: int, width: int, height: int, kind: str, title: str,
        about: str, colours: dict[str, str]) -> list[str]:
    """A box with a title and what it does."""
    x, y = left + width / 2, top + height / 2
    return [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" '
        f'rx="7" fill="{colours[kind]}" stroke="{colours[kind + "_line"]}" '
        'stroke-width="1.5"/>',
        text(x, y - 4, title, colours, 15, weight='bold'),
        text(x, y + 15, about, colours, 11.5, colour='faint')]


def arrow(points: list[tuple[int, int]], label: tuple[int, int, str, str],
          colours: dict[str, str]) -> list[str]:
    """An arrow with what it carries: a name above, its shape below."""
    path = ' L'.join(f'{x},{y}' for x, y in points)
    lines = [f'<path d="M{path}" fill="none" stroke="{colours["line"]}" '
             'stroke-width="1.6" marker-end="url(#head)"/>']
    x, y, above, below = label
    if above:  # along a line from left to right
        lines.append(text(x, y - 8, above, colours, 12))
        lines += [text(x, y + 17 + 15 * i, words, colours, 12,
                       family='monospace', colour='faint')
                  for i, words in enumerate(below.split('\n'))]
    elif below:  # beside a line from top to bottom
        anchor = 'start' if x > points[0][0] else 'end'
        lines.append(text(x, y, below, colours, 12, anchor,
                          family='monospace', colour='faint'))
    return lines


def picture(colours: dict[str, str]) -> str:
    """The whole picture, as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="How a video becomes a score">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="6" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{colours["line"]}"/></marker>'
        '</defs>',
        text(10, 22, 'Once for each video: hpnet extract', colours, 13,
             'start', 'bold', 'faint'),
        text(10, 558, 'HP-Net and its streams: hpnet train', colours, 13,
             'start', 'bold', 'faint'),
        text(10, 580, 'N clips, M people, T frames, n boxes, K classes; '
             '17 joints; 96 channels of a map of HRNet-W48', colours, 12,
             'start', colour='faint'),
        text(893, 586, 'score of each action, N × K', colours, 13,
             weight='bold')]
    for entry in BOXES.values():
        parts += box(*entry, colours)
    for points, label in ARROWS:
        parts += arrow(points, label, colours)
    return '\n'.join([*parts, '</svg>\n'])


if __name__ == '__main__':
    for name, colours in dict(method=LIGHT, method_dark=DARK).items():
        (OUT / f'{name}.svg').write_text(picture(colours), encoding='utf-8')

"""Text on images, in any script for which this machine has a font."""
from __future__ import annotations

import os.path as osp
import warnings
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont


@cache
def _font(size: int, bold: bool) -> FreeTypeFont:
    """matplotlib's own DejaVu Sans, which is wherever this package is."""
    from matplotlib import get_data_path
    from PIL import ImageFont
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(
        osp.join(get_data_path(), 'fonts', 'ttf', name), size)


@cache
def _letters() -> frozenset[int]:
    """Code points that DejaVu Sans has."""
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font
    return frozenset(FT2Font(osp.join(
        get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')).get_charmap())


@cache
def _other_font(text: str) -> tuple[str, int] | None:
    """File and face of an installed font that has all letters of a text."""
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font
    wanted = {ord(letter) for letter in text if not letter.isspace()}
    # those made for the scripts that DejaVu lacks are asked first
    fonts = sorted(fontManager.ttflist, key=lambda font: (
        'CJK' not in font.name, font.style != 'normal', font.name))
    for font in fonts:
        if font.name.startswith('Last Resort'):
            continue  # a frame for any letter
        try:
            if wanted <= FT2Font(font.fname).get_charmap().keys():
                return font.fname, getattr(font, 'index', 0)
        except (OSError, RuntimeError):
            continue  # a font that cannot be read is none
    return None


@lru_cache(4096)
def _font_of(text: str, size: int, bold: bool) -> FreeTypeFont:
    if {ord(letter) for letter in text if letter != ' '} <= _letters():
        return _font(size, bold)
    found = _other_font(text)
    if found is None:
        return _font(size, bold)  # boxes in place of letters
    from PIL import ImageFont
    return ImageFont.truetype(found[0], size, index=found[1])


def printable_names(classes: Sequence[str]) -> list[str]:
    """Class names as they can be drawn on this machine.

    A name with letters that no font here has would be a row of boxes, the
    same for every such class: its number in the list of classes is drawn
    instead, and a warning says so.

    Args:
        classes: Names in label order.

    Returns:
        Names of one line each; ``'class 3'`` for class 3 whose name cannot be
        drawn.
    """
    names, lacking = [], []
    for number, name in enumerate(classes):
        shown = ' '.join(name.split())
        if not ({ord(letter) for letter in shown if letter != ' '}
                <= _letters() or _other_font(shown)):
            lacking.append(name)
            shown = f'class {number}'
        names.append(shown)
    if lacking:
        warnings.warn(
            f'no font on this machine has the letters of {lacking[0]!r}'
            + (f' and {len(lacking) - 1} more class names'
               if len(lacking) > 1 else '')
            + '; the number of the class is drawn instead. Install a font '
            'for them, such as the package fonts-noto-cjk', stacklevel=2)
    return names


@lru_cache(4096)
def text_width(text: str, size: int, bold: bool = False) -> int:
    """Width of a text.

    Args:
        text: One line.
        size: Of the font, in pixels.
        bold: Whether in bold letters.

    Returns:
        In pixels.
    """
    return int(np.ceil(_font_of(text, size, bold).getlength(text)))


@lru_cache(4096)
def shorten(text: str, width: int, size: int, bold: bool = False) -> str:
    """The text, without its middle where it is too wide.

    Names of classes often differ at their ends.

    Args:
        text: One line.
        width: In pixels, at most.
        size: Of the font, in pixels.
        bold: Whether in bold letters.

    Returns:
        With ``…`` for what is left out.
    """
    if text_width(text, size, bold) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        end = kept // 3
        cut = (text[:kept - end].rstrip() + '…'
               + text[len(text) - end:].lstrip())
        if text_width(cut, size, bold) <= width:
            return cut
    return '…'


@lru_cache(512)
def _mask(text: str, size: int, bold: bool) -> tuple[np.ndarray, int, int]:
    """Coverage (h, w) uint8 of a text, and where it lies from its anchor.

    The anchor is the text's left end, in the middle of its capitals.
    """
    font = _font_of(text, size, bold)
    left, top, right, bottom = map(round, font.getbbox(text, anchor='ls'))
    middle = font.getbbox('H', anchor='ls')[1] / 2
    from PIL import Image, ImageDraw
    image = Image.new('L', (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), text, 255, font, anchor='ls')
    return np.array(image), left, round(top - middle)


def put_text(image: np.ndarray, text: str, x: float, y: float, size: int,
             color: Sequence[int], bold: bool = False) -> None:
    """Write a text on an image; what is outside of it is left out.

    Args:
        image: (H, W, 3) uint8 RGB, drawn upon.
        text: One line.
        x: Its left end, in pixels.
        y: The middle of its capital letters, in pixels.
        size: Of the font, in pixels.
        color: RGB.
        bold: Whether in bold letters.
    """
    mask, left, top = _mask(text, size, bold)
    x, y = round(x) + left, round(y) + top
    x1, y1 = max(x, 0), max(y, 0)
    x2 = min(x + mask.shape[1], image.shape[1])
    y2 = min(y + mask.shape[0], image.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    cover = mask[y1 - y:y2 - y, x1 - x:x2 - x, None].astype(np.uint16)
    place = image[y1:y2, x1:x2]
    place[:] = (place * (255 - cover)
                + np.array(color, np.uint16) * cover + 127) // 255

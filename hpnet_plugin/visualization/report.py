"""A report as one HTML page that holds its pictures itself.

The page is the template ``report.html`` with the style ``report.css``.
"""
from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.tables import is_numeric
from ..files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Image = Figure | np.ndarray

_WIDEST = 30  # letters of an interval that stays on one line


@dataclass(frozen=True)
class Picture:
    """A picture of a section.

    Args:
        image: A figure, or an RGB image (H, W, 3) uint8.
        caption: A line below it.
        large: Whether to show it at full size and let it scroll, instead of
            fitting it to the page.
    """
    image: Image
    caption: str = ''
    large: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a report; parts that are left out do not appear.

    Args:
        title: Its heading.
        text: A paragraph, or several.
        table: Rows of cells, the first row the header; columns of numbers are
            aligned at the right.
        figure: A picture or several.
    """
    title: str
    text: str | Sequence[str] = ''
    table: Sequence[Sequence[object]] | None = None
    figure: Picture | Image | Sequence[Picture | Image] | None = None


def write_report(out: str | PathLike, sections: Sequence[Section],
                 title: str = 'HP-Net report', lead: str = '') -> None:
    """Write a page that needs no other file.

    Args:
        out: The HTML file; it appears whole or not at all.
        sections: At least one; their texts are plain text and escaped.
        title: Of the page.
        lead: A paragraph below it.

    Raises:
        OSError: If the file cannot be written.
    """
    write_whole(out, _render(sections, title, lead).encode())


def encode(image: Image) -> tuple[str, bytes]:
    """Encode a figure as PNG, or an image as JPEG.

    Args:
        image: A figure, or an RGB image (H, W, 3) uint8.

    Returns:
        ``'png'`` or ``'jpeg'``, and the file.
    """
    if isinstance(image, np.ndarray):
        import cv2
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        data = cv2.imencode('.jpg', image[..., ::-1], quality)[1]
        return 'jpeg', data.tobytes()
    buffer = io.BytesIO()
    # No version of the drawing library in the file: same data, same page.
    image.savefig(buffer, format='png', metadata={'Software': None})
    return 'png', buffer.getvalue()


def _render(sections: Sequence[Section], title: str, lead: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, undefined=StrictUndefined,
        loader=FileSystemLoader(Path(__file__).parent))
    return environment.get_template('report.html').render(
        title=title, lead=lead, sections=[_shown(s) for s in sections])


def _shown(section: Section) -> dict[str, Any]:
    """A section as the template takes it."""
    texts = [section.text] if isinstance(section.text, str) else section.text
    rows = [[_whole(str(cell)) for cell in row]
            for row in section.table or ()]
    pictures = section.figure
    if pictures is None:
        pictures = []
    elif isinstance(pictures, np.ndarray) or not isinstance(
            pictures, Sequence):
        pictures = [pictures]
    return dict(
        title=section.title, text=[text for text in texts if text],
        table=rows,
        numeric=[is_numeric(column[1:]) for column in zip(*rows)],
        pictures=[_embedded(p if isinstance(p, Picture) else Picture(p))
                  for p in pictures])


def _whole(cell: str) -> str:
    """An interval stays on one line."""
    short = cell.startswith('[') and len(cell) < _WIDEST
    return cell.replace(' ', '\N{NO-BREAK SPACE}') if short else cell


def _embedded(picture: Picture) -> dict[str, Any]:
    kind, data = encode(picture.image)
    return dict(kind=kind, data=base64.b64encode(data).decode(),
                caption=picture.caption, large=picture.large)

"""A report as one HTML page that holds its pictures itself."""
import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.tables import is_numeric
from ..files import write_whole

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f5f7; color: #22262b;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
    "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em;
  margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; letter-spacing: -.01em; margin: 0 0 .6rem; }
p { margin: 0 0 .8rem; max-width: 44rem; white-space: pre-line; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem;
  margin: 1rem 0 1.6rem; font-size: .92rem; }
a { color: #0b61a4; text-decoration: none; }
a:hover { text-decoration: underline; }
section { background: #fff; border: 1px solid #e4e7eb; border-radius: 10px;
  padding: 1.3rem 1.4rem; margin: 0 0 1.1rem; scroll-margin-top: 1rem; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .36rem 1.3rem .36rem 0;
  border-bottom: 1px solid #eceef1; vertical-align: top;
  overflow-wrap: break-word; max-width: 26rem; }
th { color: #6b737d; font-weight: 500; border-bottom-color: #cfd4da;
  white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
figure { margin: 1rem 0 .4rem; }
figure img { display: block; max-width: 100%; height: auto;
  border-radius: 4px; }
.large img { max-width: none; }
figcaption { color: #6b737d; font-size: .9rem; margin-top: .45rem;
  max-width: 44rem; }
@media (max-width: 40rem) {
  main { padding: 1.4rem .6rem 3rem; }
  section { padding: 1rem .9rem; border-radius: 8px; }
  th, td { padding-right: .8rem; max-width: 16rem; }
  .chart img { min-width: 38rem; }
  h1 { font-size: 1.5rem; }
}
"""


@dataclass(frozen=True)
class Picture:
    """A picture of a section.

    Args:
        image (matplotlib.figure.Figure | np.ndarray): A figure, or an RGB
            image (H, W, 3) uint8.
        caption (str): A line below it.
        large (bool): Show it at full size and let it scroll, in place of
            fitting it to the page. Default: False.
    """
    image: Any
    caption: str = ''
    large: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a report; parts that are left out do not appear.

    Args:
        title (str): Its heading.
        text (str | Sequence[str]): A paragraph, or several.
        table (Sequence[Sequence], optional): Rows of cells, the first row
            the header; columns of numbers are set right.
        figure (Picture | Figure | np.ndarray | list, optional): A picture
            or several.
    """
    title: str
    text: str | Sequence[str] = ''
    table: Sequence[Sequence] | None = None
    figure: Any = None


def write_report(out, sections, title='HP-Net report', lead=''):
    """Write a page that needs no other file.

    Args:
        out (str): The HTML file; it appears whole or not at all.
        sections (Sequence[Section]): At least one; their texts are plain
            text and escaped.
        title (str): Of the page.
        lead (str): A paragraph below it.
    """
    write_whole(out, render(sections, title, lead).encode())


def render(sections, title='HP-Net report', lead=''):
    """The page of :func:`write_report` as text."""
    links = ''.join(f'<a href="#s{i}">{_escape(s.title)}</a>'
                    for i, s in enumerate(sections, 1))
    body = ''.join(_section(i, s) for i, s in enumerate(sections, 1))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, '
        f'initial-scale=1">\n<title>{_escape(title)}</title>\n'
        f'<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n'
        f'<h1>{_escape(title)}</h1>\n{_paragraphs(lead)}'
        f'<nav>{links}</nav>\n{body}</main>\n</body>\n</html>\n')


def _section(number, section):
    return (f'<section id="s{number}">\n<h2>{_escape(section.title)}</h2>\n'
            f'{_paragraphs(section.text)}{_table(section.table)}'
            f'{_figures(section.figure)}</section>\n')


def _paragraphs(text):
    texts = [text] if isinstance(text, str) else text
    return ''.join(f'<p>{_escape(t)}</p>\n' for t in texts if t)


def _table(rows):
    if not rows:
        return ''
    header, *body = [[str(cell) for cell in row] for row in rows]
    marks = [' class="number"' if is_numeric(column) else ''
             for column in zip(*body)] or [''] * len(header)
    lines = [''.join(f'<th{m}>{_escape(c)}</th>'
                     for c, m in zip(header, marks))]
    lines += [''.join(f'<td{m}>{_whole(_escape(c))}</td>'
                      for c, m in zip(row, marks)) for row in body]
    return ('<div class="scroll"><table>\n'
            + ''.join(f'<tr>{line}</tr>\n' for line in lines)
            + '</table></div>\n')


def _whole(cell):
    """An interval stays on one line."""
    short = cell.startswith('[') and len(cell) < 30
    return cell.replace(' ', '&nbsp;') if short else cell


def _figures(pictures):
    if pictures is None:
        return ''
    if not isinstance(pictures, (list, tuple)):
        pictures = [pictures]
    return ''.join(
        _figure(p if isinstance(p, Picture) else Picture(p))
        for p in pictures)


def _figure(picture):
    kind, data = encode(picture.image)
    source = f'data:image/{kind};base64,{base64.b64encode(data).decode()}'
    caption = _escape(picture.caption)
    style = 'scroll chart' if kind == 'png' else 'scroll'
    style += ' large' if picture.large else ''
    below = f'<figcaption>{caption}</figcaption>' if caption else ''
    return (f'<figure><div class="{style}"><img alt="{caption}" '
            f'src="{source}"></div>{below}</figure>\n')


def encode(image):
    """Encode a figure as PNG, or an RGB image (H, W, 3) uint8 as JPEG.

    Returns:
        tuple[str, bytes]: 'png' or 'jpeg', and the file.
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


def _escape(text):
    return html.escape(str(text), quote=True)

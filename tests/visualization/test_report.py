"""The HTML page: whole, self-contained, escaped."""
import base64
import html.parser
import os
import re

import cv2
import numpy as np
import pytest

from hpnet_plugin.visualization import Picture, Section, write_report
from hpnet_plugin.visualization.style import new_figure


class Page(html.parser.HTMLParser):
    """Tags in balance, texts and attributes at hand."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.cells = [], [], []
        self.feed(path.read_text(encoding='utf-8'))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ('td', 'th'):
            self.cells.append(data)

    def images(self):
        for tag, attrs in self.tags:
            if tag == 'img':
                data = re.fullmatch(r'data:image/\w+;base64,(.+)',
                                    attrs['src'])[1]
                yield cv2.imdecode(np.frombuffer(base64.b64decode(data),
                                                 np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture
def sections():
    figure, ((axis, ), ) = new_figure(3, 2)
    axis.plot([1, 2], [3, 4])
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    return [
        Section('A <b> & "c"', ['First <script>', 'Second'],
                [['name', 'top-1'], ['x<y', 12.5], ['z', '']], figure),
        Section('Pictures', figure=[red, Picture(red, 'A "red" one', True)])]


def test_page(tmp_path, sections):
    out = tmp_path / 'new' / 'page.html'
    write_report(out, sections, title='T & T', lead='Lead')
    page = Page(out)
    text = out.read_text(encoding='utf-8')
    assert '<script' not in text and 'First &lt;script&gt;' in text
    assert '<title>T &amp; T</title>' in text
    assert page.cells == ['name', 'top-1', 'x<y', '12.5', 'z']
    assert [t for t in page.tags if t[1].get('class') == 'number'] == [
        ('th', {'class': 'number'}), *[('td', {'class': 'number'})] * 2]
    chart, first, second = page.images()
    assert chart.shape == (240, 360, 3)
    np.testing.assert_allclose(first[20, 30], [0, 0, 254], atol=3)
    assert [a['alt'] for t, a in page.tags if t == 'img'] == [
        '', '', 'A "red" one']
    # nothing is fetched from anywhere
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert {a['href'][1:] for t, a in page.tags if t == 'a'} == {
        a['id'] for t, a in page.tags if t == 'section'}


def test_same_content_same_page(tmp_path, sections):
    for name in 'ab':
        write_report(tmp_path / name, sections)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_a_failure_leaves_the_old_page(tmp_path, sections):
    out = tmp_path / 'page.html'
    write_report(out, sections)
    before = out.read_bytes()
    with pytest.raises(AttributeError):
        write_report(out, [Section('x', figure='no figure')])
    assert out.read_bytes() == before
    assert os.listdir(tmp_path) == ['page.html']

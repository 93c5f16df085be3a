"""The page as visitors see it: by HTTP, and in a browser."""
import asyncio
import glob
import importlib.util
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from mmengine.logging import MMLogger

from hpnet_plugin.app import visits as visits_module
from hpnet_plugin.app.visits import Visits
from hpnet_plugin.demo import people

# It is imported when it was told where to store, see the fixture.
if importlib.util.find_spec('gradio') is None:
    pytest.skip('the page needs Gradio: make app', allow_module_level=True)
# Gradio's, about pandas.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
ANSWER = '.hp-timelines, .hp-empty, .hp-refused'
SECONDS = 1.5  # of a video that are looked at
ODD = '<b>x</b> & ${1+1}.mp4'


@pytest.fixture(scope='module')
def page(models, tmp_path_factory):
    """A page in this process, of a model that has learnt nothing."""
    from hpnet_plugin.apis import HPNetInferencer
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp('tmp')
    patch.setattr(tempfile, 'tempdir', str(folder))
    patch.setattr(visits_module, 'PERIOD', .2)
    patch.setenv('GRADIO_TEMP_DIR', '')
    visits = Visits()
    from hpnet_plugin.app import page as module
    from hpnet_plugin.app.page import Page
    patch.setattr(module, 'EXAMPLES', ((0, 25), ))
    patch.setattr(module, 'LONG', 3.)
    page = Page(HPNetInferencer(models('hp_j'), detector='frame'), visits,
                max_mb=1, max_seconds=SECONDS)
    page.address = page.launch(port=0)
    yield page
    page.close()
    visits.close()
    assert os.listdir(folder) == []
    patch.undo()
    # uvicorn closes the files of all loggers; mmengine would write on
    MMLogger._instance_dict.clear()


def until(condition):
    """Wait for what must come true, however long it takes."""
    while not condition():
        time.sleep(.05)


def until_nothing_is_stored(page, monkeypatch):
    """Wait until no upload and no visit lies on the disk.

    Only from now on: an upload that a loaded machine is slow to take stays.
    """
    monkeypatch.setattr(visits_module, 'IDLE', .5)
    until(lambda: set(os.listdir(page.visits.root)) <= {*visits_module.OWN}
          and not os.listdir(os.path.join(page.visits.root, 'visits')))


def upload(page, content, sent=None):
    """Send a file, or so many bytes of it; the status of the answer."""
    host, port = page.address.split('//')[1].strip('/').split(':')
    body = (b'--xx\r\nContent-Disposition: form-data; name="files"; '
            b'filename="clip.mp4"\r\n\r\n' + content + b'\r\n--xx--\r\n')
    head = (f'POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\n'
            'Content-Type: multipart/form-data; boundary=xx\r\n'
            f'Content-Length: {len(body)}\r\n\r\n').encode()
    with socket.create_connection((host, int(port))) as line:
        line.sendall(head + body[:sent])
        if sent is not None:
            return None
        return int(line.recv(100).split()[1])


def test_slow_and_broken_uploads_leave_nothing(page, monkeypatch):
    """50 at once: whole, too large, broken off, no form at all."""
    answers = []
    kinds = [lambda: upload(page, b'whole' * 1000),
             lambda: upload(page, b'large' * 300_000),
             lambda: upload(page, b'broken' * 1000, sent=3000),
             lambda: upload(page, b'', sent=10),
             lambda: upload(page, os.urandom(1000))]
    threads = [threading.Thread(
        target=lambda kind=kinds[i % 5]: answers.append(kind()))
        for i in range(50)]
    for thread in threads:
        thread.start()
    with urllib.request.urlopen(page.address) as answer:
        assert answer.status == 200  # the page is there all the while
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == 20 * [200] + 10 * [413] + 20 * [None]
    until_nothing_is_stored(page, monkeypatch)


def test_addresses_and_files_of_the_server_are_not_taken(page):
    """A client of one's own may name any path in place of an upload."""
    event, take = next((i, one) for i, one in page.blocks.fns.items()
                       if one.fn.__name__ == 'take')
    for path in ('https://example.org/x.mp4', '/etc/passwd',
                 f'{page.visits.root}/lock', f'{page.visits.root}/../x'):
        request = urllib.request.Request(
            f'{page.address}gradio_api/run/predict', json.dumps(dict(
                fn_index=event, session_hash='evil', data=[dict(
                    path=path, meta=dict(_type='gradio.FileData'))]
            )).encode(), {'Content-Type': 'application/json'})
        try:
            with urllib.request.urlopen(request) as answer:
                assert b'no longer here' in answer.read()
        except urllib.error.HTTPError as error:
            assert error.code == 500
        assert page.visits.of('evil') is None
    from gradio import Error
    with pytest.raises(Error, match='Only files'):
        asyncio.run(take.inputs[0].async_move_resource_to_block_cache(
            'https://example.org/x.mp4'))


@pytest.fixture(scope='module')
def browser():
    """Chromium of this machine."""
    if not CHROMIUM:
        pytest.skip('no Chromium here: apt-get install chromium')
    playwright = pytest.importorskip(
        'playwright.sync_api', reason='what drives the browser is missing: '
        'make browser')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def visitor(page, browser):
    """Opens the page in a phone of its own."""
    contexts = []

    def visit():
        contexts.append(browser.new_context(
            viewport=dict(width=390, height=844), has_touch=True,
            is_mobile=True))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(120_000)
        tab.goto(page.address)
        tab.wait_for_selector('#hp-examples .gallery-item')
        tab.wait_for_selector('#hp-upload input[type=file]',
                              state='attached')
        return tab

    yield visit
    for context in contexts:
        context.close()


def send(tab, path):
    tab.set_input_files('#hp-upload input[type=file]', str(path))


def answer(tab):
    tab.wait_for_selector(ANSWER)
    return tab.locator('#hp-status').inner_text()


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A video with an odd name, and what is none."""
    folder = tmp_path_factory.mktemp('videos')
    odd = folder / 'odd.mp4'
    people.save_video(odd, people.make_clip(4, 3, length=32).frames)
    (folder / 'wrong.mp4').write_text('no video')
    (folder / 'large.mp4').write_bytes(np.random.bytes(1_500_000))
    return folder


def test_visitors_in_a_browser(page, visitor, videos, monkeypatch):
    """Two at once, an example, what is no video, and who leaves."""
    first, second = visitor(), visitor()
    # the same file: Gradio gives both the same path
    odd = dict(name=ODD, mimeType='video/mp4',
               buffer=(videos / 'odd.mp4').read_bytes())
    for tab in (first, second):
        tab.set_input_files('#hp-upload input[type=file]', odd)
    for tab in (first, second):
        said = answer(tab)
        assert '1 person' in said and 'the first 1.5 s' in said
        # whatever is left of the name is no markup
        assert tab.locator('.hp-summary b').count() == 0
        assert tab.locator('.hp-timelines .hp-row').count() == 1
        assert tab.locator('.hp-bars li').count() == 10
        assert tab.locator('.hp-energy img').count() == 2
        assert tab.evaluate('document.documentElement.scrollWidth') <= 390
    assert len(os.listdir(os.path.join(page.visits.root, 'visits'))) == 2

    # the overlay is a video that plays, and a click seeks it
    second.wait_for_function(
        "document.querySelector('#hp-overlay video').duration > 1")
    second.evaluate("""() => {
        const video = document.querySelector('#hp-overlay video');
        video.pause(); video.currentTime = 1;
        document.querySelector('.hp-bar button').dataset.seek = '0.5';
        video.play = async () => {};
    }""")
    second.locator('.hp-bar button').first.click()
    assert second.evaluate("document.querySelector('#hp-overlay video')"
                           '.currentTime') == pytest.approx(.5, abs=.1)
    with second.expect_download() as download:
        second.locator('#hp-json').click()
    with open(download.value.path(), encoding='utf-8') as file:
        result = json.load(file)
    assert result['video']['duration'] == pytest.approx(SECONDS)
    assert len(result['timelines']) == 1

    first.context.close()
    until(lambda: len(os.listdir(
        os.path.join(page.visits.root, 'visits'))) == 1)

    send(second, videos / 'wrong.mp4')
    second.wait_for_selector('.hp-busy')
    assert 'wrong.mp4 cannot be read as a video' in answer(second)
    assert second.locator('.hp-timelines').count() == 0
    send(second, videos / 'large.mp4')
    second.get_by_text('exceed the maximum allowed size of 1.0').wait_for(
        state='attached')
    second.locator('#hp-examples .gallery-item').nth(1).click()
    second.wait_for_selector('.hp-busy')
    assert 'cup.mp4' in answer(second)

    second.context.close()
    until_nothing_is_stored(page, monkeypatch)
    assert glob.glob(page.visits.examples + '/*.mp4')

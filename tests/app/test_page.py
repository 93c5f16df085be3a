"""The page as visitors see it: by HTTP, and in a browser."""
import glob
import importlib.util
import json
import os
import shutil
import socket
import tempfile
import threading
import time
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


def ask(page, path, body=None, kind='application/json', head=''):
    """Status and text of the answer to one request, whatever it is."""
    host, port = page.address.split('//')[1].strip('/').split(':')
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    data = body or b''
    head += f'Content-Length: {len(data)}\r\n' * ('chunked' not in head)
    with socket.create_connection((host, int(port))) as line:
        line.sendall(
            f'{"GET" if body is None else "POST"} {path} HTTP/1.1\r\n'
            f'Host: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\n'
            f'{head}\r\n'.encode() + data)
        with line.makefile('rb') as answer:
            text = answer.read().decode(errors='replace')
    return int(text.split()[1]), text


def call(page, number, data, visitor='evil', how='run/predict'):
    """The same, of one of the page's events."""
    return ask(page, f'/gradio_api/{how}', dict(
        fn_index=number, session_hash=visitor, data=data))


def event(page, name):
    """The number of an event."""
    return next(number for number, one in page.blocks.fns.items()
                if one.fn.__name__ == name)


def form(*files, field='files'):
    """Body and kind of an upload of files, by name and content."""
    return b''.join(
        b'--xx\r\nContent-Disposition: form-data; name="%b"; filename="%b"'
        b'\r\n\r\n%b\r\n' % (field.encode(), name, content)
        for name, content in files) + b'--xx--\r\n', \
        'multipart/form-data; boundary=xx'


def test_files_of_the_server_are_not_taken(page):
    """A client of one's own may name any path in place of an upload."""
    root = page.visits.root
    for path in ('/etc/passwd', f'{root}/lock', f'{root}/../x', 'a\0b',
                 'a' * 5000, 3, ['x'], None):
        for data in (dict(path=path, meta=dict(_type='gradio.FileData')),
                     dict(path=path), path):
            status, text = call(page, event(page, 'take'), [data])
            assert (status == 500 or 'no longer here' in text
                    or data is None)
            assert 'Traceback' not in text and 'root:' not in text
            assert page.visits.of('evil') is None


@pytest.mark.parametrize('name', ['take', 'take_example'])
def test_no_event_fetches_an_address(page, name):
    """Gradio would, for whatever part of the page an event takes."""
    for number, one in page.blocks.fns.items():
        if one.fn.__name__ == name:
            status, text = call(page, number, [dict(
                path='https://example.org/x.mp4',
                meta=dict(_type='gradio.FileData'))])
            assert status == 500 and 'Only files are taken' in text


def test_only_what_the_page_needs_is_answered(page):
    """No other file, no address, no FFmpeg, no link, no word on others."""
    root = page.visits.root
    os.symlink('/etc/passwd', f'{root}/examples/linked')
    for path in ('/etc/passwd', '//etc/passwd', '/proc/self/environ',
                 '../../../../etc/passwd', '..%2f..%2f..%2fetc/passwd',
                 f'{root}/lock', f'{root}/../../../etc/passwd',
                 f'{root}/%2e%2e/x', f'{root}/examples/../lock',
                 f'{root}/examples/linked', f'{root}/x%00', f'{root}-other',
                 'https://example.org/', 'file:///etc/passwd', '%ff',
                 'a' * 5000):
        for start in ('/gradio_api/file=', '/gradio_api/file/'):
            assert ask(page, start + path)[0] == 404
    os.unlink(f'{root}/examples/linked')
    assert ask(page, f'/gradio_api/file={root}/examples/actions.mp4')[
        0] == 200
    for path in ('proxy=https://x.hf.space/', 'deep_link?session_hash=x',
                 'queue/status', 'runs', 'vibe-code', 'openapi.json',
                 'stream/a/b/1/playlist-file', 'custom_component/x/client/y/z',
                 'profiling/traces', 'dev/reload', 'call/look/x'):
        assert ask(page, f'/gradio_api/{path}')[0] == 404
    assert ask(page, '/monitoring/summary')[0] == 404
    for path in ('component_server', 'process_recording', 'vibe-edit',
                 'call/look', 'call/v2/look', 'stream/x', 'api/predict'):
        assert ask(page, f'/gradio_api/{path}',
                   *form((b'a.mp4', b'x'), field='video'))[0] == 404
    # a video waits in the queue, whoever asks
    assert call(page, event(page, 'look'), [])[0] == 404


def test_requests_are_no_larger_than_the_page_needs(page):
    large = b'{"data": ["%b"], "fn_index": 0}' % (b'x' * 100_000)
    path = '/gradio_api/run/predict'
    assert ask(page, path, large)[0] == 413
    assert ask(page, path, b'%x\r\n%b\r\n0\r\n\r\n' % (len(large), large),
               head='Transfer-Encoding: chunked\r\n')[0] == 400
    assert ask(page, '/gradio_api/upload', *form(
        (b'a', b'1' * 900_000), (b'b', b'2' * 900_000)))[0] == 413
    for text in (b'', b'[]', b'{}', b'\xff', b'[' * 60_000,
                 b'{"data": [' + b'1,' * 20_000 + b'1], "fn_index": 0}',
                 b'{"data": [NaN], "fn_index": -1, "session_hash": {}}'):
        for how in ('run/predict', 'queue/join', 'cancel', 'reset'):
            status, answer = ask(page, f'/gradio_api/{how}', text)
            assert status >= 400 and 'Traceback' not in answer


def test_names_of_uploads_lead_nowhere(page, monkeypatch):
    names = (b'../../../x.mp4', b'/etc/x.mp4', b'a\0b.mp4', b'\xff.mp4',
             b'n' * 300 + b'.mp4', b'%2e%2e%2fx', b'x\\..\\y', b'', b'lock')
    for name in (*names, b'..'):
        status, text = ask(page, '/gradio_api/upload',
                           *form((name, b'content of ' + name)))
        assert status == (400 if name == b'..' else 200)
        if status == 200:
            path, = json.loads(text.partition('\r\n\r\n')[2])
            parts = os.path.relpath(path, page.visits.root).split(os.sep)
            assert len(parts) == 2 and '..' not in parts
            assert os.path.isfile(path)
    until_nothing_is_stored(page, monkeypatch)


def test_a_list_of_other_files_is_no_video(page, monkeypatch):
    """It is called a video, and names one that is there."""
    text = f'ffconcat version 1.0\nfile {page.visits.examples}/actions.mp4\n'
    status, answer = ask(page, '/gradio_api/upload',
                         *form((b'list.mp4', text.encode())))
    path, = json.loads(answer.partition('\r\n\r\n')[2])
    assert 'is here' in call(page, event(page, 'take'), [
        dict(path=path, meta=dict(_type='gradio.FileData'))], 'list')[1]
    status, _ = call(page, event(page, 'look'), [], 'list', 'queue/join')
    assert status == 200
    status, text = ask(page, '/gradio_api/queue/data?session_hash=list')
    assert 'list.mp4 cannot be read as a video' in text
    page.visits.leave('list')
    until_nothing_is_stored(page, monkeypatch)


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
    contexts, refused = [], []

    def visit():
        contexts.append(browser.new_context(
            viewport=dict(width=390, height=844), has_touch=True,
            is_mobile=True))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(120_000)
        # of an upload that has ended Gradio itself knows no progress
        tab.on('response', lambda answer: refused.append(
            answer.url) if answer.status == 404
            and '/upload_progress?' not in answer.url else None)
        tab.goto(page.address)
        tab.wait_for_selector('#hp-examples .gallery-item')
        tab.wait_for_selector('#hp-upload input[type=file]',
                              state='attached')
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert refused == []


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

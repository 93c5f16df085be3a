"""The page itself: Gradio's blocks, and what happens when a video comes.

A video goes through two steps. :meth:`Page.take` runs at once, beside the
queue, and gives it a folder of its own. :meth:`Page.look` waits in the queue,
one video at a time, because one video keeps the models busy.
"""
from __future__ import annotations

import os
import os.path as osp
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..apis.results import VideoResult
from ..demo import people
from ..demo.long_video import make_long_video
from ..estimation.video import VideoError
from ..files import write_whole
from ..visualization.overlay import draw_video
from . import panels
from .gate import Gate, refuse_addresses
from .limited import DecodingLimits, LimitedVideo
from .visits import Visit, VisitorLeftError, Visits

if TYPE_CHECKING:
    from ..apis.views import FrameView

WAITING = 20  # videos that wait at most
PERIOD = .3  # s from one word on the progress to the next
# of hpnet_plugin.demo.people.make_clip: label and number
EXAMPLES = ((0, 25), (6, 29), (7, 33))
LONG = 12.  # s of the example with many actions
KINDS = 'mp4, mov, mkv, webm, avi, mpg, wmv, flv or gif'

HINT = panels.notice(
    'hint', 'No video yet.', 'Drop one, record one with the camera, or take '
    'an example.')
WAIT = panels.notice(
    'busy', 'Your video is here.', 'One video is looked at at a time; it '
    'begins as soon as it is its turn.')
NOBODY = panels.notice(
    'empty', 'Nobody was found in this video.',
    'People should be seen whole, or nearly so, for a second or more.')
GONE = panels.notice(
    'refused', 'This video is no longer here.', 'Please drop it again.')
OURS = panels.notice(
    'refused', 'Something went wrong here, and not with you.',
    'Whoever runs this page finds the reason in its log.')


class Page:
    """The page of one model.

    Args:
        inferencer: Holds the models.
        visits: What is stored; Gradio was told of it.
        max_mb: Size of an upload in MB (2^20 bytes). Default: 100.
        max_seconds: Of a video that are looked at. Default: 60.

    Attributes:
        blocks: The page.
    """

    def __init__(self, inferencer: Any, visits: Visits, max_mb: float = 100.,
                 max_seconds: float = 60.) -> None:
        self.inferencer, self.visits = inferencer, visits
        # Gradio's queue goes on when a visitor leaves, the models must not
        self._turn = threading.Lock()
        self.max_bytes = round(max_mb * 2**20)
        self.limits = DecodingLimits(
            seconds=max_seconds, processor=round(60 + 4 * max_seconds))
        self.examples = draw_examples(visits.examples)
        self.blocks = self._build()

    def launch(self, host: str = '127.0.0.1', port: int = 7860,
               share: bool = False) -> str:
        """Serve the page, in threads of this process.

        Args:
            host: Address to listen at.
            port: Likewise; 0 takes a free one.
            share: Whether to give it a public address through Gradio's
                service, which gets to see all that visitors send.

        Returns:
            str: Its address.

        Raises:
            OSError: If the port is taken.
        """
        files = resources.files('hpnet_plugin.app')
        script = (files / 'page.js').read_text(encoding='utf-8')
        # by a direct call a video would not wait in the queue
        self.blocks.queue(max_size=WAITING, api_open=False)
        _, local, public = self.blocks.launch(
            server_name=host, server_port=port or None, share=share,
            prevent_thread_lock=True, quiet=True, max_file_size=self.max_bytes,
            ssr_mode=False, enable_monitoring=False, run_history=False,
            footer_links=[], theme=_theme(),
            app_kwargs=dict(
                exception_handlers={ClientDisconnect: _nobody},
                middleware=[Middleware(Gate, self.visits.root,
                                       self.max_bytes)]),
            css=(files / 'page.css').read_text(encoding='utf-8'),
            head=f'<script>{script}</script>')
        return public or local

    def close(self) -> None:
        """End it."""
        self.blocks.close(verbose=False)

    def _build(self) -> gr.Blocks:
        name = getattr(self.inferencer, 'name', '') or 'HP-Net'
        classes = len(self.inferencer.classes)
        with gr.Blocks(title=f'hpnet: {name}',
                       analytics_enabled=False) as blocks:
            gr.HTML('<div class="hp-title"><h1>What do the people in this '
                    'video do?</h1><p>The model tells '
                    f'{classes} actions apart, person by person.</p></div>')
            with gr.Row():
                with gr.Column(scale=2, min_width=300):
                    # without the sound Gradio would have FFmpeg encode the
                    # file, in this process and without limits
                    upload = gr.Video(
                        label='Your video', sources=['upload', 'webcam'],
                        include_audio=True, interactive=True,
                        elem_id='hp-upload')
                    samples = gr.Dataset(
                        label='Examples', components=[upload],
                        samples=[[path] for path in self.examples],
                        type='index', elem_id='hp-examples')
                    gr.HTML(
                        '<p class="hp-limits">Up to '
                        f'{self.max_bytes / 2**20:g} MB; of longer videos the '
                        f'first {self.limits.seconds:g} s are looked at. One '
                        f'video at a time, {WAITING} may wait. Your video is '
                        'removed when you leave the page.</p>')
                with gr.Column(scale=3, min_width=300):
                    status = gr.HTML(HINT, elem_id='hp-status')
                    with gr.Column(visible=False) as results:
                        overlay = gr.Video(
                            show_label=False, elem_id='hp-overlay',
                            interactive=False, autoplay=True,
                            buttons=['download'])
                        details = gr.HTML(elem_id='hp-details')
                        download = gr.DownloadButton(
                            'Download as JSON', elem_id='hp-json')
            shown = [results, status, overlay, details, download]
            private: dict[str, Any] = dict(api_visibility='private')
            for listen, take, source in (
                    (upload.upload, self.take, upload),
                    (upload.stop_recording, self.take, upload),
                    (samples.click, self.take_example, samples)):
                listen(take, source, [upload, *shown], queue=False,
                       show_progress='hidden', **private).then(
                           self.look, None, shown, show_progress='minimal',
                           show_progress_on=status, concurrency_id='look',
                           concurrency_limit=1, **private)
            blocks.unload(self.leave)
        refuse_addresses(blocks)
        return blocks

    def take(self, video: str | None, request: gr.Request) -> list:
        """Give an upload a folder of its own, and make room for the next.

        Args:
            video: The file.
            request: Of the visitor.

        Returns:
            list: What the page shows until the result is there.
        """
        if video is None or not request.session_hash:
            return [None, *_only(HINT)]
        try:
            self.visits.begin(request.session_hash, video,
                              osp.basename(video))
        except (FileNotFoundError, PermissionError):
            return [None, *_only(GONE)]
        return [None, *_only(WAIT)]

    def take_example(self, number: int, request: gr.Request) -> list:
        """The same of an example, by its number."""
        return self.take(self.examples[int(number) % len(self.examples)],
                         request)

    def look(self, request: gr.Request) -> Iterator[Any]:
        """Predict what is done in the video of a visitor.

        Yields:
            list: What the page shows: how far it is, and then the result.
        """
        visit = self.visits.of(request.session_hash or '')
        if visit is None:
            yield gr.skip()
            return
        work = _Work(lambda say: self.outcome(visit, say))
        try:
            said = None
            while not work.ended(PERIOD):
                if work.said != said:
                    said = work.said
                    yield [gr.skip(), panels.busy(*said), gr.skip(),
                           gr.skip(), gr.skip()]
            yield work.result
        finally:
            if not work.ended(0):
                visit.leave()  # the visitor has gone

    def outcome(self, visit: Visit, say: Callable[[str, float], None]
                ) -> Any:
        """What the page shows of a video at the end, come what may."""
        try:
            with self._turn, visit:
                return self.answer(visit, say)
        except VisitorLeftError:
            return gr.skip()
        except VideoError as error:
            return _only(refusal(visit.name, str(error)))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return _only(OURS)

    def answer(self, visit: Visit, say: Callable[[str, float], None]) -> list:
        """Everything that the page shows of a video.

        Args:
            visit: The video.
            say: Told what is being done, and the share of all that is done.

        Raises:
            VideoError: If the file is no video that can be read.
            VisitorLeftError: If nobody waits any more.
        """
        video = LimitedVideo(visit.video, visit.name, self.limits)
        duration = max(video.info.duration, 1e-3)
        stills = panels.Stills()

        def keep(view: FrameView) -> None:
            visit.check()
            stills.add(view.number, view.image)

        def looked(seconds: float, _: float) -> None:
            visit.check()
            say(f'Looked at {seconds:.0f} of {duration:.0f} s',
                .8 * min(seconds / duration, 1))

        def drawn(done: int, frames: int) -> None:
            visit.check()
            say('Drawing what was seen',
                .8 + .2 * min(done / max(frames, 1), 1))

        with video:
            result, = self.inferencer(video, on_frame=keep, progress=looked)
            if result.status == 'failed':
                raise VideoError(result.message)
            if result.status == 'no_person' or not result.timelines:
                return _only(NOBODY)
            overlay = osp.join(visit.folder, 'overlay.mp4')
            draw_video(video, result, overlay, progress=drawn)
        stem = osp.splitext(visit.name)[0]
        numbers = osp.join(visit.folder, f'{stem}.json')
        write_whole(numbers, result.to_json().encode())
        return [gr.update(visible=True),
                panels.summary(result, self.remarks(video, result)),
                overlay,
                panels.timelines(result) + panels.actions(result)
                + panels.energies(result, stills.kept),
                gr.update(value=numbers)]

    def remarks(self, video: LimitedVideo, result: VideoResult) -> list[str]:
        """What a visitor must know to read the result."""
        remarks = []
        if video.whole > 1.02 * self.limits.seconds:
            remarks.append(
                f'The video has {video.whole:.0f} s; the first '
                f'{self.limits.seconds:g} s were looked at.')
        if len(result.timelines) > panels.PEOPLE:
            remarks.append(f'Below are the {panels.PEOPLE} people who are '
                           'seen longest; all are in the video and the JSON.')
        if result.status == 'damaged':
            remarks.append('The video is damaged; what could be decoded was '
                           'looked at.')
        return remarks

    def leave(self, request: gr.Request) -> None:
        """Remove what is stored of a visitor."""
        self.visits.leave(request.session_hash or '')


class _Work:
    """A function that runs in a thread, and says how far it is.

    Args:
        function: Gets what it can say with, and gives the result.

    Attributes:
        said: What it said last.
        result: What it gave.
    """

    def __init__(self, function: Callable) -> None:
        self.said, self.result = ('Opening your video', 0.), None
        self._thread = threading.Thread(target=self._run, args=(function, ))
        self._thread.start()

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, after waiting so long at most."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self, function: Callable[..., Any]) -> None:
        self.result = function(self._say)

    def _say(self, text: str, share: float) -> None:
        self.said = text, share


def refusal(name: str, reason: str) -> str:
    """What a visitor reads whose file is not taken.

    Args:
        name: Of the file.
        reason: Of the decoder, which may say too much.
    """
    if 'limit' in reason or 'than it may' in reason or 'memory' in reason:
        return panels.notice(
            'refused', f'{name} is too much for this page.',
            'Its frames are too large or too many, or they take too long to '
            'decode. A video of 1080p or less always works.')
    return panels.notice(
        'refused', f'{name} cannot be read as a video.',
        f'It may be damaged or of another kind. Please take a file of the '
        f'kind {KINDS}.')


def draw_examples(folder: str) -> list[str]:
    """Draw synthetic people: many actions of two, and single actions.

    Returns:
        list[str]: Their files.
    """
    work = osp.join(folder, 'work')
    make_long_video(work, LONG / 60, 2, 1)
    paths = [osp.join(folder, 'actions.mp4')]
    os.replace(osp.join(work, 'video.mp4'), paths[0])
    shutil.rmtree(work)
    for label, number in EXAMPLES:
        paths.append(osp.join(folder, f'{people.ACTIONS[label].short}.mp4'))
        people.save_video(paths[-1], people.make_clip(label, number).frames)
    return paths


async def _nobody(request: Request, error: Exception) -> Response:
    """The answer to an upload that broke off, which is no trouble of ours."""
    return Response(status_code=400)


def _only(status: str) -> list[Any]:
    """Nothing is shown but the status."""
    return [gr.update(visible=False), status, None, '', None]


def _theme() -> gr.themes.Base:
    """Gradio's plain theme, with the fonts of the visitor's system."""
    return gr.themes.Base(
        primary_hue='blue', neutral_hue='slate', radius_size='lg',
        font=['system-ui', '-apple-system', 'Segoe UI', 'Roboto',
              'sans-serif'],
        font_mono=['ui-monospace', 'Consolas', 'monospace'])

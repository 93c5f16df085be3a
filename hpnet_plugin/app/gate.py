"""What of Gradio's server a visitor may ask: only what the page needs.

Gradio answers some fifty kinds of requests. Among them are such that fetch an
address, start FFmpeg on an upload without any limits, keep a copy of the page
on the disk, or hold as much JSON in memory as is sent.
:class:`Gate` stands before them all and lets through what is listed here.
"""
from __future__ import annotations

import os
import os.path as osp
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = '/gradio_api/'
FILE = f'{API}file='
READ = {'/', '/config', '/theme.css', '/favicon.ico', '/manifest.json',
        '/robots.txt', *(API + name for name in (
            'info', 'startup-events', 'queue/data', 'upload_progress'))}
FOLDERS = ('/assets/', '/static/', f'{API}heartbeat/')
UPLOAD = f'{API}upload'
SENT = {UPLOAD, *(API + name for name in (
    'run/predict', 'queue/join', 'cancel', 'reset'))}
WORDS = 1 << 16  # bytes of a request that is no upload, or around a file


class Gate:
    """Lets through what the page needs, and as much as it needs.

    Args:
        app: Gets the requests that are let through.
        root: Folder of all that visitors may see, ``lock`` excepted.
        max_bytes: Of a file that is uploaded.
    """

    def __init__(self, app: ASGIApp, root: str, max_bytes: int) -> None:
        self.app, self.root, self.max_bytes = app, root, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send
                       ) -> None:
        """Answer a request, or have it answered."""
        if scope['type'] == 'lifespan':
            await self.app(scope, receive, send)
            return
        if scope['type'] != 'http' or not self.allows(scope['method'],
                                                      scope['path']):
            await PlainTextResponse('Not found', 404)(scope, receive, send)
            return
        most = WORDS + self.max_bytes * (scope['path'] == UPLOAD)
        if _declared(scope) > most:
            # a browser shows no answer before all was taken
            while (await receive()).get('more_body'):
                pass
            await PlainTextResponse(
                f'More than the {most:,} bytes that are allowed here',
                413)(scope, receive, send)
            return
        await self.app(scope, _counted(receive, most), send)

    def allows(self, method: str, path: str) -> bool:
        """Whether the page needs this.

        Args:
            method: Of the request.
            path: Likewise, with what was encoded in it decoded.
        """
        if method == 'POST':
            return path in SENT
        if method not in ('GET', 'HEAD'):
            return False
        if path.startswith(FILE):
            return self.shows(path[len(FILE):])
        return path in READ or path.startswith(FOLDERS)

    def shows(self, path: str) -> bool:
        """Whether a file is one that visitors may see, if they know it."""
        parts = path.split(os.sep)
        return ('\0' not in path and '..' not in parts
                and path.startswith(self.root + os.sep)
                and osp.realpath(path) == osp.normpath(path)
                and osp.relpath(path, self.root) != 'lock')


def refuse_addresses(page: gr.Blocks) -> None:
    """Let Gradio fetch nothing from the addresses that visitors name.

    It would before any limit is looked at, and for whatever part of the page
    an event takes. A subclass would be the plain way, but Gradio writes a
    file beside the source of each one.

    Args:
        page: All its parts are there.
    """
    for block in page.blocks.values():
        _refuse_addresses(block)


def _refuse_addresses(block: gr.blocks.Block) -> None:
    into_cache = block.async_move_resource_to_block_cache

    async def local_only(path: str | Path | None) -> str | None:
        if path is not None and '://' in str(path):
            raise gr.Error('Only files are taken, no addresses.',
                           print_exception=False)
        return await into_cache(path)

    # typed more narrowly than what Gradio's own subclasses do
    block.async_move_resource_to_block_cache = local_only  # pyrefly: ignore[bad-assignment]


def _declared(scope: Scope) -> int:
    """How many bytes a request says it has."""
    value = dict(scope['headers']).get(b'content-length', b'0')
    return int(value) if value.isdigit() else 0


def _counted(receive: Receive, most: int) -> Receive:
    """The same, but what sends more than so many bytes breaks off."""
    left = most

    async def count() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get('body', b''))
        return message if left >= 0 else {'type': 'http.disconnect'}

    return count

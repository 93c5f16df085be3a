"""Serve a page on which visitors see what the people in their videos do.

    hpnet app --model work_dirs/hp_j_ctrgcn_mine
    hpnet app --model RUN --host 0.0.0.0 --max-mb 50 --max-seconds 30
    hpnet app --model RUN_1 RUN_2 --learnt layer.json

Visitors drop a video, record one with their camera (browsers allow that on
this computer and through https) or take an example. One video is looked at at
a time, the others wait. Uploads are decoded by a process with limits, and are
removed when their visitor leaves. It needs Gradio: make app, or pip install
"hpnet-plugin[app]". Ctrl-C ends the page and removes all that it stored.

Exit status: 2 wrong usage, something is missing or the port is taken; 130 and
143 stopped by Ctrl-C and SIGTERM.
"""
from __future__ import annotations

import argparse
import contextlib
import threading

from .command import Command
from .options import positive, refuse_weights, whole_number
from .predict import add_looking, add_model, build, say_model


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_model(parser)
    add = parser.add_argument_group('the page').add_argument
    add('--host', default='127.0.0.1',
        help='address to listen at; 0.0.0.0 lets other computers in (default '
        '127.0.0.1: this one alone)')
    add('--port', type=whole_number(0, 65535), default=7860,
        help='likewise; 0 takes a free one (default 7860)')
    add('--max-mb', type=positive, default=100., metavar='MB',
        help='size of an upload (default 100)')
    add('--max-seconds', type=positive, default=60., metavar='S',
        help='of a longer video only so many seconds are looked at (default '
        '60)')
    add('--share', choices=('yes', 'no'), default='no',
        help="yes: give the page a public address by Gradio's service, whose "
        'servers then see all that visitors send (default no)')
    add_looking(parser)


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    refuse_weights(parser, args, args.model)


def run(args: argparse.Namespace) -> int:
    """Serve the page until the process is stopped; the exit status."""
    from ..app.visits import Visits
    with contextlib.ExitStack() as stack:
        visits = Visits()
        stack.callback(visits.close)
        try:
            from ..app.page import Page
        except ModuleNotFoundError as error:
            if error.name != 'gradio':
                raise
            raise ValueError(
                'Gradio is not installed: in a clone "make app", elsewhere '
                'pip install "hpnet-plugin[app]"') from None
        inferencer = build(args)
        page = Page(inferencer, visits, args.max_mb, args.max_seconds)
        try:
            address = page.launch(args.host, args.port, args.share == 'yes')
        except OSError:  # Gradio's words are of its own options
            raise ValueError(
                f'nothing can listen at {args.host}, port {args.port}: it is '
                'taken, or this computer has no such address; give another '
                '--port (0 takes a free one) or --host') from None
        stack.callback(page.close)
        say_model(inferencer)
        print(f'The page is {address} (Ctrl-C ends it).', flush=True)
        threading.Event().wait()
    return 0


main = Command('app', __doc__, run, add_options, check, signals=True,
               stopped='the page has ended', abbreviations=False)

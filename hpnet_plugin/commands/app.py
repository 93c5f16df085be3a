#!/usr/bin/env python3
"""Serve a page on which visitors see what the people in their videos do.

    hpnet app --model work_dirs/hp_j_ctrgcn_mine
    hpnet app --model RUN --host 0.0.0.0 --max-mb 50 --max-seconds 30

Visitors drop a video, record one with their camera (browsers allow that on
this computer and through https) or take an example. One video is looked at at
a time, the others wait. Uploads are decoded by a process with limits, and are
removed when their visitor leaves. It needs Gradio: make app, or pip install
"hpnet-plugin[app]". Ctrl-C ends the page and removes all that it stored.

Exit status: 2 wrong usage, something is missing or the port is taken; 130 and
143 stopped by Ctrl-C and SIGTERM.
"""
import argparse
import contextlib
import sys
import threading

from hpnet_plugin.commands.predict import (
    add_looking,
    add_model,
    build,
    check_weights,
)
from hpnet_plugin.commands.stopping import until_stopped


def parse_args(argv=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model(parser)
    add = parser.add_argument_group('the page').add_argument
    add('--host', default='127.0.0.1',
        help='address to listen at; 0.0.0.0 lets other computers in (default '
        '127.0.0.1: this one alone)')
    add('--port', type=int, default=7860, help='likewise (default 7860)')
    add('--max-mb', type=float, default=100., metavar='MB',
        help='size of an upload (default 100)')
    add('--max-seconds', type=float, default=60., metavar='S',
        help='of a longer video only so many seconds are looked at (default '
        '60)')
    add('--share', choices=('yes', 'no'), default='no',
        help="yes: give the page a public address by Gradio's service, whose "
        'servers then see all that visitors send (default no)')
    add_looking(parser)
    args = parser.parse_args(argv)
    check_weights(parser, args)
    for option in ('max_mb', 'max_seconds'):
        if not getattr(args, option) > 0:
            parser.error(f'--{option.replace("_", "-")} must be above 0')
    return args


def main(argv=None):
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return until_stopped(lambda: run(args), 'The page has ended.')


def run(args):
    """Serve the page until the process is stopped; the exit status."""
    from hpnet_plugin.app.visits import Visits
    with contextlib.ExitStack() as stack:
        visits = Visits()
        stack.callback(visits.close)
        try:
            from hpnet_plugin.app.page import Page
        except ModuleNotFoundError as error:
            if error.name != 'gradio':
                raise
            print('app: Gradio is not installed: in a clone "make app", '
                  'elsewhere pip install "hpnet-plugin[app]"',
                  file=sys.stderr)
            return 2
        try:
            inferencer = build(args)
            page = Page(inferencer, visits, args.max_mb, args.max_seconds)
            address = page.launch(args.host, args.port, args.share == 'yes')
        except (ValueError, OSError, ImportError) as error:
            print(f'app: {error}', file=sys.stderr)
            return 2
        stack.callback(page.close)
        print(f'model: {inferencer.name}, {len(inferencer.classes)} classes; '
              f'detector: {inferencer.detector}\n'
              f'The page is {address} (Ctrl-C ends it).', flush=True)
        threading.Event().wait()
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Trying again while a server is gone."""
from __future__ import annotations

import collections
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from .errors import UnreachableError, cause_of, lasting
from .urls import shown

Result = TypeVar('Result')
PATIENCE = 300.  # seconds; HPNET_REMOTE_TIMEOUT says others
FIRST, LONGEST = 1., 30.  # pauses between tries
BEAT = 5.  # seconds between two signs of life


def patience() -> float:
    """Seconds for which a server may be gone.

    Returns:
        Those of HPNET_REMOTE_TIMEOUT, else 300.

    Raises:
        ValueError: If the variable is no number of seconds.
    """
    text = os.environ.get('HPNET_REMOTE_TIMEOUT') or str(PATIENCE)
    try:
        seconds = float(text)
        if 0 <= seconds < float('inf'):
            return seconds
    except ValueError:
        pass
    raise ValueError(f'HPNET_REMOTE_TIMEOUT is {text!r}; expected a number '
                     'of seconds, such as 300')


def patiently(url: str, call: Callable[[], Result],
              alive: Callable[[], object] | None = None) -> Result:
    """Do something with a server, again while it is gone.

    Args:
        url: What it is about.
        call: What is done; it may be done several times.
        alive: Called every few seconds while this lasts.

    Returns:
        What the call returns.

    Raises:
        RemoteError: If the server refuses, or is gone for too long; the
            message names the URL and the cause.
        OSError: If this computer's disk is full.
    """
    pause, began = FIRST, None
    with _beating(alive), ExitStack() as waiting:
        while True:
            try:
                return call()
            except Exception as error:
                raised = lasting(error, url)
                if raised is error:
                    raise
                if raised is not None:
                    raise raised from error
                now, limit = time.monotonic(), patience()
                if began is None:
                    began = now
                    waiting.enter_context(_waiting(url, error, limit))
                left = began + limit - now
                if left <= 0:
                    raise UnreachableError(
                        f'{shown(url)} could not be reached for {limit:g} s '
                        f'({cause_of(error)}); what is done is safe: run the '
                        'same command again when it is back') from error
                time.sleep(min(pause, left))
                pause = min(2 * pause, LONGEST)


_LOCK, _WAIT = threading.Lock(), collections.Counter[tuple[int, str]]()


@contextmanager
def _waiting(url: str, error: Exception, limit: float) -> Iterator[None]:
    """Say that a server is gone and is back, once for all that wait."""
    key = os.getpid(), shown(url).partition('://')[2].partition('/')[0]
    with _LOCK:
        _WAIT[key] += 1
        if _WAIT[key] == 1:
            _say(f'{shown(url)} cannot be reached ({cause_of(error)}); '
                 f'trying again for {limit:g} s')
    gone = False
    try:
        yield
    except UnreachableError:
        gone = True
        raise
    finally:
        with _LOCK:
            _WAIT[key] -= 1
            if not _WAIT[key] and not gone:
                _say(f'{shown(url)} is back')


@contextmanager
def _beating(alive: Callable[[], object] | None) -> Iterator[None]:
    """Call something every few seconds, from a thread of its own."""
    if alive is None:
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            alive()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say(text: str) -> None:
    print(f'\nhpnet: {text}', file=sys.stderr, flush=True)

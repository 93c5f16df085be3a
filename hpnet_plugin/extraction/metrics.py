"""A tally in Prometheus' text form: served by HTTP, or written to a file.

Two things are particular to a process that forks others. A socket that is
open when a worker is forked would stay open as long as that worker lives, so
each worker closes what it inherited; and a thread that serves holds no lock
that a worker could ever want.
"""
from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from ..files import write_whole
from ..version import __version__
from .tally import Tally
from .watch import Watch

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

LOCAL = '127.0.0.1'
SUFFIX = '.prom'  # of the files that node_exporter reads
WRITTEN = 15.  # seconds between two versions of a file
PATIENCE = 10.  # seconds for a request
NAME = 'hpnet_extraction_'
OUTCOMES = ('stored', 'nobody', 'damaged', 'crops', 'failed')
STATES = ('busy', 'idle', 'lost')


class MetricsError(ValueError):
    """Metrics cannot be given out as was asked for; the message says why."""


class Target(NamedTuple):
    """Where metrics go.

    Attributes:
        host: Whose address is listened to; ``''`` of a file.
        port: 0 for any that is free.
        file: ``''`` of a port.
    """
    host: str
    port: int
    file: str


def parse_target(text: str) -> Target:
    """Understand ``[HOST:]PORT`` or ``FILE.prom``.

    Args:
        text: One of them; an IPv6 address stands in brackets.

    Returns:
        What it says.

    Raises:
        MetricsError: If it is neither.
    """
    if text.endswith(SUFFIX):
        return Target('', 0, text)
    host, _, port = text.rpartition(':')
    if not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise MetricsError(f'{text!r}: expected a port from 0 to 65535, '
                           f'HOST:PORT, or a file that ends in {SUFFIX}')
    return Target(host.removeprefix('[').removesuffix(']') or LOCAL,
                  int(port), '')


@contextlib.contextmanager
def published(target: Target, tally: Tally,
              say: Callable[[str], Any] = print) -> Iterator[list[Watch]]:
    """Give metrics out as long as the block lasts.

    Args:
        target: Where.
        tally: What is given out.
        say: Is told in a line where it is.

    Yields:
        What has to be told of the run beside the tally.

    Raises:
        MetricsError: If the port is taken, the host is none of this computer,
            the file cannot be written, or prometheus_client is not installed.
    """
    registry = registry_of(tally)
    if target.file:
        writer = FileWriter(target.file, registry)
        say(f'metrics: {target.file}')
        try:
            yield [writer]
        finally:
            tally.running = False
            writer.write()
        return
    server = _listen(target, registry)
    host, port = server.server_address[:2]
    shown = f'[{host}]' if ':' in str(host) else host
    say(f'metrics: http://{shown}:{port}/metrics')
    thread = threading.Thread(target=server.serve_forever, daemon=True,
                              kwargs=dict(poll_interval=.1))
    thread.start()
    try:
        yield []
    finally:
        tally.running = False
        server.shutdown()
        server.server_close()


def registry_of(tally: Tally) -> CollectorRegistry:
    """A registry of nothing but a tally.

    Args:
        tally: What is collected, anew whenever it is asked for.

    Returns:
        The registry.

    Raises:
        MetricsError: If prometheus_client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry
    except ModuleNotFoundError:
        raise MetricsError(
            '--metrics needs prometheus_client: in a clone "make cluster", '
            'elsewhere pip install "hpnet-plugin[metrics]"') from None
    registry = CollectorRegistry()
    registry.register(_Collector(tally))
    return registry


class FileWriter(Watch):
    """Writes a file for node_exporter's textfile collector, now and then.

    Args:
        path: The file, which is always there whole.
        registry: What it holds.

    Raises:
        MetricsError: If it cannot be written.
    """

    def __init__(self, path: str, registry: CollectorRegistry) -> None:
        self.path, self.registry = path, registry
        self._refused = False
        try:
            self._write()
        except OSError as error:
            raise MetricsError(f'{path}: the metrics cannot be written '
                               f'({error.strerror or error})') from None

    def write(self) -> None:
        """Write it now; where that fails, say so once and go on."""
        try:
            self._write()
        except OSError as error:
            if not self._refused:
                print(f'{self.path}: the metrics cannot be written any more '
                      f'({error.strerror or error}); the extraction goes on',
                      file=sys.stderr, flush=True)
            self._refused = True

    def passing(self) -> None:
        """See :class:`.watch.Watch`."""
        if time.monotonic() >= self._next:
            self.write()

    def progress(self, worker: str, count: int) -> None:
        """See :class:`.watch.Watch`.

        Args:
            worker: Likewise.
            count: Likewise.
        """
        self.passing()

    def _write(self) -> None:
        from prometheus_client import generate_latest
        self._next = time.monotonic() + WRITTEN
        write_whole(self.path, generate_latest(self.registry))


class _Collector:
    """What Prometheus' library asks for the numbers of a tally."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def collect(self) -> Iterator[Metric]:
        yield from self._run()
        yield from self._clips()
        yield from self._workers()

    def _run(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            GaugeMetricFamily,
            InfoMetricFamily,
        )
        tally, ahead = self.tally, self.tally.ahead
        yield InfoMetricFamily(
            NAME.rstrip('_'), 'The version, and which part of the clips this '
            'process extracts.', dict(version=__version__,
                                      part=tally.part or '1 of 1'))
        gauges = {
            'running': ('1 while the extraction runs, 0 when it has ended.',
                        int(tally.running)),
            'start_time_seconds': ('When it began, in seconds since 1970.',
                                   tally.start),
            'last_progress_time_seconds': (
                'When a worker last said something, in seconds since 1970.',
                tally.heard),
            'frames_per_second': ('Frames read a second, over the last '
                                  'minute.', tally.rate),
            'remaining_seconds': ('Time left; NaN if nobody can tell yet.',
                                  float('nan') if tally.left is None
                                  else tally.left)}
        if ahead:
            gauges.update({
                'found_clips': ('Clips of this part, done or not.',
                                ahead.found),
                'stored_before_clips': ('Clips that earlier runs stored.',
                                        ahead.stored),
                'planned_clips': ('Clips that this run has to extract.',
                                  ahead.clips),
                'estimated_frames': ('Frames of these clips, by the headers '
                                     'of some of them.', ahead.frames),
                'estimated_bytes': ('Bytes of their features with one person '
                                    'in each clip.', ahead.bytes)})
        for name, (about, value) in gauges.items():
            yield GaugeMetricFamily(NAME + name, about, value)

    def _clips(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
        )
        tally = self.tally
        clips = CounterMetricFamily(
            NAME + 'clips', 'Clips by what became of them: stored with '
            'people, stored without (nobody), stored as far as a damaged '
            'video goes (damaged), stored before and given crops (crops), '
            'or failed.', labels=['outcome'])
        for outcome in OUTCOMES:
            clips.add_metric([outcome], tally.outcomes[outcome])
        yield clips
        yield CounterMetricFamily(NAME + 'stored_bytes', 'Bytes of the '
                                  'arrays that were stored.', tally.nbytes)
        yield GaugeMetricFamily(NAME + 'clips_in_flight', 'Clips that '
                                'workers work on now.', len(tally.busy))

    def _workers(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
        )
        workers = list(self.tally.workers.values())
        states = GaugeMetricFamily(
            NAME + 'workers', 'Workers that work on a clip (busy), wait for '
            'one (idle), or were lost and have not begun again (lost).',
            labels=['state'])
        for state in STATES:
            states.add_metric([state], sum(one.state == state
                                           for one in workers))
        yield states
        counters = {
            'frames': ('Frames read, those of lost attempts among them.',
                       lambda one: one.all_frames),
            'worker_seconds': ('Time that a worker spent on clips.',
                               lambda one: one.seconds + one.at_it()),
            'worker_clips': ('Clips that a worker has done, failed ones '
                             'among them.', lambda one: one.done + one.failed)}
        for name, (about, value) in counters.items():
            family = CounterMetricFamily(NAME + name, about,
                                         labels=['worker'])
            for one in workers:
                family.add_metric([one.name], value(one))
            yield family
        lost = CounterMetricFamily(
            NAME + 'worker_restarts', 'Workers that were lost and replaced, '
            'by what ended them: a signal, timeout, exit, memory, machine '
            'or other.',
            labels=['worker', 'reason'])
        for one in workers:
            for reason, number in list(one.lost.items()):
                lost.add_metric([one.name, reason], number)
        yield lost


class _Handler(WSGIRequestHandler):
    """Says nothing, and waits for no one for ever."""
    timeout = PATIENCE

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request, none of which keeps the process from ending."""
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple, family: int) -> None:
        self.address_family = family
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)
        _OPEN.add(self)

    def server_bind(self) -> None:
        """Without asking a name server who we are, which may take long."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port, *_ = self.server_address
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        self.connections.add(request)
        return request, address

    def close_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to be told."""

    def forget(self) -> None:
        """Close what a forked process has inherited, at once."""
        for one in (self.socket, *self.connections):
            with contextlib.suppress(OSError):
                os.close(one.detach())


_OPEN: weakref.WeakSet[_Server] = weakref.WeakSet()


def _forget_all() -> None:
    for server in list(_OPEN):
        server.forget()


os.register_at_fork(after_in_child=_forget_all)


def _listen(target: Target, registry: CollectorRegistry) -> _Server:
    """A server that listens, and answers when ``serve_forever`` is called."""
    from prometheus_client import make_wsgi_app
    where = f'--metrics {target.host}:{target.port}'
    try:
        family, *_, address = socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE)[0]
        server = _Server(address, family)
    except OSError as error:
        why = 'the port is used by another program; choose another one, or ' \
            '0 for any that is free' if error.errno == errno.EADDRINUSE \
            else error.strerror or str(error)
        raise MetricsError(f'{where}: {why}') from None
    server.set_app(make_wsgi_app(registry))
    return server

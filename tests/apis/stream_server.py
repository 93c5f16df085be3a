"""Servers of live streams, for tests: RTSP, and JPEG images by HTTP.

They send numbered frames, again and again, at their own pace; the grey level
of a frame tells its number. Python and PyAV's encoders are all they need.
"""
from __future__ import annotations

import base64
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence

import av
import numpy as np

COUNT = 20  # distinct frames; the grey level of each is 10 times its number
SIZE = 64, 48


def grey() -> list[np.ndarray]:
    """Frames that tell their numbers."""
    return [np.full((SIZE[1], SIZE[0], 3), 10 * i, np.uint8)
            for i in range(COUNT)]


def encode(images: Sequence[np.ndarray], codec: str, pix_fmt: str,
           **options: str) -> list[bytes]:
    """Frames, each as one packet; the first is a key frame."""
    context = av.CodecContext.create(codec, 'w')
    context.height, context.width = images[0].shape[:2]
    context.pix_fmt, context.options = pix_fmt, options
    context.framerate, context.thread_count = 25, 1
    packets = []
    for i, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, 'rgb24').reformat(
            format=pix_fmt)
        frame.pts = i
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode()]


def number_of(image: np.ndarray) -> int:
    """Number of a frame, from 0 to ``COUNT`` - 1."""
    return round(float(image.mean()) / 10)


class Server:
    """Listens on a port of this computer and serves each who connects.

    Args:
        rate (float): Frames a second.
    """

    def __init__(self, rate: float = 25.) -> None:
        self.rate, self.port = rate, 0
        self.connections: set[socket.socket] = set()
        self.awake = threading.Event()
        self.awake.set()
        self.asked: list[str] = []  # first line of each request
        self.start()

    def start(self) -> None:
        """Listen; at the same port as before."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(('127.0.0.1', self.port))
        self.port = self._listener.getsockname()[1]
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener, ),
                         daemon=True).start()

    def stop(self) -> None:
        """Drop all connections and listen no more."""
        # close() alone leaves accept() waiting
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Cut all connections, without a word."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Connections stay and nothing is sent."""
        self.awake.clear()
        yield
        self.awake.set()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                self.connections.add(connection)
                threading.Thread(target=self._serve, args=(connection, ),
                                 daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            self.serve(connection)
        self.connections.discard(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def request(self, connection: socket.socket) -> tuple[str, str]:
        """First line and headers of what is asked; OSError at the end."""
        data = b''
        while not data.endswith(b'\r\n\r\n'):
            byte = connection.recv(1)
            if not byte:
                raise OSError('closed')
            data += byte
        line, _, headers = data.decode().partition('\r\n')
        self.asked.append(line)
        return line, headers

    def beats(self):
        """Yield 0, 1, 2, ... when a frame is due, and the time of it."""
        begin = time.monotonic()
        number = 0
        while True:
            due = number / self.rate
            time.sleep(max(0., begin + due - time.monotonic()))
            self.awake.wait()
            yield number, due
            number += 1


class RtspServer(Server):
    """RTSP 1.0 with H.264 in RTP, all over one TCP connection.

    RFC 2326 (interleaved), RFC 6184 (single units and FU-A).

    Args:
        rate (float): Frames a second.
        password (str): Of the user ``me``; empty if nobody is asked.
        images (Sequence[np.ndarray]): The frames, (H, W, 3) uint8; by
            default those of :func:`grey`.
    """

    def __init__(self, rate: float = 25., password: str = '',
                 images: Sequence[np.ndarray] = ()) -> None:
        self.password = password
        packets = encode(images or grey(), 'libx264', 'yuv420p',
                         preset='ultrafast', tune='zerolatency', g='1000')
        self.frames = [[unit for unit in re.split(
            b'\0\0\0?\1', packet) if unit] for packet in packets]
        super().__init__(rate)

    @property
    def address(self) -> str:
        user = f'me:{self.password}@' if self.password else ''
        return f'rtsp://{user}127.0.0.1:{self.port}/live'

    def serve(self, connection):
        given = base64.b64encode(f'me:{self.password}'.encode()).decode()
        while True:
            line, headers = self.request(connection)
            method = line.split()[0]
            number = re.search(r'CSeq: *(\d+)', headers)[1]
            status, more, body = '200 OK', 'Session: 1\r\n', ''
            if self.password and method == 'DESCRIBE' and \
                    f'Basic {given}' not in headers:
                status = '401 Unauthorized'
                more = 'WWW-Authenticate: Basic realm="test"\r\n'
            elif method == 'OPTIONS':
                more = 'Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n'
            elif method == 'DESCRIBE':
                body = ('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\n'
                        'c=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n'
                        'm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n'
                        'a=fmtp:96 packetization-mode=1\r\n'
                        'a=control:track1\r\n')
                more = ('Content-Type: application/sdp\r\n'
                        f'Content-Length: {len(body)}\r\n')
            elif method == 'SETUP':
                more += ('Transport: RTP/AVP/TCP;unicast;'
                         'interleaved=0-1\r\n')
            connection.sendall(
                f'RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}\r\n{body}'
                .encode())
            if method == 'PLAY':
                self._play(connection)

    def _play(self, connection):
        order = 0
        for number, due in self.beats():
            units = self.frames[number % len(self.frames)]
            parts = [part for unit in units for part in _parts(unit)]
            for i, part in enumerate(parts):
                header = struct.pack(
                    '>BBHII', 0x80, 96 | 0x80 * (i == len(parts) - 1),
                    order & 0xffff, (1000 + round(90000 * due)) & 0xffffffff,
                    7)
                order += 1
                connection.sendall(struct.pack(
                    '>cBH', b'$', 0, len(header) + len(part)) + header + part)


def _parts(unit, most=1200):
    """A unit of H.264 as the payloads of RTP packets."""
    if len(unit) <= most:
        return [unit]
    kind, rest = unit[0], unit[1:]
    pieces = [rest[i:i + most] for i in range(0, len(rest), most)]
    return [bytes([kind & 0xe0 | 28, kind & 0x1f | 0x80 * (i == 0)
                   | 0x40 * (i == len(pieces) - 1)]) + piece
            for i, piece in enumerate(pieces)]


class JpegServer(Server):
    """JPEG images by HTTP, one replacing the other, as webcams send them."""

    def __init__(self, rate: float = 25.) -> None:
        self.frames = encode(grey(), 'mjpeg', 'yuvj420p')
        super().__init__(rate)

    @property
    def address(self) -> str:
        return f'http://127.0.0.1:{self.port}/stream'

    def serve(self, connection):
        self.request(connection)
        connection.sendall(b'HTTP/1.0 200 OK\r\nContent-Type: '
                           b'multipart/x-mixed-replace; boundary=--next\r\n'
                           b'\r\n')
        for number, _ in self.beats():
            data = self.frames[number % len(self.frames)]
            connection.sendall(
                b'--next\r\nContent-Type: image/jpeg\r\nContent-Length: '
                + str(len(data)).encode() + b'\r\n\r\n' + data + b'\r\n')

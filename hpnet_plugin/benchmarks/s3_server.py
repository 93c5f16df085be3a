"""An S3 server of this computer, which may be killed and comes back.

It is moto's, in a process of its own. It keeps what it is told in a file and
does it again when it is started again, before anybody can reach it.
"""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

BUCKET = 'bucket'
CREDENTIALS = dict(AWS_ACCESS_KEY_ID='measured',
                   AWS_DEFAULT_REGION='us-east-1',
                   AWS_SECRET_ACCESS_KEY='measured')


class S3Server:
    """A server with one bucket, ``s3://bucket``.

    Args:
        folder: Where it keeps what it is told.

    Attributes:
        environment: What a process needs to reach it.

    Raises:
        RuntimeError: If it does not start: is moto installed?
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        self.environment = dict(
            CREDENTIALS, AWS_ENDPOINT_URL=f'http://127.0.0.1:{self.port}')
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start it, with all that it had.

        Raises:
            RuntimeError: If it does not start.
        """
        with (self.folder / 'errors').open('a') as errors:
            self._process = subprocess.Popen(
                [sys.executable, '-m', __name__, str(self.port),
                 str(self.folder / 'requests')],
                stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self._process.stdout
        if not self._process.stdout.readline():
            raise RuntimeError((self.folder / 'errors').read_text()[-2000:])

    def kill(self) -> None:
        """End it at once, by SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def pause(self) -> None:
        """Have it answer nothing, and go on when it is told so."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it answer again."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def requests(self) -> list[str]:
        """What it was asked: ``'PUT /bucket/key'`` each, the first first.

        When it is started again, it forgets what changed nothing.
        """
        import json
        path = self.folder / 'requests'
        lines = path.read_text().splitlines(True) if path.exists() else []
        found = [json.loads(line) for line in lines if line.endswith('\n')]
        return [f'{entry["method"]} /' + entry['url'].split('/', 3)[-1]
                for entry in found]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


def _forget_reads(log: str) -> None:
    """Leave requests that changed nothing out of what is done again."""
    import json
    path = Path(log)
    lines = path.read_text().splitlines(keepends=True)
    # the last may have been cut off; it was not answered then
    path.write_text(''.join(
        line for line in lines if line.endswith('\n')
        and json.loads(line)['method'] in ('PUT', 'POST', 'DELETE')))


def _serve(port: int, log: str) -> None:
    """Do again what was asked before, then open the port."""
    os.environ.update(CREDENTIALS, MOTO_ENABLE_RECORDING='1',
                      MOTO_RECORDER_FILEPATH=log)
    from moto.moto_api import recorder
    from moto.server import ThreadedMotoServer
    inner = ThreadedMotoServer('127.0.0.1', 0, verbose=False)
    inner.start()
    host, inner_port = inner.get_host_and_port()
    if os.path.exists(log):
        _forget_reads(log)
        recorder.replay_recording(f'http://{host}:{inner_port}')
    else:
        import requests
        requests.put(f'http://{host}:{inner_port}/{BUCKET}', timeout=60)
    lock, record = threading.Lock(), recorder._record_request

    def one_by_one(*args: Any) -> None:
        with lock:
            record(*args)

    setattr(recorder, record.__name__, one_by_one)
    ThreadedMotoServer('127.0.0.1', port, verbose=False).start()
    print('ready', flush=True)
    threading.Event().wait()


if __name__ == '__main__':
    _serve(int(sys.argv[1]), sys.argv[2])

"""Ray: joined where it runs, or started on this computer for one run."""
from __future__ import annotations

import contextlib
import glob
import inspect
import logging
import os
import os.path as osp
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

from .workers import SetupError, cores

PATIENCE = 120.  # seconds for a start of Ray
STARTS = 5
STORE = 512 << 20  # bytes of the object store of a Ray of our own
FOLDER, LOCK = 'hpnet-ray-', 'lock'
LONGEST = 30  # characters of its parent: a socket's path has 107 at most
PORTS = ('metrics_agent_port', 'metrics_export_port',
         'dashboard_agent_listen_port', 'runtime_env_agent_port')
QUIET = dict(
    RAY_USAGE_STATS_ENABLED='0',
    # a worker without a share of a GPU sees all of them, as without Ray
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO='0',
    # its programs may take so long to start on a busy computer
    RAY_agent_register_timeout_ms=f'{1000 * PATIENCE:.0f}')


def import_ray() -> Any:
    """Import Ray.

    Returns:
        The module.

    Raises:
        SetupError: If it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise SetupError(
            '--launcher ray needs Ray: pip install "hpnet-plugin[ray]", or '
            '"make cluster" in a clone') from None
    return ray


class RayCluster:
    """A cluster of Ray, of which this process is a driver.

    A session that this process has already is used and left as it is.

    Args:
        address: ``'HOST:PORT'`` of the cluster, or ``'auto'`` for the one
            that this computer is part of. None starts one on this computer
            alone, which ends with this object, or with this process.
        cpus: That a Ray of our own has to offer. Defaults to the cores.

    Attributes:
        ray: The module.
        own: Whether it was started here.

    Raises:
        SetupError: If Ray is absent, or the cluster cannot be joined.
    """

    def __init__(self, address: str | None = None,
                 cpus: int | None = None) -> None:
        handlers = {number: signal.getsignal(number)
                    for number in (signal.SIGTERM, signal.SIGINT)}
        os.environ.update({key: os.environ.get(key, value)
                           for key, value in QUIET.items()})
        self._stack = contextlib.ExitStack()
        self.own = False
        if address is None:
            _ask_for_token()
        self.ray = import_ray()
        if self.ray.is_initialized():
            return
        # the text on each worker that is lost goes to stdout, whatever is
        # asked for; what uses the workers says so itself
        setattr(self.ray._private.worker,  # noqa: B010
                'print_to_stdstream', lambda *args, **kwargs: None)
        quiet = dict(log_to_driver=False, logging_level=logging.ERROR,
                     configure_logging=False)
        try:
            self.own = address is None
            if self.own:
                self._start(cpus or cores(), quiet)
            else:
                self._stack.callback(self.ray.shutdown)
                self.ray.init(address, **quiet)
        except (OSError, RuntimeError, ValueError,
                self.ray.exceptions.RayError) as error:
            self.close()
            where = 'Ray cannot be started on this computer' if self.own \
                else (f'--address {address}: this computer cannot join the '
                      'cluster ("ray start --head" on one computer and "ray '
                      'start --address" on the others start one)')
            raise SetupError(f'{where}: {error}') from None
        except BaseException:
            self.close()
            raise
        finally:
            # it takes SIGTERM for itself
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def _start(self, cpus: int, options: dict[str, Any]) -> None:
        folder = self._stack.enter_context(_folder())
        self._stack.callback(self.ray.shutdown)
        before = children()
        for left in reversed(range(STARTS)):
            try:
                with _lean(self.ray):
                    self.ray.init(
                        'local', num_cpus=cpus, include_dashboard=False,
                        object_store_memory=STORE, _temp_dir=folder,
                        **options)
                return
            # it has no error of its own for a start that took too long
            except Exception as error:
                for pid in children() - before:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                if not left:
                    raise RuntimeError(str(error)) from error

    def room(self, gpus: float) -> int:
        """How many workers fit, if nobody else uses the cluster.

        Args:
            gpus: Of each, beside one CPU.

        Returns:
            A number.
        """
        count = 0
        for node in self.ray.nodes():
            if not node['Alive']:
                continue
            fit = node['Resources'].get('CPU', 0)
            if gpus:
                fit = min(fit, node['Resources'].get('GPU', 0) / gpus + 1e-6)
            count += int(fit)
        return count

    def close(self) -> None:
        """Leave it, or end it if it was started here."""
        self._stack.close()


def _ask_for_token() -> None:
    """Ray runs what it is sent: nobody else on the network may send.

    It reads this when it is imported; who has done that has decided.
    """
    if 'ray' not in sys.modules and 'RAY_AUTH_MODE' not in os.environ:
        os.environ.update(RAY_AUTH_MODE='token',
                          RAY_AUTH_TOKEN=secrets.token_hex(32))


def children() -> set[int]:
    """Processes that this one has started.

    Returns:
        Their numbers; none where the system does not say.
    """
    found: set[int] = set()
    for path in glob.glob('/proc/self/task/*/children'):
        with contextlib.suppress(OSError), open(path) as file:
            found.update(map(int, file.read().split()))
    return found


def _is_dead_raylet(pid: int) -> bool:
    with contextlib.suppress(OSError), open(f'/proc/{pid}/stat') as file:
        name, _, rest = file.read().rpartition(')')
        return name.endswith('(raylet') and rest.split()[0] == 'Z'
    return False


def _free_ports() -> dict[str, int]:
    """Ports for what Ray would otherwise wait for."""
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket())
                   for name in PORTS}
        for one in sockets.values():
            one.bind(('', 0))
        return {name: one.getsockname()[1] for name, one in sockets.items()}


@contextlib.contextmanager
def _lean(ray: Any) -> Iterator[None]:
    """Start no more of Ray than is needed, and wait longer.

    Of its own account it starts three more Python programs, for logs, growing
    clusters and the dashboard. It gives two others 15 s to choose their
    ports, and all of itself 30 s; a busy computer needs longer. A version of
    Ray that does not have these functions starts as usual.
    """
    # Ray 2.60 has no public way: ray.init() takes one of the four ports, none
    # of the programs can be left out (include_dashboard=False starts that one
    # all the same), 15 s and 30 s are constants (ray-project/ray#65983), and
    # RAY_raylet_start_wait_time_s is not read where the 30 s are. "ray start"
    # takes the ports and leaves out two of the programs, but its time limit is
    # the same, and its Ray outlives a driver that is killed.
    services, node = ray._private.services, ray._private.node.Node
    get_node: Any = getattr(services, 'get_node', None)
    start_raylet: Any = getattr(services, 'start_raylet', None)

    def wait_for_node(*args: Any) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return get_node(*args)
            except RuntimeError as error:
                if time.monotonic() > end or any(map(_is_dead_raylet,
                                                     children())):
                    # no RuntimeError: Ray would ask again
                    raise TimeoutError('Ray did not start in time') from error
                time.sleep(.2)

    def start_with_ports(*args: Any, **kwargs: Any) -> Any:
        call = inspect.signature(start_raylet).bind(*args, **kwargs)
        for name, port in _free_ports().items():
            call.arguments[name] = port
            # it waits for the file in which a program says so
            ray._raylet.persist_port(call.arguments['session_dir'],
                                     call.arguments['node_id'], name, port)
        return start_raylet(*call.args, **call.kwargs)

    def start_nothing(self: Any, *args: Any, **kwargs: Any) -> None:
        pass

    with contextlib.ExitStack() as stack:
        for owner, name, other in (
                (services, 'get_node', wait_for_node),
                (services, 'start_raylet', start_with_ports),
                (ray._private.utils, 'get_dashboard_dependency_error',
                 lambda: ImportError('a lean one')),
                (node, 'start_monitor', start_nothing),
                (node, 'start_log_monitor', start_nothing),
                (node, 'start_api_server', start_nothing)):
            if hasattr(owner, name):
                stack.enter_context(mock.patch.object(owner, name, other))
        yield


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """A folder of Ray's; one that a killed run has left is removed."""
    import fcntl
    base = tempfile.gettempdir()
    base = base if len(base) <= LONGEST else '/tmp'
    for old in glob.glob(osp.join(base, FOLDER + '*', LOCK)):
        with contextlib.suppress(OSError), open(old, 'r+') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(osp.dirname(old))
    path = tempfile.mkdtemp(prefix=FOLDER, dir=base)
    try:
        with open(osp.join(path, LOCK), 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path
    finally:
        _remove(path)


def _remove(path: str) -> None:
    """Remove a folder, or leave it to the next run with its lock.

    What was killed a moment ago may still write.
    """
    for name in set(os.listdir(path)) - {LOCK}:
        shutil.rmtree(osp.join(path, name), ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(osp.join(path, name))
    if os.listdir(path) == [LOCK]:
        shutil.rmtree(path, ignore_errors=True)

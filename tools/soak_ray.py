#!/usr/bin/env python3
"""Kill extractions on Ray again and again, and see whether anything is lost.

    python tools/soak_ray.py --kills 100

Draws some short videos and extracts them once in peace, by a single process.
Then it starts a Ray cluster of several machines, all of them on this computer,
whose object stores are full, and extracts in rounds that are killed at random
moments and resumed until they are done: SIGKILL or SIGTERM to the driver,
SIGKILL to workers, the loss of a whole machine, while machines are added
midway. Some rounds start a Ray of their own and have its driver killed: then
no process of it may be left. At the end of each round every file of the store
has to be, byte for byte, that of the single process. Prints what happened;
exit status 0 if nothing was lost, doubled or different.
"""
from __future__ import annotations

import argparse
import collections
import contextlib
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import soak

STORE = 80 << 20  # bytes of a machine's object store, the least there is
BLOCK = 1 << 20
KINDS = ('kill driver', 'terminate driver', 'kill worker', 'kill worker',
         'kill worker', 'kill machine', 'own kill driver')
# Seconds until the processes of a killed driver are gone. Two of Ray's own try
# for 60 s each to tell what has happened, to a server that is gone as well.
GONE = 240.
SETTINGS = dict(
    # every result goes through the object stores, however small
    RAY_max_direct_call_object_size='100',
    # workers of low priority get nowhere on a computer with other work
    RAY_worker_niceness='0')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=100,
                        help='kills in all (default 100)')
    parser.add_argument('--clips', type=int, default=24,
                        help='videos (default 24)')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2, 4],
                        help='workers of the rounds in turn, each a machine '
                        'with one CPU (default 1 2 4)')
    parser.add_argument('--kinds', nargs='+', choices=sorted(set(KINDS)),
                        default=KINDS, help='what is done (default: all)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', help='where to work and to leave what '
                        'was found different (default: a temporary folder)')
    return parser.parse_args(argv)


def keep_cluster(commands: Connection) -> None:
    """A process that has a cluster, and does what it is told to."""
    os.setpgid(0, 0)
    import ray
    from ray.cluster_utils import Cluster

    from hpnet_plugin.extraction.ray_cluster import _lean
    # it tells at length of each machine that is lost here on purpose
    setattr(ray._private.worker, 'print_to_stdstream',  # noqa: B010
            lambda *args, **kwargs: None)
    with _lean(ray):
        cluster: Any = Cluster(True, head_node_args=dict(
            num_cpus=0, object_store_memory=STORE, include_dashboard=False))
        ray.init(cluster.address, log_to_driver=False,
                 logging_level=logging.ERROR,
                 configure_logging=False)
        fillers: list[Any] = []
        machines: list[Any] = []

        def add() -> int:
            machines.append(cluster.add_node(
                num_cpus=1, object_store_memory=STORE))
            fillers.append(_fill(ray, machines[-1].node_id))
            return len(machines)

        def lose(number: int) -> int:
            machine = machines.pop(number % len(machines))
            cluster.remove_node(machine, allow_graceful=False)
            return len(machines)

        tell: dict[str, Callable] = dict(
            add=add, lose=lose, address=lambda: cluster.address,
            count=lambda: len(machines))
        fillers.append(_fill(ray, cluster.head_node.node_id))
        while True:
            try:
                name, *args = commands.recv()
            except EOFError:
                break
            commands.send(tell[name](*args))
        ray.shutdown()
        cluster.shutdown()


def _fill(ray: Any, node: str) -> Any:
    """An actor that holds as much as the store of a machine takes."""
    import numpy as np
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Filler:
        def __init__(self) -> None:
            self.held = []
            for _ in range(STORE // BLOCK - 1):
                ref = ray.put(np.zeros(BLOCK, np.uint8))
                self.held.append((ref, ray.get(ref)))  # it cannot be spilled

    filler = ray.remote(num_cpus=0)(Filler).options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(
            node, soft=False)).remote()
    ray.get(filler.__ray_ready__.remote())
    return filler


def processes(mark: str) -> Iterator[Path]:
    """Folders of the processes below one that has marked itself."""
    for entry in Path('/proc').iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f'{mark}\0'.encode() in (
                    entry / 'environ').read_bytes():
                yield entry


def actors(loading: bool) -> list[int]:
    """Processes of workers, with or without those that load their nets."""
    found = []
    for entry in processes(f'SOAK={os.getpid()}'):
        with contextlib.suppress(OSError):
            name = (entry / 'cmdline').read_bytes()
            if name.startswith(b'ray::Actor' if loading else (
                    b'ray::Actor.do', b'ray::Actor.heard')):
                found.append(int(entry.name))
    return found


def left_of(driver: int) -> list[str]:
    """Processes of the Ray that a driver started for itself."""
    found = []
    for entry in processes(f'SOAK_DRIVER={driver}'):
        with contextlib.suppress(OSError):
            name = (entry / 'stat').read_text().rpartition(')')
            if name[2].split()[0] != 'Z':
                found.append(f'{entry.name} {name[0]}')
    return found


class Soak:
    """A cluster, and what is done to extractions on it.

    Args:
        args: The command line.
        folder: Where all is.
        commands: To the process that has the cluster.
    """

    def __init__(self, args: argparse.Namespace, folder: Path,
                 commands: Connection) -> None:
        self.args, self.folder, self._commands = args, folder, commands
        self.rng = random.Random(args.seed)
        self.counts: collections.Counter[str] = collections.Counter()
        self.problems: list[str] = []
        self.seconds = 30.  # of a run that nobody disturbs, as it turns out

    def ask(self, *words: Any) -> Any:
        """Have the cluster do something; what it says."""
        self._commands.send(words)
        return self._commands.recv()

    def machines(self, count: int) -> None:
        """Add and lose machines until there are so many."""
        while self.ask('count') < count:
            self.ask('add')
        while self.ask('count') > count:
            self.ask('lose', 0)

    def arguments(self, out: Path, workers: int, own: bool) -> list[str]:
        where = [] if own else ['--address', self.ask('address')]
        return [str(self.folder / 'videos'), '--pose', 'tiny', '--detector',
                'frame', '--batch', '8', '--launcher', 'ray', '--workers',
                str(workers), '--out', str(out), *where]

    def one(self, number: int, out: Path, left: int
            ) -> tuple[str, int, list[str]]:
        """A round: what it was, its kills, and what is different."""
        workers = self.args.workers[number % len(self.args.workers)]
        kills = self.round(out, workers, min(self.rng.randint(2, 8), left))
        found = self.problems or soak.differences(self.folder / 'peace', out)
        self.problems = []
        return f'{workers} workers', kills, found

    def round(self, out: Path, workers: int, most: int) -> int:
        """Kill and resume until all is done; the number of kills."""
        kills = 0
        while True:
            kind = self.rng.choice(self.args.kinds) if kills < most else ''
            own = kind.startswith('own')
            if not own:
                # one machine comes when work has begun
                self.machines(max(1, workers - 1))
            pid = soak.run(self.arguments(out, workers, own), mark)
            begin = time.monotonic()
            status = self.disturb(pid, kind, workers, most - kills)
            kills += status[1]
            if status[0] not in (0, 1, 143, -signal.SIGKILL,
                                 -signal.SIGTERM) or \
                    status[0] == 1 and not status[1]:
                self.problems.append(f'{out}: {kind or "peace"} ended with '
                                     f'{status[0]}, see {out}.log')
                return kills
            if status[0] == 0:
                if not status[1]:
                    self.seconds = time.monotonic() - begin
                return kills

    def disturb(self, pid: int, kind: str, workers: int, most: int
                ) -> tuple[int, int]:
        """Do harm to a run, and wait for its end; status and kills."""
        kills = 0
        end = time.monotonic() + self.rng.uniform(.2, 1) * self.seconds
        wanted = self.rng.randint(1, 4)
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status), kills
            time.sleep(.2)
            if time.monotonic() < end or kills >= most:
                continue
            if not kind.startswith('own') and \
                    self.ask('count') < workers and not kills:
                self.ask('add')
                self.counts['machine added midway'] += 1
            if 'driver' in kind:
                number = signal.SIGTERM if 'terminate' in kind \
                    else signal.SIGKILL
                os.kill(pid, number)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                self.counts[kind] += 1
                self.look_for_left(pid)
                return status, 1
            if kind == 'kill worker' and kills < wanted:
                # the first that dies three times while it loads ends a run
                there = actors(loading=not kills)
                if there:
                    with contextlib.suppress(OSError):
                        os.kill(self.rng.choice(there), signal.SIGKILL)
                        self.counts[kind] += 1
                        kills += 1
                end = time.monotonic() + self.rng.uniform(0, 8)
            if kind == 'kill machine' and not kills:
                self.ask('lose', self.rng.randrange(4))
                self.ask('add')
                self.counts[kind] += 1
                kills += 1

    def look_for_left(self, pid: int) -> None:
        """Nothing of a driver that was killed may stay."""
        end = time.monotonic() + GONE
        while left := left_of(pid):
            if time.monotonic() > end:
                self.problems.append(f'left behind by {pid}: {left}')
                return
            time.sleep(.5)


def mark() -> None:
    """What a driver starts is known by this."""
    os.environ['SOAK_DRIVER'] = str(os.getpid())


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    import hpnet_plugin.commands.extract  # noqa: F401  it costs seconds
    import hpnet_plugin.extraction.run  # noqa: F401
    from hpnet_plugin.extraction.ray_cluster import _ask_for_token
    _ask_for_token()
    os.environ.update(SETTINGS, SOAK=str(os.getpid()))
    folder = Path(args.folder or tempfile.mkdtemp(prefix='soak-'))
    folder.mkdir(parents=True, exist_ok=True)
    soak.draw(folder / 'videos', args.clips)
    peace = folder / 'peace'
    shutil.rmtree(peace, ignore_errors=True)
    if os.waitpid(soak.run([
            str(folder / 'videos'), '--pose', 'tiny', '--detector', 'frame',
            '--batch', '8', '--workers', '0', '--out', str(peace)]), 0)[1]:
        raise SystemExit(f'soak: no peace, see {peace}.log')
    ours, theirs = multiprocessing.Pipe()
    keeper = multiprocessing.get_context('spawn').Process(
        target=keep_cluster, args=(theirs, ))
    keeper.start()
    theirs.close()
    try:
        work = Soak(args, folder, ours)
        return not soak.rounds(
            args, folder, work.one, work.counts,
            'nothing lost, nothing doubled, the same bytes')
    finally:
        ours.close()
        keeper.join(60)
        keeper.kill()


if __name__ == '__main__':
    sys.exit(main())

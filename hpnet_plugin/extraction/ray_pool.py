"""Workers on Ray: on the cores of this computer or on many machines.

What travels to a worker is an item, a clip's name and path; what travels
back is what the store gets of it. Frames stay where they are decoded. Workers
need not be there from the start, and may go: whoever is ready gets items.
"""
from __future__ import annotations

import errno
import pickle
import sys
import time
from collections import Counter
from collections.abc import Container
from typing import Any

from tqdm import tqdm

from .ray_actor import Actor, Place
from .ray_cluster import RayCluster
from .worker_process import Build, Failure
from .workers import ATTEMPTS, Crew, SetupError

LOOK = 5.  # seconds between two looks at what the cluster has
RETRY = 30.  # seconds until a worker is started again that did not get ready
WAITED = 60.  # seconds without any worker after which that is said


class RayWorker:
    """An actor, as the driver sees it.

    Args:
        ray: The module.
        actor: It, just started.
        number: Its number from 0.
        place: See :class:`.Actor`.
        build: Likewise, in the object store.
    """

    def __init__(self, ray: Any, actor: Any, number: int, place: Place,
                 build: Any) -> None:
        self._ray, self._actor = ray, actor
        self.number, self.name = number, str(number)
        self.ready, self.gone = False, False
        self.at: int | None = None
        self.heard = time.monotonic()
        self._doing = self._actor.build.remote(place, build)
        self._hearing: Any = None

    @property
    def refs(self) -> list:
        """What it has been asked and has not answered."""
        return [ref for ref in (self._doing, self._hearing)
                if ref is not None]

    def give(self, at: int, item: object) -> None:
        """Hand over an item.

        Args:
            at: Its number.
            item: Anything that can be pickled.
        """
        self.at, self.heard = at, time.monotonic()
        self._doing = self._actor.do.remote(pickle.dumps(item))

    def hear(self, answered: Container[Any]) -> list[tuple[str, Any]]:
        """What it says: (kind, value) each.

        Args:
            answered: Those of ``refs`` that it has answered.

        Returns:
            ``'ready'`` or ``'broken'`` once; ``'progress'``, ``'done'`` and
            ``'fatal'`` of an item; ``'died'`` with how, in words.
        """
        doing, hearing = self._doing, self._hearing
        if doing is not None and doing in answered:
            kind, value, *count = self._get(doing)
            if kind != 'died':
                self._doing = None
            if kind == 'ready':
                self.ready = True
                self.name = f'{value[1]}/{self.number}'
                self._listen()
            if kind == 'done' and isinstance(value, bytes):
                value = pickle.loads(value)
            return [*(('progress', n) for n in count if n), (kind, value)]
        if hearing is not None and hearing in answered:
            reports, count = self._get(hearing)
            if reports == 'died':
                return [(reports, count)]
            self._listen()
            return [('progress', count)] if reports else []
        return []

    def kill(self) -> str:
        """End the actor at once, whatever it does.

        Returns:
            How it ended, in words.
        """
        self.gone = True
        self._doing = self._hearing = None
        if self._ray.is_initialized():
            self._ray.kill(self._actor)
        return 'was ended'

    def _listen(self) -> None:
        self._hearing = self._actor.heard.options(
            concurrency_group='look').remote()

    def _get(self, ref: Any) -> tuple:
        """An answer, or what came in its place."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref)
        except (errors.OutOfDiskError, errors.ObjectStoreFullError):
            return 'fatal', (errno.ENOSPC, 'the object store of Ray and the '
                             'disk to which it spills are full')
        except errors.RayTaskError as error:  # what is sent cannot be read
            text = str(error.cause or error)
            return ('done', Failure(text), 0) if self.ready else \
                ('broken', text)
        except errors.RayError as error:
            return 'died', _how(error, errors)


class RayWorkers(Crew[RayWorker]):
    """Workers on Ray, each with what it needs to do items of one kind.

    An item that raises fails alone; so does one whose worker dies ``ATTEMPTS``
    times, and one that gets on by nothing for ``timeout`` seconds. Workers
    that die are started again as soon as there is room for them, and more are
    started where a cluster grows.

    Args:
        build: Called in each worker with its number; it is pickled. See
            :class:`~hpnet_plugin.extraction.workers.Workers`.
        count: Most workers.
        timeout: Seconds without any progress after which an item has failed.
            Defaults to 300.
        address: See :class:`RayCluster`.
        gpus: GPUs of each worker, such as 0.25. Defaults to 0.
        demand: Whether to ask the cluster for ``count`` workers, so that one
            that can grow does; otherwise as many are started as have room.
            Defaults to False.

    Raises:
        SetupError: If there can be no worker, or if ``build`` of the first
            raises an error, with its text.
    """

    def __init__(self,
                 build: Build,
                 count: int,
                 timeout: float = 300.,
                 address: str | None = None,
                 gpus: float = 0.,
                 demand: bool = False) -> None:
        super().__init__(timeout)
        self._count, self._gpus, self._demand = count, gpus, demand
        self._room, self._next = 0, 0.  # workers, and when to look again
        # of each number: starts in a row that came to nothing, and when the
        # next may be
        self._starts: Counter[int] = Counter()
        self._later: dict[int, float] = {}
        self._begun = False  # whether any was ready
        self._said: set[str] = set()
        self._cluster = RayCluster(address, count if demand else None)
        self._ray = self._cluster.ray
        # one thread does the work, another says how it gets on
        self._actor = self._ray.remote(
            num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0,
            scheduling_strategy='SPREAD',
            concurrency_groups=dict(look=1))(Actor)
        try:
            self._place = Place()
            # once for each machine, however many workers it has
            self._build = self._ray.put(
                self._ray.cloudpickle.dumps(build))
            begin = time.monotonic()
            while not self._begun:
                self._listen(None)
                if time.monotonic() - begin > WAITED:
                    self._say('no worker is ready yet; each needs 1 CPU'
                              + (f' and {gpus:g} GPU' if gpus else '')
                              + f', and there is room for {self._room}')
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all workers at once, and Ray if it was started here."""
        try:
            super().close()
        finally:
            self._cluster.close()

    def _listen(self, patience: float | None
                ) -> list[tuple[RayWorker, str, Any]]:
        """What the workers say: (worker, kind, value) each."""
        self._fill()
        wait = LOOK if patience is None else min(patience, LOOK)
        asked = [ref for one in self._all for ref in one.refs]
        answered: set = set()
        if asked:
            if self._ray.wait(asked, num_returns=1, timeout=wait)[0]:
                answered.update(self._ray.wait(
                    asked, num_returns=len(asked), timeout=0)[0])
        else:
            time.sleep(wait)
        now, said = self._awake(wait), []
        for one in self._all:
            for kind, value in one.hear(answered):
                one.heard = now
                if kind in ('ready', 'broken') or \
                        kind == 'died' and not one.ready:
                    self._start_ended(one, kind, value)
                    continue
                if kind == 'died':
                    one.kill()
                said.append((one, kind, value))
            if one.at is not None and not one.gone and \
                    now - one.heard >= self._timeout:
                one.kill()
                said.append((one, 'done', Failure(
                    f'no progress for {self._timeout:.0f} s: it was given '
                    'up (--timeout)')))
        self._all = [one for one in self._all if not one.gone]
        return said

    def _start_ended(self, one: RayWorker, kind: str, value: Any) -> None:
        """A worker is ready, or could not be started."""
        if kind == 'ready':
            told = value[0]
            if not self._begun or told == self.told:
                self._begun, self.told = True, told
                self._starts.pop(one.number, None)
                return
            value = 'its features would differ from those of the first worker'
        else:
            self._starts[one.number] += 1
            if not self._begun and kind == 'broken':
                raise SetupError(value)
            if not self._begun and self._starts[one.number] >= ATTEMPTS:
                raise SetupError(f'a worker process {value} while it loaded '
                                 'the nets')
        one.kill()
        if self._begun:  # the others go on
            self._later[one.number] = time.monotonic() + RETRY
            self._say(f'worker {one.name} is not used: {value}')

    def _fill(self) -> None:
        """Start workers for which there is room; give up those without."""
        now = time.monotonic()
        if now >= self._next:
            self._room, self._next = self._cluster.room(self._gpus), now + LOOK
            if self._cluster.own and not self._room:
                raise SetupError('no worker fits on this computer: '
                                 f'{self._gpus:g} GPU each')
        target = self._count if self._demand else min(self._count, self._room)
        there = {one.number for one in self._all}
        free = [number for number in range(target) if number not in there
                and self._later.get(number, 0) <= now]
        for number in free[:max(0, target - len(there))]:
            self._all.append(RayWorker(self._ray, self._actor.remote(number),
                                       number, self._place, self._build))
        waiting = [one for one in self._all if not one.ready]
        for one in waiting[:max(0, len(self._all) - target)]:
            one.kill()
            self._all.remove(one)

    def _say(self, text: str) -> None:
        """Say something once, without harm to a progress bar."""
        if text not in self._said:
            self._said.add(text)
            tqdm.write(text, file=sys.stderr)


def _how(error: Exception, errors: Any) -> str:
    """How a worker came to its end, in words."""
    if isinstance(error, errors.OutOfMemoryError):
        return 'was ended by Ray, because memory ran out'
    if isinstance(error, errors.NodeDiedError) or \
            'its node has died' in str(error):
        return 'was lost with its machine'
    return 'died'

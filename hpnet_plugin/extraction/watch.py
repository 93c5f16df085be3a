"""Who does the work of an extraction, and who is told how it goes."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from .worker_process import Build

if TYPE_CHECKING:
    from .run import Estimate

# What becomes of a clip: it is stored with people, or without, or as far as a
# damaged video goes; its crops are added to features that were stored before;
# or it has failed.
Outcome = Literal['stored', 'nobody', 'damaged', 'crops', 'failed']
TICK = 1.  # seconds after which a pool that waits says that time passes


class Watch:
    """Is told what the workers of a run do; by itself it does nothing.

    A worker is named as its pool names it, ``'0'`` and on for processes of
    this computer. A new process in the place of one that died has its name.
    """

    def began(self, worker: str, item: Any) -> None:
        """A worker was given an item.

        Args:
            worker: Which.
            item: The item.
        """

    def progress(self, worker: str, count: int) -> None:
        """A worker has got on.

        Args:
            worker: Which.
            count: By so many frames.
        """

    def ended(self, worker: str, item: Any, failed: bool) -> None:
        """An item is done, or has failed for good.

        Args:
            worker: By whom.
            item: The item.
            failed: Whether it failed.
        """

    def lost(self, worker: str, how: str) -> None:
        """A worker is gone; its item will be begun again, or has failed.

        Args:
            worker: Which.
            how: In words, ``'was ended by SIGKILL'`` for one.
        """

    def opened(self, ahead: Estimate) -> None:
        """The work begins.

        Args:
            ahead: What there is to do.
        """

    def settled(self, clip: str, outcome: Outcome, nbytes: int = 0) -> None:
        """A clip was written to the store, or noted as failed.

        Args:
            clip: Its name.
            outcome: What became of it.
            nbytes: Of its arrays.
        """

    def passing(self) -> None:
        """Time passes; a pool that waits says so, about once a second."""


class Watches(Watch):
    """Several that are told.

    Args:
        all: They.
    """

    def __init__(self, all: Sequence[Watch]) -> None:
        self._all = list(all)

    def began(self, worker: str, item: Any) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            item: Likewise.
        """
        for one in self._all:
            one.began(worker, item)

    def progress(self, worker: str, count: int) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            count: Likewise.
        """
        for one in self._all:
            one.progress(worker, count)

    def ended(self, worker: str, item: Any, failed: bool) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            item: Likewise.
            failed: Likewise.
        """
        for one in self._all:
            one.ended(worker, item, failed)

    def lost(self, worker: str, how: str) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            how: Likewise.
        """
        for one in self._all:
            one.lost(worker, how)

    def opened(self, ahead: Estimate) -> None:
        """See :class:`Watch`.

        Args:
            ahead: Likewise.
        """
        for one in self._all:
            one.opened(ahead)

    def settled(self, clip: str, outcome: Outcome, nbytes: int = 0) -> None:
        """See :class:`Watch`.

        Args:
            clip: Likewise.
            outcome: Likewise.
            nbytes: Likewise.
        """
        for one in self._all:
            one.settled(clip, outcome, nbytes)

    def passing(self) -> None:
        """See :class:`Watch`."""
        for one in self._all:
            one.passing()


class Pool(Protocol):
    """Workers, wherever they are; see :class:`.workers.Workers`.

    Attributes:
        told: What ``build`` of the first worker that was ready told.
    """
    told: Any

    def run(self, items: Iterable[Any], watch: Watch
            ) -> Iterator[tuple[Any, Any]]:
        """Do items, several at a time.

        Args:
            items: The items.
            watch: Is told how it goes, and that time passes.

        Yields:
            An item and its result or ``Failure``, in the order of the items.
        """
        ...

    def __enter__(self) -> Self:
        ...

    def __exit__(self, *error: object) -> None:
        ...


class Launcher(Protocol):
    """Starts a pool."""

    def __call__(self, build: Build, count: int, timeout: float) -> Pool:
        """Start workers.

        Args:
            build: Called in each worker with its number; see
                :class:`.workers.Workers`.
            count: Of workers.
            timeout: Seconds without progress after which an item has failed.

        Returns:
            The pool, with at least one worker ready.

        Raises:
            SetupError: If ``build`` raises an error, with its text.
        """
        ...

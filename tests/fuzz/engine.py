"""Reads changed files in child processes, and counts what becomes of them.

A child works through changed files one after the other. It has a limit of
memory and, for each file, one of processor time; whatever ends it, the
parent knows at which file it was and starts another child behind that one.
"""
from __future__ import annotations

import collections
import ctypes
import faulthandler
import itertools
import mmap
import os
import random
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .changes import changed

READ, REFUSED, FOREIGN, CRASH, HANG, MEMORY = OUTCOMES = (
    'read', 'refused', 'foreign', 'crash', 'hang', 'memory')
BAD = OUTCOMES[2:]
BATCH = 1000  # files a child
FAULT = 97  # exit status of a child in which the harness itself failed
_INDEX = struct.Struct('<q')


@dataclass(frozen=True)
class Reader:
    """One way to read files.

    Attributes:
        seeds: Writes valid files into a folder and names them.
        read: Reads a file as far as its users do.
        errors: Exceptions that are right for a broken file. They must name
            the file, see ``named``.
        suffix: Of the changed file, where it is alone in its folder. Defaults
            to that of the seed.
        form: How files are changed beside their bytes: ``'json'``,
            ``'pickle'``, ``'text'`` or ``'bytes'``. Defaults to what the
            suffix says.
        change: Changes of this format alone, used every other time.
        repair: Makes checksums and lengths right after a change, three times
            out of four, so that what is behind them is reached.
        beside: Whether the seed's folder is copied, and the changed file has
            the place of the seed in it.
        named: What an error must name; defaults to the changed file.
        memory: MiB that reading may take more than before.
        address: MiB that it may ask for, used or not. Defaults to ``memory``.
        seconds: Of processor time for one file.
        guided: Whether a search that is guided by coverage pays.
    """
    seeds: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    errors: tuple[type[BaseException], ...]
    suffix: str = ''
    form: str | None = None
    change: Callable[[bytes, random.Random], bytes] | None = None
    repair: Callable[[bytes], bytes] | None = None
    beside: bool = False
    named: Callable[[Path], str] | None = None
    memory: int = 512
    address: int | None = None
    seconds: float = 10.
    guided: bool = True


@dataclass
class Counts:
    """What became of the changed files of a reader.

    Attributes:
        counts: Outcome to number of files.
        examples: Outcome and what happened to how often, and one such file.
    """
    counts: collections.Counter[str] = field(
        default_factory=collections.Counter)
    examples: dict[tuple[str, str], tuple[int, str]] = field(
        default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every file was read, or refused by an error of its own."""
        return not any(self.counts[outcome] for outcome in BAD)


class Fuzzer:
    """Changed files of one reader.

    Args:
        name: Of the reader.
        reader: The reader.
        folder: For seeds and for the files that are read.
        keep: Where files that were not answered right are kept.
        seed: Number that all changes follow from.
    """

    def __init__(self, name: str, reader: Reader, folder: Path, keep: Path,
                 seed: int = 0) -> None:
        self.name, self.reader, self.keep = name, reader, keep
        self.seed = seed
        self.scratch = folder / 'scratch'
        place = folder / 'seeds'
        place.mkdir(parents=True)
        self.seeds = sorted(reader.seeds(place))
        self.contents = [path.read_bytes() for path in self.seeds]

    def mutation(self, index: int) -> tuple[Path, bytes]:
        """A changed file: the seed that it comes from, and its bytes."""
        rng = random.Random(f'{self.seed}/{self.name}/{index}')
        chosen = rng.randrange(len(self.seeds))
        form = self.reader.form or form_of(self.seeds[chosen].suffix)
        data = self.contents[chosen]
        if self.reader.change and rng.random() < .5:
            data = self.reader.change(data, rng)
        else:
            data = changed(data, rng, form, rng.choice(self.contents))
        if self.reader.repair and rng.random() < .75:
            data = self.reader.repair(data)
        return self.seeds[chosen], data

    def put(self, origin: Path, data: bytes) -> Path:
        """Write a changed file where it is read."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        if self.reader.beside:
            shutil.copytree(origin.parent, self.scratch)
            path = self.scratch / origin.name
        else:
            self.scratch.mkdir()
            path = self.scratch / (
                'x' + (self.reader.suffix or origin.suffix))
        path.write_bytes(data)
        return path

    def check_seeds(self) -> None:
        """Every seed must be read, or nothing is tested."""
        for path, data in zip(self.seeds, self.contents):
            self.reader.read(self.put(path, data))

    def run(self, numbers: Iterator[int]) -> Counts:
        """Read changed files, whatever happens.

        Args:
            numbers: Of the changed files.

        Returns:
            What became of them.
        """
        found, numbers = Counts(), iter(numbers)
        self._rid_of_old()
        while batch := list(itertools.islice(numbers, BATCH)):
            while batch:
                done, ended = self._child(batch)
                for outcome, what, number in done:
                    self._count(found, outcome, what, number)
                if ended is None:
                    break
                at, outcome, what = ended
                self._count(found, outcome, what, at)
                batch = batch[batch.index(at) + 1:]
        return found

    def _rid_of_old(self) -> None:
        for path in self.keep.glob(f'{self.name}-*'):
            path.unlink()

    def _count(self, found: Counts, outcome: str, what: str, number: int
               ) -> None:
        found.counts[outcome] += 1
        if outcome not in BAD:
            return
        times, kept = found.examples.get((outcome, what), (0, ''))
        if not times:
            self.keep.mkdir(parents=True, exist_ok=True)
            origin, data = self.mutation(number)
            path = self.keep / f'{self.name}-{outcome}-{number}-{origin.name}'
            path.write_bytes(data)
            kept = str(path)
        found.examples[outcome, what] = times + 1, kept

    def _child(self, batch: list[int]) -> tuple[
            list[tuple[str, str, int]], tuple[int, str, str] | None]:
        """Outcomes of a child, and at which file and how it ended early."""
        at = mmap.mmap(-1, _INDEX.size)
        at[:] = _INDEX.pack(batch[0])
        with tempfile.TemporaryFile() as told, \
                tempfile.TemporaryFile() as stderr:
            sys.stdout.flush()
            sys.stderr.flush()
            child = os.fork()
            if not child:
                _die_quietly(self._work, batch, at, told, stderr)
            _, status = os.waitpid(child, 0)
            told.seek(0)
            done = [(outcome, what, int(number)) for number, outcome, what in (
                line.rstrip('\n').split('\t', 2)
                for line in told.read().decode().splitlines(True))]
            if status == 0:
                return done, None
            stderr.seek(0)
            log = stderr.read().decode(errors='replace')
        number, = _INDEX.unpack(at[:])
        code = os.waitstatus_to_exitcode(status)
        if code == FAULT:
            raise RuntimeError(f'at changed file {number} of {self.name}:\n'
                               f'{log}')
        outcome = HANG if code in (-signal.SIGPROF, -signal.SIGALRM) else \
            CRASH
        name = 'too long' if outcome == HANG else \
            signal.Signals(-code).name if code < 0 else f'exit {code}'
        return done, (number, outcome, f'{name} in {_place(log)}')

    def _work(self, batch: list[int], at: mmap.mmap, told: int) -> None:
        warnings.simplefilter('ignore')
        limit = _status('VmSize') + (
            (self.reader.address or self.reader.memory) << 20)
        # who asks for addresses alone may be asked again without the limit
        most = resource.getrlimit(resource.RLIMIT_AS)[1] \
            if self.reader.address else limit
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in batch:
            at[:] = _INDEX.pack(number)
            path = self.put(*self.mutation(number))
            outcome, what = self.judged(path)
            os.write(told, f'{number}\t{outcome}\t{what}\n'.encode())

    def judged(self, path: Path) -> tuple[str, str]:
        """Read a file; its outcome, and what happened."""
        start = _peak_from_here()
        signal.setitimer(signal.ITIMER_PROF, self.reader.seconds)
        signal.setitimer(signal.ITIMER_REAL, 12 * self.reader.seconds)
        try:
            outcome, what = self.outcome(path)
            if outcome == MEMORY and self.reader.address:
                outcome, what = self._without_limit(path, what)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        grown = (_status('VmHWM') - start) >> 20
        if grown > self.reader.memory:
            return MEMORY, 'resident memory'
        return outcome, what

    def _without_limit(self, path: Path, what: str) -> tuple[str, str]:
        """Who still lacks memory has refused a size, and did not ask for it.

        FFmpeg says that of more than 2 GiB at once, and of a table that
        cannot be.
        """
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limits[1], limits[1]))
        try:
            if self.outcome(path)[0] == MEMORY:
                return self.outcome(path, memory=False)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
        return MEMORY, what

    def outcome(self, path: Path, memory: bool = True) -> tuple[str, str]:
        """Read a file without limits; its outcome, and what happened.

        Args:
            path: The file.
            memory: Whether a lack of memory is an outcome of its own.

        Returns:
            Both.
        """
        try:
            self.reader.read(path)
        except BaseException as error:
            return self._refused(error, path, memory)
        return READ, ''

    def _refused(self, error: BaseException, path: Path, memory: bool
                 ) -> tuple[str, str]:
        if memory and any(isinstance(e, MemoryError) for e in _chain(error)):
            return MEMORY, f'MemoryError at {_raised(error)}'
        name = type(error).__name__
        if not isinstance(error, self.reader.errors):
            return FOREIGN, f'{name} at {_raised(error)}'
        named = self.reader.named(path) if self.reader.named else path.name
        if named not in str(error):
            return FOREIGN, (f'{name} at {_raised(error)} does not name the '
                             'file')
        return REFUSED, ''


def _die_quietly(work: Callable, batch: list[int], at: mmap.mmap, told,
                 stderr) -> None:
    """What a child does; it never returns."""
    code = FAULT
    try:
        os.dup2(stderr.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        faulthandler.enable(stderr)
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
            faulthandler.register(number, stderr, chain=True)
        work(batch, at, told.fileno())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def form_of(suffix: str) -> str:
    """How files are changed, by their suffix."""
    return {'.json': 'json', '.pkl': 'pickle', '.pickle': 'pickle',
            '.txt': 'text', '.jsonl': 'text'}.get(suffix, 'bytes')


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _raised(error: BaseException) -> str:
    """The last place in the package on the way to an error."""
    deepest = list(_chain(error))[-1]
    for one in (deepest, error):
        places = [f'{Path(frame.filename).name}:{frame.lineno}'
                  for frame in traceback.extract_tb(one.__traceback__)
                  if '/hpnet_plugin/' in frame.filename]
        if places:
            return places[-1]
    return 'unknown'


def _place(log: str) -> str:
    """The innermost place in the package that a dump of a stack names."""
    found = re.search(r'hpnet_plugin/(\S+\.py)", line (\d+)', log)
    first = re.search(r'File "([^"]+)", line (\d+)', log)
    if found:
        return f'{found[1]}:{found[2]}'
    return f'{first[1]}:{first[2]}' if first else log.strip()[-200:]


def _status(key: str) -> int:
    with open('/proc/self/status', encoding='ascii') as file:
        for line in file:
            if line.startswith(key + ':'):
                return int(line.split()[1]) << 10
    return 0


def _peak_from_here() -> int:
    """Resident memory now, from which its peak is counted.

    What malloc holds free goes back to the kernel first: an allocation in a
    hole of the heap would take neither address space nor new pages.
    """
    ctypes.CDLL(None).malloc_trim(0)
    with open('/proc/self/clear_refs', 'w', encoding='ascii') as file:
        file.write('5')
    return _status('VmRSS')

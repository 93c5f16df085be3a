"""Broken and hostile files: some of each kind, as tests/fuzz has them."""
import ctypes
import itertools
import mmap
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fuzz.engine import Fuzzer, Reader  # noqa: E402
from fuzz.run import all_readers, fuzz  # noqa: E402

MUTATIONS = 40


@pytest.mark.parametrize('name', all_readers())
def test_broken_files_are_refused_by_name(name, tmp_path):
    counts = fuzz(name, all_readers()[name], MUTATIONS, 0, tmp_path)
    assert counts.good, counts.examples
    assert counts.counts.total() == MUTATIONS


def _one_seed(folder):
    (folder / 'a.txt').write_text('0')
    return [folder / 'a.txt']


def _refuse(path):
    raise OSError(f'{path} is broken')


def _refuse_unnamed(path):
    raise OSError('broken')


def _swallow_memory(path):
    try:
        bytearray(1 << 30)
    except MemoryError:
        raise OSError(f'{path} is broken') from None


def _fill_memory(path):
    return bytearray(b'x' * (100 << 20))


def _crash(path):
    ctypes.string_at(0)


def _hang(path):
    sum(itertools.repeat(0))


@pytest.mark.parametrize('read, outcome', [
    (lambda path: None, 'read'), (_refuse, 'refused'),
    (_refuse_unnamed, 'foreign'), (lambda path: {}['a'], 'foreign'),
    (_swallow_memory, 'memory'), (_fill_memory, 'memory'),
    (_crash, 'crash'), (_hang, 'hang')])
def test_what_happens_to_a_file_is_seen(tmp_path, read, outcome):
    reader = Reader(_one_seed, read, (OSError, ), memory=64,
                    seconds=.05 if outcome == 'hang' else 10.)
    fuzzer = Fuzzer('x', reader, tmp_path / 'work', tmp_path / 'kept')
    counts = fuzzer.run(iter(range(2)))
    assert counts.counts == {outcome: 2}
    kept = list((tmp_path / 'kept').glob('*'))
    assert len(kept) == (outcome not in ('read', 'refused'))
    assert counts.good == (not kept)


def _ask_for_addresses(path):
    try:
        return len(mmap.mmap(-1, 1 << 30))
    except OSError as error:  # ENOMEM
        raise OSError(f'{path} is broken') from MemoryError(error)


def _refuse_a_size(path):
    raise OSError(f'{path} is broken') from MemoryError('too large')


@pytest.mark.parametrize('read, outcome', [
    (_ask_for_addresses, 'memory'), (_refuse_a_size, 'refused')])
def test_a_size_that_is_refused_takes_no_memory(tmp_path, read, outcome):
    """As FFmpeg does it: its error is that of memory that has run out."""
    reader = Reader(_one_seed, read, (OSError, ), memory=64, address=128)
    fuzzer = Fuzzer('x', reader, tmp_path / 'work', tmp_path / 'kept')
    assert fuzzer.run(iter(range(2))).counts == {outcome: 2}


def test_a_hole_in_the_heap_is_no_free_memory(tmp_path):
    pieces = [ctypes.create_string_buffer(100_000) for _ in range(3000)]
    del pieces[:-1]
    reader = Reader(_one_seed, _fill_memory, (OSError, ), memory=64)
    fuzzer = Fuzzer('x', reader, tmp_path / 'work', tmp_path / 'kept')
    assert fuzzer.run(iter(range(2))).counts == {'memory': 2}

"""Check a feature store: every byte of every file."""
import contextlib
import os
import os.path as osp
from collections.abc import Callable, Iterable, Mapping

from ..files import try_locked
from .building import build
from .catalog import parts_of
from .errors import StoreError
from .files import (
    META,
    SHARD,
    TABLE,
    list_folder,
    meta_bytes,
    read_meta,
    stems_of,
)
from .index import damaged, duplicate
from .inspection import Shard, guarded, inspect, leftovers
from .journal_scan import scan_journal
from .mapping import MappedFile
from .table import Table


def verify(root: str | os.PathLike[str],
           progress: Callable | None = None,
           expected: Mapping[str, int] | None = None) -> list[str]:
    """Read every byte of a store and compare it with what was written.

    Each array is compared with its checksum, indices with the headers of
    their shards, the consolidated index with both, and files that have no
    checksum with what their own content is written as.

    Args:
        root: The store.
        progress: Wraps the list of shards, ``tqdm`` for one.
        expected: Clip to the checksum that it had when it was noted
            (:func:`~hpnet_plugin.store.fingerprint.clip_checksums`).

    Returns:
        What is wrong, a line each; empty if nothing is.
    """
    root = os.fspath(root)
    try:
        meta = read_meta(root)
        names = list_folder(root)
        stems = stems_of(names)
    except (StoreError, OSError) as error:
        return [str(error)]
    problems = _meta_problems(root, meta) + _leftover_problems(
        root, names, stems) + _journals(root, names)
    shards: Iterable[Shard] = inspect(root, stems, meta, expected)
    seen: dict[bytes, str] = {}
    found = []
    for shard in progress(shards, total=len(stems)) if progress else shards:
        found += shard.lines()
        for name in shard.part.names if shard.part and not shard.lost else ():
            if seen.setdefault(name, shard.stem) != shard.stem:
                found.append(str(duplicate(name.decode(), seen[name],
                                           shard.stem)))
    return problems + found + table_problems(root, bool(found))


def _meta_problems(root: str, meta: dict) -> list[str]:
    """Whether meta.json is, byte by byte, what its content is written as."""
    path = osp.join(root, META)
    if meta['version'] == 1:
        return []  # written by others, without a checksum
    with open(path, 'rb') as file:
        data = file.read()
    return [] if data == meta_bytes(meta) else [
        f'{path} is damaged: it is not what its own content is written as']


def _leftover_problems(root: str, names: list[str],
                       stems: Mapping[str, str]) -> list[str]:
    return [f'{osp.join(root, name)} has no index: it was removed, or a run '
            'was interrupted; the extraction makes its clips again'
            for name in leftovers(root, names, stems)]


def journals(names: Iterable[str]) -> list[str]:
    """Journals among the files of a store.

    Args:
        names: Of files.

    Returns:
        Those that are journals.
    """
    return sorted(name for name in names
                  if name.endswith('journal') and name[0] != '.')


def _journals(root: str, names: list[str]) -> list[str]:
    """What is wrong with journals that nobody writes."""
    found = []
    for name in journals(names):
        path = osp.join(root, name)
        try:
            scan = scan_journal(path)
            if scan.bad and not scan.torn and not _written_now(root, name):
                found.append(
                    f'{path}: {sum(b - a for a, b in scan.bad)} of its '
                    f'{scan.size} bytes, from byte {scan.bad[0][0]}, are of '
                    f'no whole clip; {len(scan.clips)} are sound; the next '
                    'extraction drops what is behind the first damaged byte, '
                    'hpnet verify --repair keeps every sound clip')
        except FileNotFoundError:
            continue  # its writer was closed meanwhile
        except OSError as error:
            found.append(f'{path} cannot be read: {error.strerror}')
    return found


def _written_now(root: str, journal: str) -> bool:
    lock = osp.join(root, journal.removesuffix('journal') + 'writer.lock')
    with contextlib.suppress(OSError), try_locked(lock) as free:
        return not free
    return False


def table_problems(root: str, damage: bool = False) -> list[str]:
    """What is wrong with the consolidated index.

    Args:
        root: The store.
        damage: Whether indices of shards are damaged: then it is looked at
            alone. Defaults to False.

    Returns:
        A line, or none. A store need not have one.
    """
    path = osp.join(root, TABLE)

    def look() -> list[str]:
        data = MappedFile(path).data
        table = Table(data, path)
        table.check()
        if damage:
            return []  # what it is made of comes first
        listed = set(table.stems)
        parts = [part for part in parts_of(root) if part.stem in listed]
        gone = sorted(listed - {part.stem for part in parts})
        if gone:
            return [f'{path} lists {gone[0]}{SHARD}, which has no index: its '
                    'clips are gone, and the extraction makes them again']
        if data != b''.join(build(parts)):
            return [str(damaged(path, 'it is not what the indices of the '
                                'shards say'))]
        return []

    if not osp.exists(path):
        return []
    try:
        return guarded(look, path)
    except StoreError as error:
        return [str(error)]

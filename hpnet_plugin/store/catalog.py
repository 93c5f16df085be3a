"""All clips of a store: the consolidated table, and the shards beside it."""
import contextlib
import os
import os.path as osp
from collections.abc import Iterator
from typing import Any

from ..files import locked, remove_leftovers, write_whole
from . import format1
from .building import build
from .errors import StoreError
from .files import (
    INDEX,
    INDEX_1,
    LOCK,
    META,
    SHARD,
    TABLE,
    list_folder,
    mark_of_meta,
    read_meta,
    stems_of,
    write_meta,
)
from .index import HEADER_BYTES, Part, damaged, duplicate, mark_of
from .mapping import MappedFile
from .table import Table


class Catalog:
    """The clips of a store.

    ``consolidated.index`` is mapped, so that processes share it. The indices
    of shards that are not in it yet (a run that was killed, or goes on; a
    store of format 1) are read and kept in memory as one more table.

    Args:
        root: The store.

    Attributes:
        meta: What made the features.
        tables: One, two or none.
        stale: Whether ``consolidated.index`` lists shards that are gone, and
            is not used for that.

    Raises:
        StoreError: If there is no store, an index is damaged, a shard is
            missing or cut off, or two shards have one clip.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.meta = read_meta(root)
        # Mapped before the folder is listed: no index is ever taken away,
        # so all that the table lists must then be there.
        main = self._main()
        names = list_folder(root)
        stems = stems_of(names)
        self.stale = main is not None and not stems.keys() >= set(main.stems)
        if self.stale:
            main = None
        if main:
            refuse_foreign(main.path, main.metas, self.meta)
        known = set(main.stems) if main else set()
        parts = [read_part(root, stem, stems[stem], self.meta)
                 for stem in sorted(stems.keys() - known)]
        sizes = {part.stem: part.size for part in parts}
        if main:
            sizes.update(zip(main.stems, main.sizes))
        check_sizes(root, sizes)
        self.tables = [main] if main else []
        if parts:
            try:
                tail = Table(memoryview(b''.join(build(parts))), root)
            except StoreError as error:
                raise StoreError(f'{root}: {error}') from None
            if main:
                for row, name in enumerate(tail.names()):
                    twin = main.find(name)
                    if twin >= 0:
                        raise duplicate(
                            name, main.stems[main.clip(twin).shard],
                            tail.stems[tail.clip(row).shard])
            self.tables.append(tail)

    def __len__(self) -> int:
        return sum(table.clips for table in self.tables)

    def find(self, name: str) -> tuple[Table, int] | None:
        """The table and row of a clip.

        Args:
            name: Of the clip.

        Returns:
            Both; None if the clip is not there.
        """
        if isinstance(name, str):
            for table in self.tables:
                row = table.find(name)
                if row >= 0:
                    return table, row
        return None

    def names(self) -> list[str]:
        """All clips, sorted.

        Returns:
            Their names.
        """
        names = [name for table in self.tables for name in table.names()]
        return sorted(names) if len(self.tables) > 1 else names

    def stems(self) -> list[str]:
        """All shards.

        Returns:
            Their names, without suffix.
        """
        return [stem for table in self.tables for stem in table.stems]

    def close_to(self, name: Any, count: int = 3) -> list[str]:
        """Clips whose names begin most as a name does, of its neighbours.

        Args:
            name: A name that no clip has.
            count: How many clips.

        Returns:
            The closest first.
        """
        name = str(name)
        near = {other for table in self.tables
                for other in table.around(name, count)}
        return sorted(near, key=lambda other: (
            -len(osp.commonprefix((name, other))), other))[:count]

    def __getstate__(self) -> tuple:
        # The mapped table is opened again: only its mark travels.
        mapped = [table.mark for table in self.tables
                  if osp.basename(table.path) == TABLE]
        kept = [bytes(table.data) for table in self.tables
                if osp.basename(table.path) != TABLE]
        return self.root, self.meta, mapped, kept

    def __setstate__(self, state: tuple) -> None:
        self.root, self.meta, mapped, kept = state
        self.stale = False
        main = self._main() if mapped else None
        if mapped and (main is None or main.mark != mapped[0]):
            self.__init__(self.root)  # a writer has closed meanwhile
            return
        self.tables = ([main] if main else []) + [
            Table(memoryview(data), self.root) for data in kept]

    def _main(self) -> Table | None:
        path = osp.join(self.root, TABLE)
        try:
            return Table(MappedFile(path).data, path)
        except FileNotFoundError:
            return None


def read_part(root: str, stem: str, suffix: str, meta: dict[str, Any]
              ) -> Part:
    """The index of one shard.

    Args:
        root: The store.
        stem: Name of the shard.
        suffix: Of its index.
        meta: meta.json of the store.

    Returns:
        Its clips.

    Raises:
        StoreError: If it is damaged, or of another shard.
    """
    path = osp.join(root, stem + suffix)
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except FileNotFoundError:
        raise StoreError(f'{path} was removed just now') from None
    if suffix == INDEX_1:
        return format1.read_part(data, path, stem, meta['taps'])
    part = Table(memoryview(data), path).part()
    if part.stem != stem:
        raise damaged(path, f'it is the index of {part.stem}{SHARD}')
    refuse_foreign(path, [part.meta], meta)
    return part


def refuse_foreign(path: str, marks: list[int | None],
                   meta: dict[str, Any]) -> None:
    """Refuse an index of a store that was made otherwise.

    Args:
        path: The index.
        marks: Of the meta.json that it was written with; None in old ones.
        meta: meta.json of the store.

    Raises:
        StoreError: If it is of another store.
    """
    if not set(marks) <= {None, mark_of_meta(meta)}:
        raise damaged(path, f'it was written beside another {META}: its '
                      'features were made by another pose net, or with other '
                      'settings')


def check_sizes(root: str, sizes: dict[str, int]) -> None:
    """Compare shards with the sizes they were written with.

    Args:
        root: The store.
        sizes: Shard to its bytes.

    Raises:
        StoreError: If one is missing or has another size.
    """
    prefix = osp.join(root, '')
    for stem, expected in sizes.items():
        try:
            size = os.stat(prefix + stem + SHARD).st_size
        except FileNotFoundError:
            size = _size_there(root, stem, expected)
        if size != expected:
            found = 'it is missing' if size is None else f'{size} found'
            raise StoreError(
                f'{prefix}{stem}{SHARD}: {expected} bytes expected, {found}; '
                f'remove its index ({stem}{INDEX} or {stem}{INDEX_1}), and '
                'the extraction makes its clips again')


def _size_there(root: str, stem: str, expected: int) -> int | None:
    """Bytes of a shard that is not here but where the store mirrors."""
    from .fetching import remote_sizes
    sizes = remote_sizes(root)
    if sizes is None or stem not in sizes:
        return None
    size = sizes[stem]
    return expected if size is None else size


def parts_of(root: str) -> Iterator[Part]:
    """The indices of all shards, in order.

    Args:
        root: The store.

    Yields:
        The clips of each shard.

    Raises:
        StoreError: If one is damaged.
    """
    meta = read_meta(root)
    for stem, suffix in sorted(stems_of(list_folder(root)).items()):
        yield read_part(root, stem, suffix, meta)


def consolidate(root: str | os.PathLike[str]) -> bool:
    """Bring ``consolidated.index`` up to date.

    It holds nothing that the indices of the shards do not hold: it makes
    opening quick, and is the same, byte for byte, whatever writers came in
    whatever order. Every writer does this when it is closed.

    Args:
        root: The store.

    Returns:
        Whether it was out of date.

    Raises:
        StoreError: If an index is damaged or two shards have one clip.
        OSError: If it cannot be written.
    """
    root = os.fspath(root)
    with locked(osp.join(root, LOCK)):
        return _consolidate(root)


def upgrade(root: str | os.PathLike[str]) -> int:
    """Turn the indices of a store of format 1 into those of format 2.

    Shards stay as they are. It may be killed at any moment and run again:
    an index of format 1 goes when that of format 2 is there.

    Args:
        root: The store.

    Returns:
        The number of indices that were turned.

    Raises:
        StoreError: If there is no store or an index is damaged.
        OSError: If an index cannot be written.
    """
    root = os.fspath(root)
    meta = read_meta(root)
    count = 0
    with locked(osp.join(root, LOCK)):
        if meta['version'] == 1:
            write_meta(root, meta)
        for name in sorted(list_folder(root)):
            stem = osp.splitext(name)[0]
            if not name.endswith(INDEX_1) or stem not in stems_of([name]):
                continue
            path = osp.join(root, stem + INDEX)
            if not osp.exists(path):
                write_whole(path, build(
                    [read_part(root, stem, INDEX_1, meta)]))
            os.unlink(osp.join(root, name))
            count += 1
        _consolidate(root)
    return count


def drop_stale(root: str) -> None:
    """Remove a ``consolidated.index`` that lists shards that are gone.

    Args:
        root: The store.
    """
    with locked(osp.join(root, LOCK)):
        if Catalog(root).stale:
            os.unlink(osp.join(root, TABLE))


def open_meta(root: str, meta: dict[str, Any]) -> dict[str, Any]:
    """meta.json of a store; written if there is none, and if it is old.

    Several writers may start at once: one of them writes it.

    Args:
        root: The store.
        meta: What is written if there is none.

    Returns:
        What stands in it now.

    Raises:
        StoreError: If it is damaged.
        OSError: If it cannot be written.
    """
    with locked(osp.join(root, LOCK)):
        remove_leftovers(root, lambda name: name in (META, TABLE))
        if not osp.exists(osp.join(root, META)):
            write_meta(root, meta)
        return read_meta(root)


def _consolidate(root: str) -> bool:
    remove_leftovers(root, lambda name: name in (META, TABLE))
    path = osp.join(root, TABLE)
    stems = stems_of(list_folder(root))
    if not stems:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return False
    try:
        table = Table(MappedFile(path).data, path)
        if table.stems == sorted(stems) and table.marks == [
                _mark(root, stem, stems[stem]) for stem in table.stems]:
            return False
    except (FileNotFoundError, StoreError):
        pass  # it is made now
    write_whole(path, build(list(parts_of(root))))
    return True


def _mark(root: str, stem: str, suffix: str) -> int:
    path = osp.join(root, stem + suffix)
    if suffix == INDEX_1:
        return read_part(root, stem, suffix, read_meta(root)).mark
    with open(path, 'rb', buffering=0) as file:
        return mark_of(file.read(HEADER_BYTES), path)

"""An extraction into a dataset folder that is at a URL.

It works in the mirror of the folder (:mod:`hpnet_plugin.mirrors`). When a
shard is full its crops go to the URL, then the shard, then its index: an
index there means that the shard is there. The files of the dataset follow
at the end. Whatever is killed when, here or on another computer, the store
at the URL has whole shards only, and no clip twice.
"""
from __future__ import annotations

import contextlib
import json
import os
import os.path as osp
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..files import write_whole
from ..mirrors import CROPS, STORE, THREADS, Mirror
from ..remote import RefusedError, shown
from ..store import StoreError, consolidate
from ..store.catalog import read_part
from ..store.files import META, SHARD, TABLE, read_meta, stems_of
from .crop_checksums import FILE as CROP_CHECKSUMS
from .failures import FILE as FAILURES

PROBE = '.hpnet-probe'
# what an extraction needs when it goes on elsewhere, in this order: the
# list of clips belongs to the annotations before it
FILES = ('annotations.pkl', 'annotations.clips.json', 'classes.txt',
         'splits.json', 'extraction.json', 'dataset.json', 'checksums.json')
EARLY = ('names.json', )
# to which each run appends lines of its own
LINES = (FAILURES, f'{CROPS}/{CROP_CHECKSUMS}')
Content = TypeVar('Content')


class Upload:
    """A dataset folder at a URL, open for writing.

    What is there is taken over, without the shards; shards that an earlier
    run left here are uploaded.

    Args:
        url: The folder.

    Attributes:
        folder: The folder in which the extraction works.
        crops: Clips whose crops are at the URL.

    Raises:
        RemoteError: If it cannot be written, or does not answer.
        StoreError: If what is there is damaged.
    """

    def __init__(self, url: str) -> None:
        self.mirror = Mirror(url)
        self.objects, self.folder = self.mirror.objects, self.mirror.folder
        self.store = osp.join(self.folder, STORE)
        self._sent: dict[str, tuple[int, int]] = {}
        self._probe()
        before = self._meta()
        self._there = self.mirror.refresh(empty=True).indices
        self.crops = self._crops_there()
        if before is not None and before != self._meta():
            # the folder at the URL was made anew, by another pose net
            self._forget(set(self._pending()))
            for name in os.listdir(self.store):
                if name.endswith('journal'):
                    os.unlink(osp.join(self.store, name))
        self._forget(self._stored_elsewhere())
        for stem, suffix in sorted(self._pending().items()):
            self._send(stem, suffix)

    def commit(self, stem: str, names: Collection[str]) -> None:
        """Upload a shard that is committed here.

        Args:
            stem: The shard.
            names: Its clips.

        Raises:
            RemoteError: If it cannot be uploaded; the next run does it.
            StoreError: If somebody else has written a shard of that name.
        """
        self._send(stem, '.index', names)

    def finish(self, write: Callable[[], Content]) -> Content:
        """Write the files of the dataset, here and there.

        Others may fill the same folder: whoever ends last has seen all.

        Args:
            write: Writes them here, of all shards that are known here.

        Returns:
            What it returned last.

        Raises:
            RemoteError: If they cannot be uploaded.
        """
        self._send_early()
        self._send_crops(None)
        there = self.mirror.refresh(empty=True).indices
        while True:
            consolidate(self.store)
            content = write()
            for name in (*EARLY, f'{STORE}/{TABLE}', *FILES):
                if osp.isfile(self.mirror.path(name)):
                    self.mirror.put(name)
            before, there = there, self.mirror.refresh(empty=True).indices
            if there == before:
                return content

    def _probe(self) -> None:
        """Find out at once whether anything can be written."""
        path = osp.join(self.mirror.parent, PROBE)
        write_whole(path, b'')
        self.objects.put(path, PROBE)
        # who may write need not be allowed to remove
        with contextlib.suppress(RefusedError):
            self.objects.remove(PROBE)

    def _meta(self) -> dict | None:
        try:
            return read_meta(self.store)
        except StoreError:
            return None

    def _stems(self) -> dict[str, str]:
        return stems_of(os.listdir(self.store)) \
            if osp.isdir(self.store) else {}

    def _pending(self) -> dict[str, str]:
        """Shards that are committed here and not there."""
        return {stem: suffix for stem, suffix in self._stems().items()
                if f'{STORE}/{stem}{suffix}' not in self._there}

    def _stored_elsewhere(self) -> set[str]:
        """Shards of which another computer has stored clips meanwhile."""
        pending = self._pending()
        if not pending:
            return set()
        meta = read_meta(self.store)
        parts = {stem: set(read_part(self.store, stem, suffix, meta).names)
                 for stem, suffix in self._stems().items()}
        there = set().union(*(names for stem, names in parts.items()
                              if stem not in pending))
        return {stem for stem in pending if parts[stem] & there}

    def _forget(self, stems: Collection[str]) -> None:
        for stem, suffix in self._stems().items():
            if stem in stems:
                # the index first: a shard without one does not exist
                for end in (suffix, SHARD):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(osp.join(self.store, stem + end))

    def _send(self, stem: str, suffix: str,
              names: Collection[str] | None = None) -> None:
        """Upload crops, shard and index, in this order."""
        if names is None:
            part = read_part(self.store, stem, suffix, read_meta(self.store))
            names = [name.decode() for name in part.names]
        self._send_meta()
        self._send_early()
        self._send_crops(names)
        index = f'{STORE}/{stem}{suffix}'
        path = self.mirror.path(index)
        if self.objects.entry(index) is not None:
            with open(path, 'rb') as file:
                if self.objects.read(index) == file.read():
                    return
            raise StoreError(
                f'{shown(self.objects.url_of(index))} was written by another '
                'run meanwhile: give each run a part of the clips of its own '
                '(--shard 1/2 and --shard 2/2), and run this one again')
        self.objects.put(osp.join(self.store, stem + SHARD),
                         f'{STORE}/{stem}{SHARD}')
        self.mirror.put(index)

    def _send_meta(self) -> None:
        """Upload meta.json, unless there is one; it must be the same."""
        name = f'{STORE}/{META}'
        if name in self._sent:
            return
        path = self.mirror.path(name)
        if self.objects.entry(name) is None:
            self.mirror.put(name)
        with open(path, 'rb') as file:
            mine, there = json.load(file), json.loads(self.objects.read(name))
        if mine != there:
            raise StoreError(
                f'{shown(self.objects.url_of(name))} says that another run '
                'makes features otherwise in this folder: take another '
                'folder, or the settings of that run')
        self._sent[name] = 0, 0

    def _send_early(self) -> None:
        """Upload names and failures where they changed."""
        for name in EARLY:
            path = self.mirror.path(name)
            if osp.isfile(path) and self._changed(name):
                self.mirror.put(name)
        for name in LINES:
            path = self.mirror.path(name)
            if osp.isfile(path) and self._changed(name):
                self._send_lines(name, path)

    def _send_lines(self, name: str, path: str) -> None:
        """Add the lines of a file to those that are there."""
        with open(path, 'rb') as file:
            lines = file.read().splitlines()
        there = self.objects.read(name).splitlines() \
            if self.objects.entry(name) else []
        # in the order of time: the last line of a clip counts
        mine = set(lines)
        merged = [line for line in there if line not in mine] + lines
        merging = osp.join(self.mirror.parent, 'merged.jsonl')
        write_whole(merging, b'\n'.join(merged) + b'\n')
        self.objects.put(merging, name)

    def _changed(self, name: str) -> bool:
        status = os.stat(self.mirror.path(name))
        stamp = status.st_mtime_ns, status.st_size
        changed = self._sent.get(name) != stamp
        self._sent[name] = stamp
        return changed

    def _send_crops(self, names: Collection[str] | None) -> None:
        """Upload crops of some clips, or of all, that are not there yet."""
        folder = osp.join(self.folder, CROPS)
        if not osp.isdir(folder):
            return
        here = [name for name in os.listdir(folder)
                if not name.startswith('.') and name.endswith('.mp4')]
        wanted = None if names is None else {f'{name}.mp4' for name in names}
        some = [name for name in here if name[:-4] not in self.crops
                and (wanted is None or name in wanted)]
        for name in os.listdir(folder):
            if name.endswith('.json') and self._changed(f'{CROPS}/{name}'):
                some.insert(0, name)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda name: self.objects.put(
                osp.join(folder, name), f'{CROPS}/{name}'), some))
        self.crops.update(name[:-4] for name in some)

    def _crops_there(self) -> set[str]:
        return {osp.splitext(osp.basename(name))[0]
                for name in self.mirror.crops_there()
                if name.endswith('.mp4')}

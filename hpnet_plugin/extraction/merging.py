"""Dataset folders of the clips of others: merged, split, packed anew.

The new folder is made beside its place, under a name that begins with
``.tmp-``, and gets its own when it is whole. The same command that was
stopped goes on where it was.
"""
from __future__ import annotations

import json
import os
import os.path as osp
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..datasets.clips import SourceClip
from ..datasets.crops import read_timelines
from ..files import locked, remove_leftovers, sync_folder, write_whole
from ..store import FeatureStore, StoreWriter, fingerprint
from ..store.merging import common_meta, copy_clips
from ..store.writer import SHARD_BYTES
from .crop_checksums import FILE as CROP_CHECKSUMS
from .crop_checksums import checksum_lines, read_checksums
from .crops import SETTINGS
from .dataset import write_dataset
from .failures import FailureLog
from .joining import (
    JoinError,
    Source,
    join_classes,
    join_records,
    join_splits,
    refuse_collisions,
)

JOB = '.job.json'  # what a folder that is not whole will be
Say = Callable[[str], None]
Progress = Callable[[Sequence[tuple[Source, str]]],
                    Sequence[tuple[Source, str]]]


def combine(sources: Sequence[Source], out: str, how: str,
            taps: Sequence[str] | None = None,
            shard_bytes: int = SHARD_BYTES,
            progress: Progress | None = None, say: Say = print) -> int:
    """Make a dataset folder of the clips of others.

    Args:
        sources: The folders, with the clips that are taken.
        out: The new folder; it must not be there yet.
        how: The command, for the record.
        taps: Those that are kept. Defaults to all.
        shard_bytes: Size of the shards. Defaults to 64 MiB.
        progress: Wraps the list of clips.
        say: Is told what is left out, a line each.

    Returns:
        The number of clips.

    Raises:
        JoinError: If clips collide, crops do not fit, or the new folder is
            there.
        StoreError: If the features were made otherwise or are damaged.
        OSError: If it cannot be written.
    """
    if osp.lexists(out) and (not osp.isdir(out) or os.listdir(out)):
        raise JoinError(f'{out} is there already: take another folder, or '
                        'remove it')
    meta = common_meta([source.store for source in sources], taps)
    kept = refuse_collisions(sources)
    crops = _common_crops(sources, say)
    folder, name = osp.split(osp.abspath(out))
    os.makedirs(folder, exist_ok=True)
    work = osp.join(folder, f'.tmp-{name}')
    with locked(osp.join(folder, f'.{name}.lock')):
        _begin(work, dict(
            how=how, meta=meta, shard_bytes=shard_bytes, sources=[
                [osp.abspath(source.folder), fingerprint(source.store), names]
                for source, names in zip(sources, kept)]))
        clips = sorted(((source, one) for source, names in zip(sources, kept)
                        for one in names), key=lambda entry: entry[1])
        _copy(work, meta, clips, shard_bytes, progress)
        if crops:
            _take_crops(work, sources, kept)
        _write_lists(work, out, sources, clips, meta, how, bool(crops))
        os.unlink(osp.join(work, JOB))
        if osp.isdir(out):
            os.rmdir(out)
        os.rename(work, out)
        sync_folder(folder)
    os.unlink(osp.join(folder, f'.{name}.lock'))
    return len(clips)


def _begin(work: str, job: dict[str, Any]) -> None:
    """Go on with a folder of the same job; another is removed."""
    path = osp.join(work, JOB)
    text = (json.dumps(job, sort_keys=True) + '\n').encode()
    try:
        with open(path, 'rb') as file:
            if file.read() == text:
                for folder in (work, osp.join(work, 'crops')):
                    if osp.isdir(folder):
                        remove_leftovers(folder, lambda name: True)
                return
    except OSError:
        pass
    shutil.rmtree(work, ignore_errors=True)
    write_whole(path, text)


def _copy(work: str, meta: dict[str, Any],
          clips: Sequence[tuple[Source, str]], shard_bytes: int,
          progress: Progress | None) -> None:
    with StoreWriter(osp.join(work, 'features'), meta,
                     shard_bytes=shard_bytes) as writer:
        done = writer.names
        for source, name in progress(clips) if progress else clips:
            if name not in done:
                copy_clips(source.store, [name], writer, meta['taps'])


def _common_crops(sources: Sequence[Source], say: Say
                  ) -> dict[str, Any] | None:
    """How the crops of all were cut; None where some have none."""
    first = sources[0].crops
    lacking = [source.folder for source in sources if source.crops is None]
    if len(lacking) == len(sources):
        return None
    if lacking:
        say(f'crops are left out: {lacking[0]} has none')
        return None
    for source in sources[1:]:
        if source.crops != first:
            raise JoinError(
                f'crops of {sources[0].folder} were made with {first}, those '
                f'of {source.folder} with {source.crops}: make one of them '
                'again, with the settings of the other')
    return first


def _take_crops(work: str, sources: Sequence[Source],
                kept: Sequence[Sequence[str]]) -> None:
    """Links to the files of crops, and what is known of them."""
    target = osp.join(work, 'crops')
    os.makedirs(target, exist_ok=True)
    lines, timelines = {}, {}
    for source, names in zip(sources, kept):
        folder = osp.join(source.folder, 'crops')
        known, times = read_checksums(folder)[0], read_timelines(folder)
        for name in names:
            for entry in (f'{name}.mp4', name):
                path = osp.join(folder, entry)
                if osp.lexists(path):
                    _link(path, osp.join(target, entry))
            if name in known:
                lines[name] = known[name]
            if name in times:
                timelines[name] = times[name]
    write_whole(osp.join(target, SETTINGS),
                (json.dumps(sources[0].crops) + '\n').encode())
    if lines:
        write_whole(osp.join(target, CROP_CHECKSUMS), checksum_lines(lines))
    if timelines:
        write_whole(osp.join(target, 'frames.json'),
                    (json.dumps(timelines) + '\n').encode())


def _link(path: str, target: str) -> None:
    """The same file under another name, or a copy where that cannot be."""
    if osp.lexists(target):
        return
    if osp.islink(path):
        os.symlink(osp.realpath(path), target)
    elif osp.isdir(path):
        partial = target + '.part'
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(path, partial)
        os.rename(partial, target)
    else:
        try:
            os.link(path, target)
        except OSError:
            with open(path, 'rb') as file:
                write_whole(target, file.read())


def _write_lists(work: str, out: str, sources: Sequence[Source],
                 clips: Sequence[tuple[Source, str]], meta: dict[str, Any],
                 how: str, crops: bool) -> None:
    """All files beside features and crops."""
    classes, labels = join_classes(sources)
    names = [name for _, name in clips]
    failures = _failures(work, sources, names)
    single = len(sources) == 1
    whole = single and len(names) == len(sources[0].store)
    rule = sources[0].rule if whole else dict(by='given', **{'from': how})
    listed = {*names, *failures}
    if whole:
        listed.update(sources[0].found)
    record = join_records(sources, meta, how)
    if not crops:
        record['crops'] = None
    write_dataset(
        work, [SourceClip(name, '') for name in sorted(listed)],
        {name: label for name, label in labels.items() if name in listed},
        classes if _are_named(sources) else None,
        join_splits(sources, listed), failures, record, rule,
        _common_facts(sources, out))
    if not crops:
        shutil.rmtree(osp.join(work, 'crops'), ignore_errors=True)


def _are_named(sources: Sequence[Source]) -> bool:
    return any(osp.isfile(osp.join(source.folder, 'classes.txt'))
               for source in sources)


def _failures(work: str, sources: Sequence[Source], names: Sequence[str]
              ) -> dict[str, str]:
    """Clips that failed, of folders that are taken whole."""
    there, found = set(names), {}
    for source in sources:
        if len(source.names) == len(source.store):
            found.update((name, why) for name, why in
                         source.failures.items() if name not in there)
    log = FailureLog(work)
    known = log.read()
    for name, why in found.items():
        if known.get(name) != why:
            log.add(name, why)
    return found


def _common_facts(sources: Sequence[Source], out: str) -> Any:
    """Facts of the benchmark whose clips all are; None of others."""
    facts = sources[0].facts
    if facts is None or not facts.benchmark or any(
            source.facts is None or source.facts.benchmark != facts.benchmark
            or source.facts.classes != facts.classes for source in sources):
        return None
    return replace(facts, folder=out)


def summary(out: str) -> str:
    """What a new folder holds, in a line.

    Args:
        out: The dataset folder.

    Returns:
        Clips, splits and fingerprint.
    """
    store = FeatureStore(osp.join(out, 'features'))
    with open(osp.join(out, 'extraction.json'), encoding='utf-8') as file:
        splits: Mapping[str, int] = json.load(file)['splits']
    parts = ', '.join(f'{split} {number}' for split, number in splits.items())
    return (f'{out}: {len(store)} clips ({parts or "no splits"}), '
            f'fingerprint {fingerprint(store)}')

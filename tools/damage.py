#!/usr/bin/env python3
"""Damage a dataset folder in every way, and see whether it is noticed.

    python tools/damage.py

Makes a small dataset folder (features in several shards, crops, failures,
splits), and changes one thing at a time: each byte of each file, a file
removed, cut off, made longer or exchanged with another or with that of
another dataset or pose net, and changes whose checksums were made anew. What
hpnet verify does not name is printed. With --repair N every N-th damage is
repaired as well: every clip that is sound must stay, bit by bit. Exit status 0
if all was noticed, no error but the package's own came out, and no sound clip
was lost.
"""
from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TAPS = dict(h2=2)
Damage = tuple[str, str, Callable[[Path], Any]]  # kind, what, how


def arrays(seed: int) -> dict[str, np.ndarray]:
    """The arrays of a clip of 2 joints."""
    rng = np.random.default_rng(seed)
    base = 1, 3 + seed % 2, 2
    found = {tap: rng.normal(size=(*base, c)).astype('f2')
             for tap, c in TAPS.items()}
    found['keypoint'] = rng.random((*base, 2), np.float32)
    found['keypoint_score'] = rng.random(base, np.float32)
    found['timestamp'] = np.arange(base[1]) / 10
    return found


def make(folder: Path, seeds: Sequence[int] = range(5), net: str = 'a',
         crops: bool = True) -> Path:
    """A dataset folder, as the extraction writes it."""
    from hpnet_plugin.datasets.clips import SourceClip
    from hpnet_plugin.extraction.crops import CropRecorder
    from hpnet_plugin.extraction.dataset import write_dataset
    from hpnet_plugin.extraction.failures import FailureLog
    from hpnet_plugin.store import StoreWriter
    meta = dict(taps=TAPS, pose=dict(config='net.py', sha256=net * 64))
    names = [f'c{seed:02d}' for seed in seeds]
    recorder = CropRecorder(str(folder), 32)
    if crops:
        recorder.prepare()
    with StoreWriter(folder / 'features', meta, shard_bytes=400) as writer:
        for seed, name in zip(seeds, names):
            if name in writer.names:
                continue
            found = arrays(seed)
            writer.add(name, found, dict(img_shape=[48, 64], fps=10.,
                                         num_frames=found['h2'].shape[1]))
            if crops:
                draw_crops(recorder, name, found['h2'].shape[1])
    FailureLog(str(folder)).add('c98', 'the file is no video')
    splits = dict(train=names[::2], test=[*names[1::2], 'c98'])
    write_dataset(
        str(folder), [SourceClip(name, '') for name in [*names, 'c98']],
        {name: i % 2 for i, name in enumerate([*names, 'c98'])},
        ['fall', 'wave'], splits, {'c98': 'the file is no video'},
        dict(meta, crops=recorder.record if crops else None),
        dict(by='chance', seed=0))
    return folder


def draw_crops(recorder: Any, name: str, frames: int) -> None:
    """A clip of crops, by the extraction's own recorder."""
    box = np.array([[8., 8., 40., 40.]])
    for number in range(frames):
        recorder.add(np.full((48, 64, 3), 40 * number, np.uint8), box)
    recorder.write(name, [box] * frames, np.zeros((frames, 1), int))
    recorder._kept.clear()


def files_of(folder: Path) -> list[Path]:
    """Files that say something, relative to the folder."""
    return sorted(path.relative_to(folder) for path in folder.rglob('*')
                  if path.is_file() and path.suffix != '.lock')


def flips(folder: Path, rng: random.Random) -> Iterator[Damage]:
    """One bit in each byte of each file."""
    for name in files_of(folder):
        for at in range((folder / name).stat().st_size):
            bit = 1 << rng.randrange(8)

            def flip(out: Path, name: Path = name, at: int = at,
                     bit: int = bit) -> None:
                data = bytearray((out / name).read_bytes())
                data[at] ^= bit
                (out / name).write_bytes(data)
            yield f'bit: {kind_of(name)}', f'{name}, byte {at}, {bit}', flip


def kind_of(name: Path) -> str:
    """What a file is, without its number."""
    if name.suffix == '.mp4':
        return 'crops'
    if name.parent.name == 'features' and name.stem.isdecimal():
        return f'shard{name.suffix}'
    return str(name)


def sizes(folder: Path, rng: random.Random) -> Iterator[Damage]:
    """Files removed, cut off and made longer."""
    for name in files_of(folder):
        size = (folder / name).stat().st_size
        yield 'removed', str(name), lambda out, name=name: (
            out / name).unlink()
        for cut in sorted({0, 1, size - 1, size // 2, *(
                rng.randrange(size) for _ in range(8))} - {size}):
            yield 'cut off', f'{name} at {cut}', lambda out, name=name, \
                cut=cut: os.truncate(out / name, cut)
        for more in (b'\0', b' ', b'\n', b'{}', rng.randbytes(40)):
            yield 'longer', f'{name} and {more[:4]!r}', lambda out, \
                name=name, more=more: (out / name).write_bytes(
                    (out / name).read_bytes() + more)


def exchanges(folder: Path, others: dict[str, Path]) -> Iterator[Damage]:
    """Files exchanged with each other, doubled, or put in from elsewhere."""
    names = files_of(folder)
    for one in names:
        for two in names:
            if one >= two or one.suffix != two.suffix or (
                    folder / one).read_bytes() == (folder / two).read_bytes():
                continue

            def exchange(out: Path, one: Path = one, two: Path = two) -> None:
                data = (out / one).read_bytes()
                shutil.copyfile(out / two, out / one)
                (out / two).write_bytes(data)
            yield 'exchanged', f'{one} and {two}', exchange
    stems = sorted({name.with_suffix('') for name in names
                    if name.parent.name == 'features'
                    and name.stem.isdecimal()})
    for stem in stems:
        for suffixes in (('.index', '.safetensors'), ('.index', ),
                         ('.safetensors', )):
            def double(out: Path, stem: Path = stem,
                       suffixes: tuple[str, ...] = suffixes) -> None:
                for suffix in suffixes:
                    shutil.copyfile(out / stem.with_suffix(suffix),
                                    out / f'features/00077{suffix}')
            yield 'doubled', f'{stem}{suffixes}', double
    for title, other in others.items():
        yield from put_in(folder, title, other, names, stems)


def put_in(folder: Path, title: str, other: Path, names: list[Path],
           stems: list[Path]) -> Iterator[Damage]:
    """Files of another folder in place of the folder's, or beside them."""
    for name in names:
        if (other / name).is_file() and (other / name).read_bytes() != \
                (folder / name).read_bytes():
            yield f'of {title}', str(name), lambda out, name=name: \
                shutil.copyfile(other / name, out / name)
    for stem in stems:
        for target in (stem, Path('features/00078')):
            def both(out: Path, stem: Path = stem,
                     target: Path = target) -> None:
                for suffix in ('.index', '.safetensors'):
                    shutil.copyfile(other / stem.with_suffix(suffix),
                                    out / target.with_suffix(suffix))
            yield f'shard and index of {title}', f'{stem} as {target}', both


def rebuilt(folder: Path) -> Iterator[Damage]:
    """Changes whose checksums were made anew, so that each file is right."""
    from hpnet_plugin.store.files import read_meta, write_meta

    def meta(out: Path) -> None:
        root = str(out / 'features')
        write_meta(root, dict(read_meta(root), region=3))

    def table(out: Path) -> None:
        (out / 'features/consolidated.index').unlink()
        from hpnet_plugin.store import consolidate
        consolidate(out / 'features')

    yield 'rebuilt', 'meta.json', meta
    for change in ('renamed', 'swapped', 'other info', 'other values',
                   'one less', 'fewer frames'):
        for also in ('index', 'index and consolidated index',
                     'index, consolidated index and shard'):
            def edit(out: Path, change: str = change, also: str = also
                     ) -> None:
                rebuild(out / 'features', change, 'shard' in also)
                if 'consolidated' in also:
                    table(out)
            yield 'rebuilt', f'{change}: {also}', edit
    for name, old, new in (
            ('annotations.clips.json', '"labels":[0,', '"labels":[1,'),
            ('annotations.clips.json', '"frames":[3,', '"frames":[4,'),
            ('dataset.json', '"people": 1', '"people": 2'),
            ('dataset.json', '"seed": 0', '"seed": 1'),
            ('extraction.json', '"stored": ', '"stored": 1'),
            ('classes.txt', 'fall\nwave', 'wave\nfall'),
            ('splits.json', '"c00"', '"c01"'),
            ('failures.jsonl', 'c98', 'c97'),
            ('failures.jsonl', '{"clip"', '{"clap"'),
            ('features/meta.json', '":', '" :'),
            ('crops/checksums.jsonl', 'c00', 'c04')):
        def replace(out: Path, name: str = name, old: str = old,
                    new: str = new) -> None:
            text = (out / name).read_text()
            assert old in text, (name, old)
            (out / name).write_text(text.replace(old, new, 1))
        yield 'text', f'{name}: {new!r}', replace


def rebuild(root: Path, change: str, shard_too: bool) -> None:
    """Write the index of the first shard anew, and perhaps the shard."""
    from hpnet_plugin.store.building import build, part_of
    from hpnet_plugin.store.catalog import read_part
    from hpnet_plugin.store.files import dims_of, read_meta
    from hpnet_plugin.store.inspection import places
    from hpnet_plugin.store.shard import layout
    part = read_part(str(root), '00000', '.index', read_meta(str(root)))
    data = (root / '00000.safetensors').read_bytes()
    clips: list[list[Any]] = []
    for row, name in enumerate(part.names):
        start = int(part.clips[row]['info'])
        found = places(part, row, TAPS)
        clips.append([name.decode(), part.infos[start:start + int(
            part.clips[row]['info_bytes'])], {
                key: np.frombuffer(data, place.dtype, int(np.prod(
                    place.shape)), place.offset).reshape(place.shape)
                for key, place in found.items()}])
    changed(clips, change)
    place = layout({f'{name}/{key}': (array.dtype.str, array.shape)
                    for name, _, found in clips
                    for key, array in found.items()})
    new = part_of('00000', place.size, [
        (name, info, found['keypoint'].shape[:3],
         [[key, *dims_of(key, TAPS)] for key in found],
         [(place.offsets[f'{name}/{key}'], zlib.crc32(array.tobytes()))
          for key, array in found.items()])
        for name, info, found in clips])._replace(
            meta=part.meta, size=place.size if shard_too else len(data))
    (root / '00000.index').write_bytes(b''.join(build([new])))
    if shard_too:
        where = {f'{name}/{key}': array.tobytes() for name, _, found in clips
                 for key, array in found.items()}
        (root / '00000.safetensors').write_bytes(place.header + b''.join(
            where[name] for name in place.offsets))


def changed(clips: list, what: str) -> None:
    """Change the first clip: its name, info or arrays."""
    name, info, found = clips[0]
    if what == 'renamed':
        clips[0][0] = 'x00'
    elif what == 'swapped':
        clips[0][0], clips[1][0] = clips[1][0], name
    elif what == 'other info':
        clips[0][1] = info.replace(b'10.0', b'20.0')
    elif what == 'other values':
        found['h2'] = found['h2'] + np.float16(1)
    elif what == 'one less':
        del clips[0]
    else:  # fewer frames
        clips[0][2] = {key: np.ascontiguousarray(
            array[:-1] if array.ndim == 1 else array[:, :-1])
            for key, array in found.items()}


def contents(folder: Path) -> dict[str, tuple]:
    """What every clip holds, bit by bit."""
    from hpnet_plugin.store import FeatureStore
    store = FeatureStore(folder / 'features')
    return {name: (store.info(name), *(
        (key, store.read(name, key).tobytes()) for key in sorted(
            store.keys(name)))) for name in store.names}


def sound_clips(good: Path, folder: Path, before: dict[str, tuple]
                ) -> set[str]:
    """Clips that must stay: told from bytes, not by the code under test.

    Each array of the clip is still in its shard, and the index of the shard
    or the consolidated one is the file that it was.
    """
    def same(name: str) -> bool:
        path = folder / 'features' / name
        return path.is_file() and \
            path.read_bytes() == (good / 'features' / name).read_bytes()

    found, table = set(), same('consolidated.index')
    for path in (good / 'features').glob('*.safetensors'):
        there, data = folder / 'features' / path.name, path.read_bytes()
        if there.is_file() and (table or same(f'{path.stem}.index')):
            now = there.read_bytes()
            found |= {name for name, (_, *arrays) in before.items() if all(
                now.count(one) == data.count(one) > 0  # some are the same
                for _, one in arrays)}
    return found


def mended(good: Path, folder: Path, before: dict[str, tuple], what: str
           ) -> list[str]:
    """Repair a folder; what went wrong."""
    from hpnet_plugin.extraction.checking import check_folder
    from hpnet_plugin.extraction.crop_checking import MISSING
    from hpnet_plugin.extraction.mending import repair_folder
    from hpnet_plugin.store import StoreError
    sound = sound_clips(good, folder, before)
    try:
        left = repair_folder(str(folder), lambda text: None)
    except StoreError as error:
        if 'Without it nothing tells' in str(error):
            return []  # neither meta.json nor its copy is left
        raise
    if left or any(not problem.endswith(MISSING)
                   for problem in check_folder(str(folder))):
        return [f'{what}: after the repair: {left[:2]}']
    after = contents(folder)
    wrong = [name for name in after
             if name in before and after[name] != before[name]]
    lost = sound - set(after)
    return [f'{what}: kept wrongly: {wrong}'] * bool(wrong) + \
        [f'{what}: lost: {sorted(lost)}'] * bool(lost)


def study(folder: Path, damages: Iterator[Damage], every: int
          ) -> tuple[collections.Counter, collections.Counter, list[str]]:
    """Do all damage, one at a time; counts by kind, and what went wrong."""
    from hpnet_plugin.extraction.checking import check_folder
    before = contents(folder)
    done, missed, wrong = (collections.Counter(), collections.Counter(), [])
    out = folder.parent / 'damaged'
    for number, (kind, what, how) in enumerate(damages):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder, out)
        how(out)
        done[kind] += 1
        try:
            found = check_folder(str(out))
        except Exception as error:
            wrong.append(f'{what}: {type(error).__name__}: {error}')
            continue
        if not found:
            missed[kind] += 1
            wrong.append(f'{kind}: {what}: not noticed')
        elif every and number % every == 0:
            done['repaired'] += 1
            try:
                wrong += mended(folder, out, before, f'{kind}: {what}')
            except Exception as error:
                wrong.append(f'{kind}: {what}: repair: '
                             f'{type(error).__name__}: {error}')
        if number % 2000 == 1999:
            print(f'{number + 1} done, {len(wrong)} wrong', flush=True)
    return done, missed, wrong


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--repair', type=int, default=10, metavar='N',
                        help='repair every N-th (default 10; 0: none)')
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    place = Path(tempfile.mkdtemp(prefix='damage-'))
    folder = make(place / 'mine')
    others = {'another net': make(place / 'net', net='b'),
              'another dataset': make(place / 'other', range(20, 25))}
    done, missed, wrong = study(folder, itertools.chain(
        rebuilt(folder), exchanges(folder, others), sizes(folder, rng),
        flips(folder, rng)), args.repair)
    for kind, count in sorted(done.items()):
        print(f'{kind:40}  {count:6} done, {missed[kind]} not noticed')
    print(*wrong[:60], sep='\n')
    print(f'{sum(done.values()) - done["repaired"]} damages, '
          f'{len(wrong)} wrong, seed {args.seed}')
    shutil.rmtree(place)
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())

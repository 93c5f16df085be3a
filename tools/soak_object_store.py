#!/usr/bin/env python3
"""Extract to an object store and train from it, while things are killed.

    python tools/soak_object_store.py --kills 12

Draws some videos, extracts them into a folder in peace, and then, from an S3
server of this computer, into that server: the extraction is killed by
SIGKILL again and again and resumed, now with the same cache and now with an
empty one, as another computer has it; the server is killed in the midst of
an extraction, and of a training, and comes back. At the end every object of
the dataset has to be, byte for byte, the file of the run in peace, and the
losses of the training have to be, digit for digit, those of a training from
the folder. Prints what happened and what it cost; exit status 0 if nothing
was lost, doubled or different.
"""
from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
URL = 's3://bucket/data/mine'
SHARD_BYTES = 60_000  # a few clips each, so that there are many shards
# what runs hpnet with such shards, in a process of its own
HPNET = f"""
import functools, sys
import hpnet_plugin.extraction.run as run
run.StoreWriter = functools.partial(
    run.StoreWriter, shard_bytes={SHARD_BYTES})
from hpnet_plugin.cli import main
sys.exit(main(sys.argv[1:]))
"""
LOCKS = ('dataset.lock', 'store.lock', 'writer.lock')
GONE = 12.  # s for which the server is away


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=12,
                        help='kills of an extraction (default 12)')
    parser.add_argument('--clips', type=int, default=4,
                        help='videos of each of 8 classes (default 4)')
    parser.add_argument('--epochs', type=int, default=3,
                        help='epochs of the training (default 3)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', help='where to work and to leave what was '
                        'found (default: a temporary folder)')
    return parser.parse_args(argv)


class Study:
    """The videos, the server, and what was found."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        from hpnet_plugin.benchmarks.s3_server import S3Server
        from hpnet_plugin.demo import people
        self.args, self.folder = args, folder
        self.rng = random.Random(args.seed)
        self.drawn, self.local = folder / 'people', folder / 'mine'
        people.make_dataset(str(self.drawn), clips_per_class=args.clips,
                            length=24, test_share=.5)
        self.server = S3Server(folder / 'server')
        self.problems: list[str] = []
        self.caches = 0

    def environment(self, cache: str) -> dict[str, str]:
        paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
        return dict(os.environ, **self.server.environment,
                    HPNET_CACHE=str(self.folder / cache),
                    PYTHONPATH=os.pathsep.join(filter(None, paths)))

    def new_cache(self) -> str:
        self.caches += 1
        return f'cache{self.caches}'

    def extract(self, out: str, source: str, cache: str
                ) -> subprocess.Popen[bytes]:
        words = ['extract', source, '--out', out, '--pose', 'tiny',
                 '--detector', f'boxes:{self.drawn}/boxes.json',
                 '--max-people', '1', '--workers', '2', '--crops',
                 '--crop-size', '64']
        for name in ('labels.txt', 'classes.txt', 'splits.json'):
            words += ['--' + name.partition('.')[0], str(self.drawn / name)]
        return self.start(words, cache)

    def start(self, words: list[str], cache: str) -> subprocess.Popen[bytes]:
        log = (self.folder / 'log').open('ab')
        return subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', HPNET, *words],
            env=self.environment(cache), stdout=log, stderr=log,
            cwd=self.folder, start_new_session=True)

    def finish(self, what: str, process: subprocess.Popen[bytes]) -> None:
        if process.wait():
            self.problems.append(f'{what}: exit status {process.returncode}')

    def train(self, name: str, data: str, cache: str
              ) -> subprocess.Popen[bytes]:
        return self.start(
            ['train', 'hp_j', '--data', data, '--small', '--seed', '0',
             '--work-dir', str(self.folder / name), '--cfg-options',
             f'epochs={self.args.epochs}', 'train_dataloader.batch_size=4',
             'train_dataloader.num_workers=2',
             'train_dataloader.persistent_workers=True',
             'default_hooks.logger.interval=1'], cache)

    def losses(self, name: str) -> list[tuple[int, float]]:
        return [(line['step'], line['loss']) for line in self.log(name)
                if 'loss' in line]

    def log(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for path in sorted((
            self.folder / name).glob('*/vis_data/scalars.json'))
            for line in path.read_text().splitlines()]

    def away(self) -> None:
        """The server is killed, and comes back later."""
        self.server.kill()
        time.sleep(GONE)
        self.server.start()

    def objects(self, url: str = URL) -> dict[str, bytes]:
        """All objects below a URL, read by fsspec alone."""
        import fsspec
        system = fsspec.filesystem('s3', skip_instance_cache=True)
        root = url.partition('://')[2]
        return {path[len(root) + 1:]: data for path, data in
                system.cat(system.find(root)).items()}

    def upload_videos(self) -> None:
        import fsspec
        fsspec.filesystem('s3').put(
            str(self.drawn / 'videos'), 'bucket/videos', recursive=True)

    def compare(self, what: str) -> None:
        """Objects and files of the run in peace."""
        there, here = self.objects(), {
            str(path.relative_to(self.local)): path.read_bytes()
            for path in self.local.rglob('*')
            if path.is_file() and path.name not in LOCKS}
        for found in (there, here):
            # in the order of the workers; two of a clip that was begun twice
            found['crops/checksums.jsonl'] = b''.join(sorted(set(
                found['crops/checksums.jsonl'].splitlines(True))))
            found.pop('checksums.json')  # of those lines; verify knows it
        if self.start(['verify', URL], self.new_cache()).wait():
            self.problems.append(f'{what}: hpnet verify finds damage')
        for name in sorted({*there, *here}):
            if there.get(name) != here.get(name):
                how = 'is missing' if name not in there else 'is too much' \
                    if name not in here else 'is different'
                self.problems.append(f'{what}: {name} {how}')
        print(f'{what}: {len(there)} objects compared with {len(here)} files',
              flush=True)

    def clear(self) -> None:
        import fsspec
        fsspec.filesystem('s3').rm(URL.partition('://')[2], recursive=True)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    sys.path.insert(0, str(ROOT))
    folder = Path(args.folder or tempfile.mkdtemp(prefix='hpnet-s3-'))
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(args, folder)
    os.environ.update(study.server.environment)
    try:
        with study.server:
            study.upload_videos()
            for part in (reading, extraction_killed, server_killed, training):
                part(study)
    finally:
        print(f'output of the programs: {folder}/log' if study.problems
              or args.folder else '')
    for problem in study.problems:
        print('PROBLEM', problem)
    if not (study.problems or args.folder):
        shutil.rmtree(folder)
    return 1 if study.problems else 0


def reading(study: Study) -> None:
    """What fetching costs: epochs over a store of three shards."""
    import numpy as np

    from hpnet_plugin.extraction.upload import Upload
    from hpnet_plugin.mirrors import Mirror
    from hpnet_plugin.store import FeatureStore, StoreWriter
    url, rng = 's3://bucket/data/large', np.random.default_rng(0)
    os.environ['HPNET_CACHE'] = str(study.folder / 'writes')
    upload, began = Upload(url), time.perf_counter()
    seconds = 0.

    def commit(stem: str, names: Collection[str]) -> None:
        nonlocal seconds
        start = time.perf_counter()
        upload.commit(stem, names)
        seconds += time.perf_counter() - start

    shape = 1, 300, 17
    with StoreWriter(upload.store, dict(taps=dict(tap=96)),
                     on_commit=commit) as writer:
        for i in range(150):
            writer.add(f'clip{i}', dict(
                keypoint=rng.random((*shape, 2), np.float32),
                keypoint_score=np.ones(shape, np.float32),
                tap=rng.random((*shape, 96), np.float32).astype('f2')), {})
    upload.finish(lambda: None)
    size = sum(path.stat().st_size for path in Path(
        upload.store).glob('*.safetensors'))
    print(f'writing: {size:,} bytes of shards in '
          f'{time.perf_counter() - began:.1f} s, {seconds:.1f} s of these '
          'uploading', flush=True)
    os.environ['HPNET_CACHE'] = str(study.folder / 'reads')
    for what, root in (('the folder', upload.store), ('the server', None)):
        for epoch in ('first', 'second'):
            before, began = len(study.server.requests()), time.perf_counter()
            if root is None:
                Mirror(url).refresh()
            store = FeatureStore(root or Mirror(url).path('features'))
            for name in rng.permutation(store.names):
                store.read(str(name), 'tap')
            took = time.perf_counter() - began
            asked = len(study.server.requests()) - before
            print(f'reading, {epoch} epoch from {what}: {took:.2f} s, '
                  f'{size / took / 1e6:.0f} MB/s, {asked} requests',
                  flush=True)


def extraction_killed(study: Study) -> None:
    """From and to the server, killed at random, here and elsewhere."""
    began = time.time()
    study.finish('in peace', study.extract(
        str(study.local), str(study.drawn / 'videos'), 'none'))
    peace = time.time() - began
    began = time.time()
    study.finish('to the server', study.extract(
        URL, 's3://bucket/videos', study.new_cache()))
    usual = time.time() - began
    print(f'extraction: {peace:.1f} s from and to folders, {usual:.1f} s from '
          'and to the server', flush=True)
    study.compare('in one go')
    study.clear()
    kills, cache, elsewhere = 0, study.new_cache(), 0
    while True:
        process = study.extract(URL, 's3://bucket/videos', cache)
        try:
            if kills >= study.args.kills:
                study.finish('the last run', process)
                break
            process.wait(study.rng.uniform(.2, 1.) * usual)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            kills += 1
        else:
            # done before it was killed: begin again, and be quicker
            usual *= .8
            study.compare(f'after {kills} kills')
            study.clear()
            cache = study.new_cache()
        if study.rng.random() < .5:
            cache, elsewhere = study.new_cache(), elsewhere + 1
    print(f'{kills} kills, {elsewhere} times resumed elsewhere', flush=True)
    study.compare(f'after {kills} kills')


def server_killed(study: Study) -> None:
    """In the midst of an extraction."""
    study.clear()
    process = study.extract(URL, 's3://bucket/videos', study.new_cache())
    before = len(study.server.requests())
    while process.poll() is None and not any(
            'safetensors' in line for line in
            study.server.requests()[before:]):
        time.sleep(.2)
    study.away()
    study.finish('while the server was away', process)
    study.compare(f'server away for {GONE:.0f} s')


def training(study: Study) -> None:
    """From the folder and from the server; then without the server."""
    seconds = {}
    for name, data, cache in (('run_folder', str(study.local), 'none'),
                              ('run_first', URL, 'trained'),
                              ('run_again', URL, 'trained')):
        before = len(study.server.requests())
        began = time.time()
        study.finish(name, study.train(name, data, cache))
        seconds[name] = time.time() - began
        asked = study.server.requests()[before:]
        size = sum(path.stat().st_size for path in (
            study.folder / cache).rglob('*') if path.is_file()) \
            if cache != 'none' else 0
        print(f'{name}: {seconds[name]:.1f} s, {len(asked)} requests, '
              f'{sum("safetensors" in line for line in asked)} of shards, '
              f'{size:,} bytes in the cache', flush=True)
    process = study.train('run_away', URL, study.new_cache())
    before = len(study.server.requests())
    while process.poll() is None and not any(
            'GET' in line and 'safetensors' in line for line in
            study.server.requests()[before:]):
        time.sleep(.05)
    thread = threading.Thread(target=study.away)
    thread.start()
    study.finish('training while the server was away', process)
    thread.join()
    expected = study.losses('run_folder')
    for name in ('run_first', 'run_again', 'run_away'):
        if not expected or study.losses(name) != expected:
            study.problems.append(f'{name}: its losses are not those of the '
                                  'training from the folder')
    print(f'{len(expected)} losses compared of each training', flush=True)


if __name__ == '__main__':
    sys.exit(main())

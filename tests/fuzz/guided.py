#!/usr/bin/env python3
"""Let atheris look for files that reach new lines of a reader.

    python tests/fuzz/guided.py READER --runs 10000

``run.py --guided`` starts this for one reader after the other, since
libFuzzer ends the process that it runs in. What it finds interesting is kept
beside the other files, in ``corpus/READER``, where the next search begins.
"""
from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

SECONDS, MEMORY = 30, 4096  # a file, and MiB of the whole process


def search(name: str, runs: int, seed: int, keep: Path) -> bool:
    """Search in a process of its own, and say what was found.

    Args:
        name: Of the reader.
        runs: Files.
        seed: Of chance.
        keep: Folder of files that were not answered right.

    Returns:
        Whether every file was read or refused by an error of its own.
    """
    for path in keep.glob(f'{name}-guided-*'):
        path.unlink()
    done = subprocess.run(
        [sys.executable, __file__, name, '--runs', str(runs), '--seed',
         str(seed), '--keep', str(keep)], capture_output=True, text=True,
        errors='replace', check=False)
    found = sorted(keep.glob(f'{name}-guided-*'))
    lines = [line for line in done.stderr.splitlines() if ' cov: ' in line]
    reached = lines[-1].split('cov: ')[1].split()[0] if lines else '?'
    print(f'{name}: guided, {runs} files, {reached} branches reached, '
          f'{len(found)} not answered right, exit status {done.returncode}',
          *found, sep='\n  ', flush=True)
    if done.returncode:
        print(done.stderr[-2000:])
    return not found and not done.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('reader')
    parser.add_argument('--runs', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--keep', type=Path, default=Path('work_dirs/fuzz'))
    args = parser.parse_args()
    import atheris
    with atheris.instrument_imports(include=['hpnet_plugin']):
        from fuzz.run import all_readers
        reader = all_readers()[args.reader]
    from fuzz.changes import changed
    from fuzz.engine import BAD, Fuzzer, form_of
    warnings.simplefilter('ignore')
    place = '/dev/shm' if Path('/dev/shm').is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix='guided', dir=place))
    fuzzer = Fuzzer(args.reader, reader, folder, args.keep, args.seed)
    corpus = args.keep / 'corpus' / args.reader
    corpus.mkdir(parents=True, exist_ok=True)
    for path in fuzzer.seeds:
        shutil.copy(path, corpus / path.name)
    signatures = set()

    def origin(data: bytes) -> Path:
        return fuzzer.seeds[len(data) % len(fuzzer.seeds)]

    def one(data: bytes) -> None:
        if reader.repair and len(data) % 4:
            data = reader.repair(data)
        path = fuzzer.put(origin(data), data)
        outcome, what = fuzzer.outcome(path)
        if outcome in BAD and what not in signatures:
            signatures.add(what)
            digest = hashlib.sha256(data).hexdigest()[:8]
            (args.keep / f'{args.reader}-guided-{outcome}-{digest}-'
             f'{path.name}').write_bytes(data)

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < .4:
            return atheris.Mutate(data, size)
        if reader.change and rng.random() < .5:
            try:
                return reader.change(data, rng)[:size]
            except Exception:
                pass  # a change of a valid file alone
        form = reader.form or form_of(origin(data).suffix)
        return changed(data, rng, form, rng.choice(fuzzer.contents))[:size]

    atheris.Setup([
        'guided', f'-runs={args.runs}', f'-seed={args.seed + 1}',
        f'-timeout={SECONDS}', f'-rss_limit_mb={MEMORY}', '-max_len=65536',
        f'-artifact_prefix={args.keep}/{args.reader}-guided-', str(corpus)],
        one, custom_mutator=mutate)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()

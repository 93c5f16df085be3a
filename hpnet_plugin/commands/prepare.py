"""Check a download and write its labels and splits for the extraction.

    hpnet prepare ntu120 xsub xset VIDEOS --out data/ntu120_lists
    hpnet prepare smarthome cs VIDEOS --out data/smarthome_cs_lists
    hpnet prepare folder VIDEOS --out data/mine_lists --seed 1
    hpnet prepare folder train=train.csv test=val.csv VIDEOS \\
        --out data/kinetics_lists

prints how many clips each split has and should have, and which are missing,
and writes clips.txt, labels.txt, classes.txt, splits.json and dataset.json
into a folder that is a source for the extraction:

    hpnet extract data/ntu120_lists --out data/ntu120

DATASET is ntu60, ntu120, smarthome, uav_human, nw_ucla or ucf101, whose clips
are labelled and split by their names; or folder, for videos in one subfolder
for each class or a list file with "video label" in each line; or a benchmark
file of your own, MINE.json (its keys are described in
hpnet_plugin/benchmark_files.py).

SPLIT is a split of the benchmark (xsub, xview, xset, cs, cv1, cv2, csv1,
csv2, split1 …; without any, all of them are written); or NAME=FILE, where
FILE lists clips (text, Kinetics' .csv, Something-Something's .json); or for
folder: names (default: by person or source video if all file names tell it,
otherwise at random), random, or folders (train/, val/, test/).

train and val of a split are disjoint; train_full is the published training
set, for results that are compared with published ones.

Exit status: 0 written, even if clips are missing; 2 the usage is wrong or a
file cannot be used, nothing is written; 1 nothing can be written (the disk is
full).
"""
from __future__ import annotations

import argparse
import contextlib

from .command import Command
from .options import output_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('dataset', metavar='DATASET', help='benchmark, or folder; see above')
    add('splits', metavar='SPLIT', nargs='*',
        help='splits to write (default: all of the benchmark); see above')
    add('source', metavar='SOURCE',
        help='folder of videos, or a list file with one video in each line; '
        'or a folder of released .npy features, for hpnet import-released')
    add('--out', required=True, metavar='DIR', type=output_folder,
        help='folder to write')
    add('--expected', metavar='FILE',
        help='list of the clips that should be there; the missing ones are '
        'reported')
    add('--leave-out', metavar='FILE',
        help='list of clips to leave out (default for NTU: the official list '
        "of clips without a skeleton); 'none' keeps all clips")
    add('--test', type=float, default=0.2,
        help='of folder: share of the clips of each class that form the test '
        'split, if clips are split at random (default 0.2)')
    add('--val', type=float, default=0.1,
        help='of folder: share of the training clips that form the '
        'validation split (default 0.1)')
    add('--seed', type=int, default=0,
        help='of folder: seed of the random split (default 0)')


def run(args: argparse.Namespace) -> None:
    """Prepare, write and report."""
    from hpnet_plugin.datasets import preparation, sources
    from hpnet_plugin.datasets.lists import read_named_clips
    from hpnet_plugin.evaluation.tables import format_table

    leave_out = args.leave_out
    if leave_out == 'none':
        leave_out = ()
    elif leave_out:
        leave_out = read_named_clips(leave_out)
    prepared = preparation.prepare(
        args.dataset,
        args.splits,
        args.source,
        leave_out=leave_out,
        expected=read_named_clips(args.expected)
        if args.expected else None,
        test=args.test,
        val=args.val,
        seed=args.seed,
        earlier=args.out)
    files = preparation.write(prepared, args.out)
    print('\n'.join(prepared.notes) + '\n')
    with contextlib.suppress(sources.SourceError):  # folders train and test
        print(sources.describe_skipped(
            sources.list_clips(args.source).skipped), end='')
    print(format_table(prepared.table))
    print(f'\nwritten: {", ".join(sorted(files))}')


main = Command('prepare', __doc__, run, add_options)

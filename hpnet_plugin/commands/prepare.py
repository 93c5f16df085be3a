#!/usr/bin/env python3
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

DATASET is ntu60, ntu120, smarthome, uav_human, nw_ucla, ucf101, whose clips
are labelled and split by name, or folder: anything with one subfolder a
class, or a list file of "video label" lines. SPLIT is one of the benchmark's
(xsub, xview, xset, cs, cv1, cv2, csv1, csv2, split1 …; none: all of them),
NAME=FILE, a list of clips (text, Kinetics' .csv, Something-Something's
.json), or for a folder names (default: by person or video where all names
tell, else by chance), random (by chance) or folders (train/, val/, test/).
DATASET may also be a benchmark file of one's own, MINE.json; its keys stand
in hpnet_plugin/benchmark_files.py.

train and val of a split are disjoint; train_full is the published training
set, for results that are compared with published ones. Exit status: 0
written, even where clips are missing; 2 wrong usage, nothing is written.
"""
import argparse
import contextlib
import sys


def parse_args(argv=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('dataset', metavar='DATASET')
    add('splits', metavar='SPLIT', nargs='*')
    add('source', metavar='SOURCE',
        help='folder of videos, or a list file with a video a line; or a '
        'folder of released .npy features, for hpnet import-released')
    add('--out', required=True, metavar='DIR', help='folder to write')
    add('--expected', metavar='FILE',
        help='list of clips that should be there, to name the missing ones')
    add('--leave-out', metavar='FILE',
        help='list of clips to leave out; by default for NTU the official '
        "list of clips without a skeleton; 'none' keeps all")
    add('--test', type=float, default=0.2,
        help='folder: share of a class that tests, if by chance '
        '(default 0.2)')
    add('--val', type=float, default=0.1,
        help='folder: share of the training clips that validates (default '
        '0.1)')
    add('--seed', type=int, default=0, help='folder: of chance (default 0)')
    return parser.parse_args(argv)


def main(argv=None):
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from hpnet_plugin.datasets import preparation, sources
    from hpnet_plugin.evaluation.tables import format_table

    try:
        leave_out = args.leave_out
        if leave_out == 'none':
            leave_out = ()
        elif leave_out:
            leave_out = preparation.read_list(leave_out)
        prepared = preparation.prepare(
            args.dataset,
            args.splits,
            args.source,
            leave_out=leave_out,
            expected=preparation.read_list(args.expected)
            if args.expected else None,
            test=args.test,
            val=args.val,
            seed=args.seed,
            earlier=args.out)
        files = preparation.write(prepared, args.out)
    except (ValueError, OSError) as error:
        print(f'prepare: {error}', file=sys.stderr)
        return 2
    print('\n'.join(prepared.notes) + '\n')
    with contextlib.suppress(sources.SourceError):  # folders train and test
        print(sources.describe_skipped(
            sources.list_clips(args.source).skipped), end='')
    print(format_table(prepared.table))
    print(f'\nwritten: {", ".join(sorted(files))}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

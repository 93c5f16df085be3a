#!/usr/bin/env python3
"""Make a dataset folder of feature files that the paper's authors released.

    python tools/import_released.py NPY_FOLDER --out data/ntu120_released \\
        --labels labels.txt --splits splits.json

The files hold 64 frames and no joints: pooled streams train on the folder,
2D-pose streams cannot. Exit status: 0 done, 2 wrong usage.
"""
import argparse
import glob
import os
import os.path as osp
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('source', nargs='+', metavar='NPY',
        help='.npy files, or folders that hold them')
    add('--out', required=True, help='dataset folder to write or to resume')
    add('--labels', help='file with "clip label" a line')
    add('--classes', help='file with a class name a line, in label order')
    add('--splits', help='JSON file: {"train": [clip, ...], "test": [...]}')
    args = parser.parse_args(argv)
    from tqdm import tqdm

    from hpnet_plugin.datasets import sources
    from hpnet_plugin.extraction.dataset import write_dataset
    from hpnet_plugin.store import StoreError, StoreWriter
    from hpnet_plugin.store.released import TAP, read_released

    paths = []
    for source in args.source:
        paths += glob.glob(osp.join(glob.escape(source), '*.npy')) \
            if osp.isdir(source) else [source]
    clips = sorted(
        sources.Clip(osp.splitext(osp.basename(path))[0], path)
        for path in paths)
    try:
        if not clips:
            raise StoreError(f'{args.source}: no .npy file')
        classes = sources.read_classes(args.classes) if args.classes else None
        labels, classes = sources.assign_labels(
            clips, sources.read_labels(args.labels) if args.labels else None,
            classes)
        splits = sources.read_splits(args.splits, clips) if args.splits else {}
        channels = read_released(clips[0].path)[TAP].shape[-1]
        meta = dict(
            taps={TAP: channels}, layout='coco', grid='corners', region=1,
            persons='released')
        os.makedirs(args.out, exist_ok=True)
        with StoreWriter(osp.join(args.out, 'features'), meta) as writer:
            done = writer.names
            for clip in tqdm(clips, unit='clip'):
                if clip.name not in done:
                    # the frame's size is not in the files: NTU's
                    writer.add(clip.name, read_released(clip.path),
                               dict(img_shape=[1080, 1920]))
    except (ValueError, OSError) as error:
        print(f'import_released: {error}', file=sys.stderr)
        return 2
    content = write_dataset(args.out, clips, labels, classes, splits, {}, meta)
    print(f'{content["clips"]["stored"]} clips in {osp.abspath(args.out)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

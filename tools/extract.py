#!/usr/bin/env python3
"""Extract heatmap pooled features: from videos to a dataset folder.

    python tools/extract.py VIDEOS --out data/mine --pose POSE.py \\
        --checkpoint POSE.pth --tap backbone.stage4.0.branches.1

One pass over each video: decode, detect, track, pose, pool, write. Run it
again to resume, or to try failed clips again.

Exit status: 0 all clips are stored, 3 some failed (each is named with its
reason), 2 wrong usage, 1 anything else (a full disk, for one).
"""
import argparse
import os.path as osp
import sys
import time


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('source', metavar='SOURCE',
        help='a video; a folder of videos, flat or one subfolder a class; or '
        'a text file with "video" or "video label" a line')
    add('--out', required=True, help='dataset folder to write or to resume')
    add('--labels', help='file with "clip label" a line; a label is a number '
        'or a class name')
    add('--classes', help='file with a class name a line, in label order')
    add('--splits', help='JSON file: {"train": [clip, ...], "test": [...]}')
    add('--pose', required=True, metavar='CONFIG|FILE.onnx',
        help='mmpose config of a top-down net, or an ONNX pose net')
    add('--checkpoint', help='weights of the mmpose net, file or address; by '
        "default the config's load_from")
    add('--tap', action='append', required=True,
        help='feature map to pool: module path (HRNet-W48: '
        'backbone.stage4.0.branches.1) or ONNX tensor; TAP@3 or TAP@5 pools '
        'it over a region; rgb, coordinates (of a SimCC head) and heatmap '
        'keep something else at the joints; repeatable')
    add('--region', type=int, default=1, choices=(1, 3, 5),
        help='R of Eq. 3, in cells of the map, of taps that name none '
        '(default 1)')
    people = parser.add_mutually_exclusive_group()
    people.add_argument(
        '--detector', default='hog',
        help='hog (default, needs no weights), frame (whole frame), '
        'boxes:FILE, or an mmdet config')
    people.add_argument(
        '--joints', metavar='FILE',
        help='2D poses that are there already, instead of a detector and of '
        "the net's own joints: .pkl of mmaction2 or pyskl, Kinetics' .json "
        'or a folder of them; gives labels and splits as well, where no '
        'others are named')
    add('--det-checkpoint', help='weights of the mmdet detector')
    add('--max-people', type=int, default=2,
        help='people kept a clip (default 2)')
    add('--max-frames', type=int, default=300,
        help='frames kept a clip, evenly spread; 0 keeps all (default 300)')
    add('--crops', action='store_true',
        help='also write person-centred clips for the RGB branch; those of '
        'clips whose features are there already, too')
    add('--crop-size', type=int, default=256,
        help='side of the clips in pixels (default 256)')
    add('--crop-margin', type=float, default=1.1,
        help='how much the window exceeds the people (default 1.1)')
    add('--device', default='cpu', help='cpu (default), cuda, cuda:1, …')
    add('--batch', type=int, default=32,
        help='crops a forward of the pose net (default 32)')
    add('--workers', type=int, default=2,
        help='videos decoded at once (default 2)')
    add('--shard', metavar='i/n',
        help='only the i-th of n parts of the clips (i from 1), for several '
        'processes or machines that fill one folder')
    released = parser.add_argument_group(
        'what the released code does differently')
    released.add_argument('--norm', default='eval', choices=('eval', 'crop'))
    released.add_argument('--grid', default='exact',
                          choices=('exact', 'corners'))
    released.add_argument('--aspect', default='input',
                          choices=('input', 'frame'))
    released.add_argument('--persons', default='tracked',
                          choices=('tracked', 'released'))
    released.add_argument('--crop-fit', default='keep',
                          choices=('keep', 'stretch'))
    args = parser.parse_args(argv)
    args.part = (1, 1)
    if args.shard:
        try:
            args.part = tuple(int(n) for n in args.shard.split('/'))
            good = len(args.part) == 2 and 1 <= args.part[0] <= args.part[1]
        except ValueError:
            good = False
        if not good:
            parser.error(f'--shard {args.shard}: expected i/n with i from 1 '
                         'to n, such as 2/4')
    for name in ('max_people', 'batch', 'workers'):
        if getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1')
    if args.max_frames < 0:
        parser.error('--max-frames must not be negative')
    return args


def main(argv=None):
    args = parse_args(argv)
    import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages
    from hpnet_plugin.apis.crops import CropRecorder, crop_settings
    from hpnet_plugin.apis.extract import Extraction, write_dataset
    from hpnet_plugin.datasets import imports, sources
    from hpnet_plugin.estimation.detectors import build_detector
    from hpnet_plugin.estimation.extractor import build_extractor
    from hpnet_plugin.store import StoreError

    try:
        clips = sources.find_clips(args.source)
        classes = sources.read_classes(args.classes) if args.classes else None
        joints = table = None
        splits = sources.read_splits(args.splits, clips) if args.splits else {}
        if args.labels:
            table = sources.read_labels(args.labels)
        if args.joints:
            joints = imports.GivenJoints.read(args.joints)
            lacking = [clip.name for clip in clips if clip.name not in joints]
            if lacking:
                print(f'{len(lacking)} of {len(clips)} clips are left out, '
                      f'{args.joints} has no joints of them: '
                      f'{", ".join(lacking[:3])}', flush=True)
                clips = [clip for clip in clips if clip.name in joints]
            table = table or joints.labels(clips)
            splits = splits or joints.splits(clips)
        labels, classes = sources.assign_labels(clips, table, classes)
        extraction = Extraction(
            build_extractor(args.pose, args.checkpoint, args.tap, args.device,
                            args.norm, args.region, args.grid, args.aspect),
            None if joints else build_detector(
                args.detector, args.det_checkpoint, args.device),
            max_people=args.max_people,
            max_frames=args.max_frames or None,
            persons=args.persons,
            batch=args.batch,
            workers=args.workers,
            crops=dict(
                size=args.crop_size,
                margin=args.crop_margin,
                fit=args.crop_fit) if args.crops else None,
            joints=joints)
        if args.crops:  # refuses options that cannot be
            CropRecorder(args.out, **extraction.crops).prepare()
    except (ValueError, OSError) as error:
        print(f'extract: {error}', file=sys.stderr)
        return 2

    part, parts = args.part
    mine = clips[part - 1::parts]
    frames, one, most = extraction.expected_bytes(mine)
    print(f'{len(mine)} clips, about {frames} frames; features of about '
          f'{one / 1e6:.1f} MB with one person a clip, {most / 1e6:.1f} MB '
          f'with {args.max_people}, in {args.out}', flush=True)
    if not labels:
        print('no labels are given: the clips can be predicted, not trained '
              'on (--labels, or one subfolder a class)', flush=True)
    start = time.time()
    try:
        failures = extraction(
            mine, args.out, prefix=f'{part}of{parts}-' if parts > 1 else '')
    except KeyboardInterrupt:
        print('\nstopped; what is done is stored, the same command resumes',
              file=sys.stderr)
        return 130
    except StoreError as error:
        print(f'extract: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'extract: {error}', file=sys.stderr)
        return 1
    record = dict(extraction.record, crops=crop_settings(args.out))
    content = write_dataset(args.out, clips, labels, classes, splits,
                            failures, record)
    counts = content['clips']
    print(f'{counts["stored"]} of {counts["found"]} clips stored, '
          f'{content["frames"]} frames, {content["people"]} people, in '
          f'{osp.abspath(args.out)} ({time.time() - start:.0f} s)')
    if failures:
        print(f'{len(failures)} clips failed:')
        for name, why in failures.items():
            print(f'  {name}: {why}')
        return 3
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Draw a dataset of moving people: videos, labels, splits and the truth.

    python -m hpnet_plugin.demo OUT
    python -m hpnet_plugin.demo OUT --long 10

Eight actions; two pairs of them differ only in the thing held. With --long
one video of many actions, with their true times.
"""
import argparse
import sys

from . import long_video
from .actors import ACTIONS
from .people import make_dataset


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m hpnet_plugin.demo',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', help='folder to make')
    parser.add_argument('--clips', type=int, default=24,
                        help='clips of each action (default 24)')
    parser.add_argument('--test-share', type=float, default=1 / 3,
                        help='share of them in the test split (default 1/3)')
    parser.add_argument('--length', type=int, default=32,
                        help='frames of a clip (default 32)')
    parser.add_argument('--long', type=float, metavar='MINUTES',
                        help='draw one video of so many minutes instead, in '
                        'which one action follows the other')
    parser.add_argument('--people', type=int, default=1,
                        help='people in the long video, each with actions of '
                        'their own (default 1)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int,
                        help='processes that draw (default one a core)')
    return parser.parse_args()


def main() -> int:
    """Run the tool; return its exit status."""
    args = parse_args()
    try:
        if args.long is not None:
            truth = long_video.make_long_video(args.out, args.long,
                                               args.people, args.seed)
            print(f'{truth["duration"]:.1f} s of video with '
                  f'{len(truth["segments"])} actions in {args.out}')
            return 0
        make_dataset(args.out, args.clips, args.test_share,
                     args.length, args.seed, args.workers)
    except (FileExistsError, ValueError) as error:
        print(f'hpnet_plugin.demo: {error}', file=sys.stderr)
        return 2
    clips = args.clips * len(ACTIONS)
    print(f'{clips} clips of {args.length} frames in {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

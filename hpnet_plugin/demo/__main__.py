"""Draw a dataset of moving people: videos, labels, splits and the truth.

    python -m hpnet_plugin.demo OUT

Eight actions; two pairs of them differ only in the thing held.
"""
import argparse
import sys

from . import people


def parse_args():
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
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int,
                        help='processes that draw (default one a core)')
    return parser.parse_args()


def main():
    """Run the tool; return its exit status."""
    args = parse_args()
    try:
        people.make_dataset(args.out, args.clips, args.test_share,
                            args.length, args.seed, args.workers)
    except (FileExistsError, ValueError) as error:
        print(f'hpnet_plugin.demo: {error}', file=sys.stderr)
        return 2
    clips = args.clips * len(people.ACTIONS)
    print(f'{clips} clips of {args.length} frames in {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

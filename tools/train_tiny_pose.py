"""Train the tiny pose net of the demo on people that the package draws."""
import argparse
from typing import Any

import torch

import hpnet_plugin  # noqa: F401 (makes mmpose importable)
from hpnet_plugin.demo import pose_training


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', help='checkpoint to write, e.g. '
                        'hpnet_plugin/estimation/tiny_pose.pth')
    parser.add_argument('--config', default='configs/pose/tiny_hrnet.py')
    parser.add_argument('--steps', type=int, default=3000)
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--lr', type=float, default=2e-3)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int, default=1,
                        help='processes that draw people')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--test', type=int, default=1000,
                        help='crops to measure on')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    model: Any = pose_training.train(
        args.config, args.steps, args.batch, args.lr, args.seed, args.workers)
    size = tuple(model.cfg.codec.input_size)
    # people nobody has seen, cut out exactly
    held_out = pose_training.CropDataset(args.test, args.seed + 1000003, 0.,
                                         size=size)
    crops = [held_out[i] for i in range(args.test)]
    found = pose_training.pck(model, crops)
    names = ('shoulders', 'elbows', 'wrists', 'hips', 'knees', 'ankles')
    for name, value in zip(names, found.reshape(6, 2).mean(1)):
        print(f'{name:10s} {value:5.1f}')
    print(f'PCK at 0.1 of the box height, {args.test} people: '
          f'{found.mean():.1f}')
    pose_training.save_weights(
        model, args.out, config=args.config, steps=args.steps,
        batch=args.batch, lr=args.lr, seed=args.seed,
        pck=round(float(found.mean()), 2))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()

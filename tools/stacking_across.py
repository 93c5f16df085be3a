"""Learn a layer over streams for each group of clips, on all other groups.

    python tools/stacking_across.py J.pkl:0.1 FOLDER:11 \\
        --classes classes.txt --groups '_(p[0-9]+)_' --by mean_class_accuracy

Each group, such as a subject, is reported by what was learnt on the others.
Classes that occur in one group only are left out, since nothing could be
learnt of them. Prints the accuracies of the fusion with fixed weights, with
searched ones and by the layer, over all clips, and the gain of the layer.
"""
from __future__ import annotations

import argparse

import numpy as np

from hpnet_plugin.benchmark_files import read_classes
from hpnet_plugin.evaluation.bootstrap import bootstrap_gain
from hpnet_plugin.evaluation.calibration import ece, nll
from hpnet_plugin.evaluation.fusion import Joined, fuse, read_streams
from hpnet_plugin.evaluation.groups import groups_of
from hpnet_plugin.evaluation.metrics import (
    is_probability,
    softmax,
    summarize,
)
from hpnet_plugin.evaluation.search import search
from hpnet_plugin.evaluation.stacking import learn
from hpnet_plugin.evaluation.tables import (
    format_table,
    stack_gain_table,
    stack_table,
)


def shared_classes(joined: Joined, groups: np.ndarray
                   ) -> tuple[Joined, np.ndarray]:
    """The clips and scores of the classes that several groups have."""
    found = [k for k in range(joined.scores.shape[2])
             if len(set(groups[joined.labels == k])) > 1]
    rows = np.flatnonzero(np.isin(joined.labels, found))
    scores = joined.scores[:, rows][:, :, found]
    for stream, whole in zip(scores, joined.scores):
        if is_probability(whole):  # of the classes that are left
            stream /= stream.sum(1, keepdims=True)
    return Joined([joined.names[i] for i in rows],
                  np.searchsorted(found, joined.labels[rows]), scores,
                  joined.sources), groups[rows]


def across(joined: Joined, weights: list[float], groups: np.ndarray,
           pattern: str, metric: str) -> dict[str, np.ndarray]:
    """Logits of all clips, each from what the other groups taught."""
    logits = {what: np.empty(joined.scores.shape[1:]) for what in (
        'fixed weights', 'searched weights', 'learnt')}
    for group in np.unique(groups):
        here = np.flatnonzero(groups == group)
        held = joined.take(np.flatnonzero(groups != group))
        scores = joined.take(here).scores
        searched = search(held, weights, metric)
        stack = learn(held, weights, searched, metric, pattern)
        logits['fixed weights'][here] = \
            fuse(scores, weights) / stack.weights_temperature
        logits['searched weights'][here] = \
            fuse(scores, searched) / (stack.searched_temperature or 1)
        logits['learnt'][here] = stack.layer(scores)
        print(f'{joined.names[here[0]]} and {len(here) - 1} others: '
              f'{stack.record["kind"]}, {stack.record["parameters"]} numbers',
              flush=True)
    return logits


def main(argv: list[str] | None = None) -> int:
    """Read, learn, print."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='+', metavar='FILE[:WEIGHT]')
    parser.add_argument('--groups', required=True, metavar='PATTERN')
    parser.add_argument('--classes', metavar='FILE')
    parser.add_argument('--by', default='top1',
                        choices=['top1', 'mean_class_accuracy'])
    args = parser.parse_args(argv)
    joined, weights = read_streams(
        args.files, classes=read_classes(args.classes)
        if args.classes else None)
    joined, groups = shared_classes(joined, groups_of(joined.names,
                                                      args.groups))
    labels = joined.labels
    found = across(joined, weights, groups, args.groups, args.by)
    rows = [dict(what=what, **summarize(logits, labels),
                 nll=nll(softmax(logits), labels),
                 ece=100 * ece(softmax(logits), labels))
            for what, logits in found.items()]
    right = {what: logits.argmax(1) == labels
             for what, logits in found.items()}
    gains = [dict(over=what, best=False, **bootstrap_gain(
        right[what], right['learnt'], labels)) for what in list(right)[:-1]]
    print(f'\n{len(labels)} clips, {joined.scores.shape[2]} classes\n\n'
          f'{format_table(stack_table(rows))}\n\n'
          f'{format_table(stack_gain_table(gains))}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())

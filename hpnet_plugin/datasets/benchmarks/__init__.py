"""The benchmarks: how their clips are named, labelled and split.

Each is a JSON file of this folder, or one of one's own; its keys are those of
:mod:`hpnet_plugin.benchmark_files`.
"""
from .clip_names import (
    bare_name,
    fields_of,
    label_of,
    missing_skeletons,
    siblings,
)
from .rules import BENCHMARKS, Benchmark, Rule, find_benchmark, find_rule
from .splits import TRAIN_FULL, compare_counts, published_clips, split_names

__all__ = ['BENCHMARKS', 'TRAIN_FULL', 'Benchmark', 'Rule', 'bare_name',
           'compare_counts', 'fields_of', 'find_benchmark', 'find_rule',
           'label_of', 'missing_skeletons', 'published_clips', 'siblings',
           'split_names']

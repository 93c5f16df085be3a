"""The benchmarks: how their clips are named, labelled and split."""
import difflib
import functools
import os.path as osp
import re
from importlib import resources
from typing import NamedTuple

from ..files import VIDEO_SUFFIXES
from .classes import class_names

PARTS = ('train', 'val', 'test')
TRAIN_FULL = 'train_full'


class Rule(NamedTuple):
    """Who trains and who tests in one split of a benchmark.

    Attributes:
        by (str): The field of a clip's name that decides.
        train (frozenset[int]): Its values of the published training set.
        test (frozenset[int], optional): Its values of the test set; None:
            all that do not train.
        val (frozenset[int]): Its values of the benchmark's own validation
            split, where it has one beside the training set.
        held_out (frozenset[int]): Subjects of the published training set
            that form the validation split where the benchmark has none.
        classes (str): Name of the list of class names that is shipped.
        published (dict[str, int]): Clips of the parts, as published;
            ``train_full`` is the published training set.
    """
    by: str
    train: frozenset
    test: frozenset | None
    classes: str
    val: frozenset = frozenset()
    held_out: frozenset = frozenset()
    published: dict = {}


class Benchmark(NamedTuple):
    """The names of a benchmark's clips, and its splits.

    Attributes:
        pattern (re.Pattern): Of a name, with the group ``action``, and one
            group a field, a number.
        layout (str): The same for people.
        example (str): A name.
        splits (dict[str, Rule]): Split to rule, the main one first.
        actions (tuple[str], optional): Action codes in label order; None:
            names carry the class names themselves.
        subject (str): The field that validation splits are cut by.
    """
    pattern: re.Pattern
    layout: str
    example: str
    splits: dict
    actions: tuple | None = None
    subject: str = 'subject'


def _pattern(text):
    suffixes = '|'.join(map(re.escape, VIDEO_SUFFIXES))
    return re.compile(f'{text}(?:{suffixes})?')


def _held_out(subjects):
    """The fifth and every tenth subject after it."""
    return frozenset(sorted(subjects)[4::10])


_NTU60 = frozenset((1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35,
                    38))
_NTU120 = _NTU60 | {45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78,
                    *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103}
_NTU = dict(
    pattern=_pattern(
        r'S(?P<setup>00[1-9]|0[12]\d|03[0-2])C(?P<camera>00[1-3])'
        r'P(?P<subject>\d{3})R(?P<repetition>00[12])'
        r'A(?P<action>(?!000)0\d\d|1[01]\d|120)(?:_rgb)?'),
    layout='SsssCcccPpppRrrrAaaa of setup (1 to 32), camera (1 to 3), '
    'subject, repetition (1, 2) and action (1 to 120), with or without _rgb',
    example='S001C002P003R002A013_rgb')
_SMARTHOME_CV = dict(
    by='camera', test=frozenset({2}), val=frozenset({5}),
    classes='smarthome_cv')
_UAV = range(119)
_UAV_TEST = dict(
    csv1=frozenset((1, 3, 4, 9, 22, 23, 24, 31, 41, 54, 58, 60, 66, 72, 74,
                    75, *range(91, 98), 99, 101, 104, 107, 108, 109, 113)),
    csv2=frozenset((1, 2, 7, 9, 13, 15, 17, 23, 25, 27, 28, 33, 34, 41, 42,
                    48, 50, 51, 53, 55, 58, 65, 68, 76, 82, 85, 90, 98, 105,
                    116)))
_UCF_CLIPS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}


def _counts(train_full, test):
    return {TRAIN_FULL: train_full, 'test': test}


def _uav_rule(split, *counts):
    train = frozenset(_UAV) - _UAV_TEST[split]
    return Rule('subject', train, None, 'uav_human',
                held_out=_held_out(train), published=_counts(*counts))


def _ucf_rule(number):
    """Seven of the 25 groups of each class test, the next seven a split."""
    test = frozenset(range(7 * number - 6, 7 * number + 1))
    train = frozenset(range(1, 26)) - test
    return Rule('group', train, test, 'ucf101', held_out=_held_out(train),
                published=_counts(*_UCF_CLIPS[number]))


BENCHMARKS = {
    'ntu60': Benchmark(
        **_NTU,
        actions=tuple(f'{a:03d}' for a in range(1, 61)),
        splits={
            'xsub': Rule('subject', _NTU60, None, 'ntu60',
                         held_out=_held_out(_NTU60),
                         published=_counts(40091, 16487)),
            'xview': Rule('camera', frozenset({2, 3}), frozenset({1}),
                          'ntu60', held_out=_held_out(_NTU60),
                          published=_counts(37646, 18932)),
        }),
    'ntu120': Benchmark(
        **_NTU,
        actions=tuple(f'{a:03d}' for a in range(1, 121)),
        splits={
            'xsub': Rule('subject', _NTU120, None, 'ntu120',
                         held_out=_held_out(_NTU120),
                         published=_counts(63026, 50919)),
            'xset': Rule('setup', frozenset(range(2, 33, 2)), None, 'ntu120',
                         held_out=_held_out(_NTU120),
                         published=_counts(54468, 59477)),
        }),
    'smarthome': Benchmark(
        pattern=_pattern(
            r'(?P<action>[A-Za-z.]+)_p(?P<subject>\d\d)_r\d+_v\d+_'
            r'c(?P<camera>0[1-7])'),
        layout='ACTIVITY_pPP_rRR_vVV_cCC of activity, subject, and camera '
        '(1 to 7)',
        example='Cook.Cleanup_p02_r00_v02_c03',
        splits={
            # 19 and 25 are the released list validation_CS
            'cs': Rule('subject',
                       frozenset((3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25)),
                       None, 'smarthome_cs', held_out=frozenset((19, 25)),
                       published=dict(train=8829, val=1853, train_full=10682,
                                      test=5433)),
            'cv1': Rule(**_SMARTHOME_CV, train=frozenset({1}),
                        published=dict(train=1877, val=3539, train_full=1877,
                                       test=1901)),
            'cv2': Rule(**_SMARTHOME_CV, train=frozenset((1, 3, 4, 6, 7)),
                        published=dict(train=7806, val=3539, train_full=7806,
                                       test=1901)),
        }),
    'uav_human': Benchmark(
        pattern=_pattern(
            r'P(?P<subject>0\d\d|10\d|11[0-8])S\d+G\d+B\d+H\d+UC\d+LC\d+'
            r'A(?P<action>0\d\d|1[0-4]\d|15[0-4])R\d+(?:_\d+)?'),
        layout='PpppSssGggBbbHhhUCuuuuuuLCllllllAaaaRr_TIME of subject (0 '
        'to 118) … and action (0 to 154)',
        example='P000S00G10B10H10UC022000LC021000A000R0_08241716',
        actions=tuple(f'{a:03d}' for a in range(155)),
        splits={
            'csv1': _uav_rule('csv1', 16182, 6184),
            'csv2': _uav_rule('csv2', 16074, 6292),
        }),
    'nw_ucla': Benchmark(
        pattern=_pattern(
            r'a(?P<action>0[1-689]|1[12])_s(?P<subject>0[1-9]|10)_e\d\d_'
            r'v(?P<view>0[1-3])'),
        layout='aAA_sSS_eEE_vVV of action (1 to 6, 8, 9, 11, 12), subject '
        '(1 to 10), episode and view (1 to 3)',
        example='a01_s01_e00_v01',
        actions=('01', '02', '03', '04', '05', '06', '08', '09', '11', '12'),
        splits={
            # the lists of CTR-GCN, of Kinect's skeletons
            'xview': Rule('view', frozenset((1, 2)), frozenset({3}),
                          'nw_ucla', held_out=_held_out(range(1, 11)),
                          published=_counts(1020, 464)),
            'xsub': Rule('subject', frozenset(range(1, 6)), None, 'nw_ucla',
                         held_out=_held_out(range(1, 6))),
        }),
    'ucf101': Benchmark(
        pattern=_pattern(
            r'v_(?P<action>[A-Za-z]+)_g(?P<group>0[1-9]|1\d|2[0-5])_c\d\d'),
        layout='v_CLASS_gGG_cCC of class, group (1 to 25) and clip',
        example='v_ApplyEyeMakeup_g08_c01',
        subject='group',
        splits={f'split{n}': _ucf_rule(n) for n in (1, 2, 3)}),
}


def find_benchmark(benchmark):
    """A benchmark by name.

    Args:
        benchmark (str): ``'ntu60'``, ``'ntu120'``, ``'smarthome'``,
            ``'uav_human'``, ``'nw_ucla'`` or ``'ucf101'``; in capitals, or
            with dashes, if one likes.

    Returns:
        tuple[str, Benchmark]: Its name as written here, and the benchmark.

    Raises:
        ValueError: If there is no such benchmark, with the closest names.
    """
    name = str(benchmark).casefold().replace('-', '_')
    if name not in BENCHMARKS:
        raise ValueError(f'unknown benchmark {benchmark!r}'
                         + _closest(name, BENCHMARKS))
    return name, BENCHMARKS[name]


def find_rule(benchmark, split=None):
    """The rule of a split.

    Args:
        benchmark (str): See :func:`find_benchmark`.
        split (str, optional): One of its splits (UCF101's may be called by
            number). Defaults to the first.

    Returns:
        tuple[str, Rule]: The split's name as written here, and its rule.

    Raises:
        ValueError: If it has no such split, with the closest names.
    """
    benchmark, entry = find_benchmark(benchmark)
    if split is None:
        return next(iter(entry.splits.items()))
    name = str(split).casefold()
    name = f'split{name}' if name.isdecimal() else name
    if name not in entry.splits:
        raise ValueError(f'{benchmark} has no split {split!r}'
                         + _closest(name, entry.splits))
    return name, entry.splits[name]


def fields_of(benchmark, name):
    """What a clip's name says.

    Args:
        benchmark (str): See :func:`find_benchmark`.
        name (str): The clip's name, without folder; a video suffix and
            NTU's ``_rgb`` may be there or not.

    Returns:
        dict: The action as it is written, and numbers: of the subject, the
        camera, … as far as the benchmark names them.

    Raises:
        ValueError: If the name does not follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    match = entry.pattern.fullmatch(name)
    if not match:
        raise ValueError(
            f'{name!r} is no clip of {benchmark}, whose names are '
            f'{entry.layout}: for example {entry.example}')
    return {field: value if field == 'action' else int(value)
            for field, value in match.groupdict().items()}


def label_of(benchmark, name, split=None):
    """Label of a clip, from its name.

    Args:
        benchmark (str): See :func:`find_benchmark`.
        name (str): The clip's name; see :func:`fields_of`.
        split (str, optional): Toyota-Smarthome has 31 classes in ``cs`` and
            19 in ``cv1`` and ``cv2``. Defaults to the benchmark's first.

    Returns:
        int | None: The class, from 0; None for an action that is not among
        the classes of this split (A061 to A120 in ntu60, twelve activities
        in Smarthome's cross-view splits).

    Raises:
        ValueError: If the name does not follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    split, _ = find_rule(benchmark, split)
    action = fields_of(benchmark, name)['action'].casefold()
    label = _labels(benchmark, split).get(action)
    if label is None and entry.actions is None:
        known = _labels(benchmark, next(iter(entry.splits)))
        if action not in known:
            raise ValueError(f'{name!r}: {benchmark} has no class '
                             f'{action!r}' + _closest(action, known))
    return label


@functools.cache
def _labels(benchmark, split):
    entry = BENCHMARKS[benchmark]
    actions = entry.actions or class_names(entry.splits[split].classes)
    return {action.casefold(): i for i, action in enumerate(actions)}


def split_names(benchmark, split, names, holdout=True):
    """Divide clips into training, validation and test set.

    ``train`` and ``val`` are disjoint and together the published training
    set, wherever the validation split is cut from it: fusion weights and
    epochs are chosen on clips that nothing was trained on. Results for the
    tables are trained on the published training set in full: that is
    ``train`` with ``holdout=False``, and what ``tools/prepare.py`` writes as
    ``train_full``.

    ====================  ==========================  =======================
    split                 published training set      val
    ====================  ==========================  =======================
    ntu60 xsub            20 subjects                 subjects 8, 27 of it
    ntu60 xview           cameras 2, 3 (test: 1)      subjects 8, 27 of it
    ntu120 xsub           53 subjects                 8, 27, 50, 74, 91 of it
    ntu120 xset           even setups                 8, 27, 50, 74, 91 of it
    smarthome cs          11 subjects                 subjects 19, 25 of it
    smarthome cv1         camera 1 (test: 2)          camera 5, not of it
    smarthome cv2         cameras 1, 3, 4, 6, 7       camera 5, not of it
                          (test: 2)
    uav_human csv1, csv2  89 of the 119 subjects      9 subjects of it
    nw_ucla xview         views 1, 2 (test: 3)        subject 5 of it
    nw_ucla xsub          subjects 1 to 5             subject 5 of it
    ucf101 split1 … 3     groups 1 … 25 without the   2 groups of it
                          7 that test
    ====================  ==========================  =======================

    Which ones: Smarthome's as released (19 and 25 are left out of training
    there, although the paper trains on them), camera 5 as the benchmark has
    it; of the others the fifth training subject, in order of number, and
    every tenth after it (for UCF101, group).

    Args:
        benchmark (str): ``'ntu60'``, ``'ntu120'``, ``'smarthome'``,
            ``'uav_human'``, ``'nw_ucla'`` or ``'ucf101'``.
        split (str): One of the table's.
        names (Iterable[str]): Names of clips, as :func:`fields_of` takes
            them. NTU's clips without a skeleton
            (:func:`missing_skeletons`), which published counts leave out,
            are treated as any other here.
        holdout (bool): Whether to cut the validation split out of the
            training set. Defaults to True; False leaves ``val`` with a
            validation split of the benchmark's own, or empty.

    Returns:
        dict[str, list[str]]: ``train``, ``val`` and ``test``, each in the
        order of ``names``. Clips of actions that are no class of this split,
        or of cameras that it does not use, are in none.

    Raises:
        ValueError: If there is no such benchmark or split, or a name does
            not follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    split, rule = find_rule(benchmark, split)
    parts = {part: [] for part in PARTS}
    for name in names:
        fields = fields_of(benchmark, name)
        if label_of(benchmark, name, split) is None:
            continue
        value = fields[rule.by]
        if value in rule.train:
            held = holdout and fields[entry.subject] in rule.held_out
            parts['val' if held else 'train'].append(name)
        elif value in rule.val:
            parts['val'].append(name)
        elif rule.test is None or value in rule.test:
            parts['test'].append(name)
    return parts


def published_clips(folder: str, split: str | None) -> int | None:
    """How many clips a split of a dataset folder has, as published.

    Args:
        folder (str): The dataset folder. It is named after the benchmark, as
            ``data/ntu120``, ``data/smarthome_cv`` or ``data/ntu60_hrnet``.
        split (str, optional): A split and its part, as ``tools/prepare.py``
            names them: ``'xsub_test'``, ``'csv1_train_full'``.

    Returns:
        int | None: None where no number is published, or nobody can tell
        from these names.
    """
    name = osp.basename(osp.normpath(folder or ''))
    protocol, _, part = (split or '').partition('_')
    for benchmark, facts in BENCHMARKS.items():
        if name == benchmark or name.startswith(f'{benchmark}_'):
            rule = facts.splits.get(protocol)
            return None if rule is None else rule.published.get(part)
    return None


def compare_counts(tested: int, published: int | None) -> str:
    """How many clips were tested, and how many are in the published split.

    Args:
        tested (int): Clips that have a score.
        published (int, optional): Of :func:`published_clips`.

    Returns:
        str: A clause that says what the two numbers mean.
    """
    text = f'tested on {tested:,} clip{"s" * (tested != 1)}'
    if published is None:
        return text
    if tested == published:
        return f'{text}, all {published:,} of the published test split'
    return (f'{text}, but the published test split has {published:,}: the '
            'accuracy cannot be compared with published ones')


def bare_name(name):
    """A clip's name without a video suffix and NTU's ``_rgb``."""
    for suffix in VIDEO_SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[:-len(suffix)]
            break
    return name.removesuffix('_rgb')


@functools.cache
def missing_skeletons(benchmark):
    """Clips that published counts leave out: Kinect found nobody in them.

    Args:
        benchmark (str): See :func:`find_benchmark`.

    Returns:
        frozenset[str]: 302 names of ntu60, 535 of ntu120 (the official
        lists, without ``_rgb``); empty elsewhere.
    """
    benchmark, entry = find_benchmark(benchmark)
    if benchmark not in ('ntu60', 'ntu120'):
        return frozenset()
    file = resources.files(__package__) / 'missing' / 'ntu120.txt'
    return frozenset(
        name for name in file.read_text(encoding='utf-8').split()
        if label_of(benchmark, name) is not None)


def siblings(benchmark, names):
    """Clips that exist if these do.

    NTU recorded every subject of a setup with three cameras, twice, in all
    of the setup's actions: 1 to 60 in setups 1 to 17, 61 to 120 in the
    others. (Each of the published 948 and 960 combinations of setup, camera,
    subject and repetition has 60 clips.)

    Args:
        benchmark (str): See :func:`find_benchmark`.
        names (Iterable[str]): Names that follow its rule.

    Returns:
        set[str]: Names as :func:`bare_name` has them, of this benchmark's
        classes; empty for a benchmark whose clips do not tell of others.
    """
    benchmark, entry = find_benchmark(benchmark)
    if benchmark not in ('ntu60', 'ntu120'):
        return set()
    seen = {(fields['setup'], fields['subject'])
            for fields in (fields_of(benchmark, name) for name in names
                           if label_of(benchmark, name) is not None)}
    return {
        f'S{setup:03d}C{camera:03d}P{subject:03d}R{repetition:03d}A{action}'
        for setup, subject in seen
        for camera in (1, 2, 3)
        for repetition in (1, 2)
        for action in (entry.actions[:60] if setup <= 17
                       else entry.actions[60:])}


def _closest(name, known):
    close = difflib.get_close_matches(name, known, 3, 0.3)
    return f'; the closest: {", ".join(close)}' if close else \
        f'; there are: {", ".join(known)}'

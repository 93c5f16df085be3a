"""From a download to what the extraction needs: clips, labels and splits."""
from __future__ import annotations

import glob
import json
import os
import os.path as osp
from typing import NamedTuple

from ..benchmark_files import read_json
from ..facts import (
    FILE,
    Facts,
    benchmark_facts,
    read_record,
    write_facts,
)
from ..files import VIDEO_SUFFIXES, write_whole
from . import benchmarks
from .benchmarks import PARTS, TRAIN_FULL
from .clips import SourceClip, SourceError
from .folder import describe
from .lists import PreparationError, read_list
from .names import read_names, write_names
from .sources import assign_labels, find_clips, list_clips
from .splitting import SPLITS, choose_share, divide

FOLDER = 'folder'
RANDOM, NAMES, FOLDERS = 'random', 'names', 'folders'
# of a folder of one's own, until its clips are extracted
PEOPLE, FRAMES = 2, 64
LISTED = 10  # missing clips that are named in a note


class Preparation(NamedTuple):
    """A download, checked.

    Attributes:
        clips (list[SourceClip]): Those that are in any split.
        labels (dict[str, int]): Of all clips that have one, to class.
        classes (list[str], optional): Names in label order; None where the
            source has numbers only.
        splits (dict[str, list[str]]): Split to clip names.
        counts (list[tuple]): For each split its name, how many clips it
            has, and how many it should have (None: unknown).
        missing (list[str]): Clips that should be there and are not.
        notes (list[str]): What else was seen.
        rule (dict): How the splits came about; see
            :class:`splitting.Division`.
        benchmark (Facts, optional): Facts of the benchmark.
    """
    clips: list
    labels: dict
    classes: list
    splits: dict
    counts: list
    missing: list
    notes: list
    rule: dict = {'by': 'given'}
    benchmark: Facts | None = None

    @property
    def table(self):
        """list[list[str]]: The counts, a row a split."""
        rows = [['split', 'clips', 'should have', '']]
        for split, found, should in self.counts:
            more = found - (should or 0)
            rows.append([
                split, str(found), '' if should is None else str(should),
                '' if should is None else 'complete' if not more else
                f'{-more} missing' if more < 0 else f'{more} more'])
        return rows


def prepare(dataset,
            splits,
            source,
            leave_out=None,
            expected=None,
            test=0.2,
            val=0.1,
            seed=0,
            earlier=None):
    """Check a download and divide its clips.

    Args:
        dataset (str): A benchmark of :mod:`hpnet_plugin.datasets.benchmarks`,
            whose clips are labelled and split by their names; or
            ``'folder'``, anything else: labels are those of the source, one
            subfolder a class or "video label" a line.
        splits (list[str]): What to make; several of one benchmark form one
            dataset, as ``xsub_train``, ``xsub_val``, ``xsub_test``,
            ``xsub_train_full``, ``xview_train`` and so on. Each is

            - a split of the benchmark, see :func:`benchmarks.split_names`;
            - ``NAME=FILE``: the clips that a list names, see
              :func:`read_list`;
            - ``'random'`` (of a folder): each class divided by chance;
            - ``'names'`` (of a folder): by person or video where all names
              tell, else by chance; see :mod:`splitting`;
            - ``'folders'`` (of a folder): ``train/``, ``val/`` and
              ``test/`` of the source, each with a subfolder a class.

            None at all: all splits of the benchmark, or ``'names'``. Where
            a folder has ``train`` and no ``val``, that is cut from ``train``
            by chance, and ``train_full`` is both.
        source (str | list[SourceClip]): See :func:`find`.
        leave_out (Iterable[str], optional): Clips to leave out. Defaults to
            NTU's clips without a skeleton, as published counts do.
        expected (Iterable[str], optional): Clips that should be there.
            Defaults to what NTU's recording plan says of the setups and
            subjects found, and otherwise to the lists in ``splits``.
        test (float): Share of a class that tests, if by chance.
        val (float): Share of a class's training clips that validates, if by
            chance.
        seed (int): Of chance.
        earlier (str, optional): A folder that this module wrote. Clips that
            it divided by the same seed stay where they are.

    Returns:
        Preparation: Nothing is written yet.

    Raises:
        ValueError: If the source, a name or a split is not as it should be.
    """
    lists, rules = {}, []
    for split in splits:
        name, given, path = split.partition('=')
        if not given:
            rules.append(split)
        elif not name or name in lists:
            raise PreparationError(f'{split}: expected NAME=FILE, each name '
                                   'once')
        else:
            lists[name] = read_list(path)
    if dataset == FOLDER:
        if len(rules) + bool(lists) > 1 or any(
                rule not in (RANDOM, NAMES, FOLDERS) for rule in rules):
            raise PreparationError(
                f'a folder is split {RANDOM!r}, by {NAMES!r}, by {FOLDERS!r} '
                f'or by lists (train=FILE test=FILE), one of these; got '
                f'{splits}')
        return _prepare_folder((rules or [NAMES])[0], lists, source,
                               _bare(leave_out or ()), expected, test, val,
                               seed, earlier)
    dataset, entry = benchmarks.find_benchmark(dataset)
    if not splits:
        rules = list(entry.splits)
    return _prepare_benchmark(dataset, rules, lists, find(source, earlier),
                              leave_out, expected)


def _prepare_benchmark(dataset, rules, lists, clips, leave_out, expected):
    rules = dict(benchmarks.find_rule(dataset, rule) for rule in rules)
    classes = {rule.classes: split for split, rule in rules.items()}
    if len(classes) > 1:
        raise PreparationError(
            f'{dataset}: {" and ".join(classes.values())} have different '
            f'classes ({", ".join(str(len(names)) for names in classes)} of '
            'them): prepare them apart, in folders of their own')
    # lists alone have the classes of the benchmark's main split
    first, rule = next(iter(rules.items()), benchmarks.find_rule(dataset))
    classes = list(rule.classes)
    labels = _labels(dataset, clips, first)
    notes = [f'{len(clips)} clips found']
    if leave_out is None:
        leave_out = benchmarks.missing_skeletons(dataset)
        why = 'official list of clips without a skeleton, which published '\
            'counts leave out'
    else:
        why = 'list given'
    leave_out = _bare(leave_out)
    others = [name for name, label in labels.items() if label is None]
    if others:
        notes.append(f'{len(others)} of other actions than the '
                     f'{len(classes)} classes: not used')
    names = [clip.name for clip in clips if labels[clip.name] is not None]
    left = [n for n in names if benchmarks.bare_name(n) in leave_out]
    if left:
        notes.append(f'{len(left)} left out ({why})')
        names = [n for n in names if benchmarks.bare_name(n) not in leave_out]
    parts, counts = {}, []
    for split, rule in rules.items():
        made = benchmarks.split_names(dataset, split, names)
        made[TRAIN_FULL] = benchmarks.split_names(
            dataset, split, names, holdout=False)['train']
        for part in (*PARTS, TRAIN_FULL):
            parts[f'{split}_{part}'] = made[part]
            counts.append((f'{split}_{part}', len(made[part]),
                           rule.published.get(part)))
    if lists:
        listed, wanted = _by_lists(lists, names)
        parts.update(listed)
        counts += [(name, len(listed[name]), len(lists[name]))
                   for name in lists]
        expected = expected or wanted
    where = ''
    if expected is None:
        expected = benchmarks.siblings(dataset, names)
        where = ' of the setups and subjects found'
    labels = {name: label for name, label in labels.items()
              if label is not None}
    first = f'{dataset}{":" if dataset.endswith(".json") else "_"}{first}'
    return _result(clips, labels, classes, parts, counts,
                   _bare(expected) - leave_out, notes, where)._replace(
                       rule=dict(by='benchmark', benchmark=dataset),
                       benchmark=benchmark_facts(first))


def _labels(dataset, clips, split):
    """Labels of clips by their names, None of those that have no class."""
    bad, labels = [], {}
    for clip in clips:
        try:
            labels[clip.name] = benchmarks.label_of(dataset, clip.name, split)
        except ValueError as error:
            bad.append((clip.path, error))
    if bad:
        raise PreparationError(
            f'{len(bad)} of {len(clips)} clips are not named by the rule '
            f'({", ".join(path for path, _ in bad[:3])}'
            f'{", …" if len(bad) > 3 else ""}): {bad[0][1]}. Move them away, '
            'or give a list file of the others')
    return labels


def _prepare_folder(rule, lists, source, leave_out, expected, test, val,
                    seed, earlier):
    for name, share in (('test', test), ('val', val)):
        if not 0 <= share < 1:
            raise PreparationError(f'the share that forms {name} must be '
                                   f'from 0 to below 1, got {share}')
    if rule == FOLDERS and not lists:
        clips, parts = _by_folders(source)
    else:
        clips, parts = find(source, earlier), None
    notes = [f'{len(clips)} clips found']
    left = [c for c in clips if benchmarks.bare_name(c.name) in leave_out]
    if left:
        notes.append(f'{len(left)} left out (list given)')
        clips = [clip for clip in clips if clip not in left]
    names = [clip.name for clip in clips]
    counts = {}
    if lists:
        parts, wanted = _by_lists(lists, names)
        expected = expected or wanted
        counts = {name: len(lists[name]) for name in lists}
        clips = _labelled(clips, lists)
    labels, classes = assign_labels(clips)
    if not labels:
        raise PreparationError(
            f'{source} says nowhere what its clips show: give one subfolder '
            'a class, or a list file with "video label" a line')
    how = dict(by='given')
    if parts is None:
        divided = _divide(names, labels, seed, test, val, rule == NAMES,
                          earlier)
        parts, how = dict(divided.splits), divided.rule
        notes.append(divided.text)
        if 'val' in parts:
            parts[TRAIN_FULL] = sorted(parts['train'] + parts['val'])
    else:
        inside = set(names)
        parts = {part: [name for name in members if name in inside]
                 for part, members in parts.items()}
    if 'train' in parts and 'val' not in parts and TRAIN_FULL not in parts:
        full = parts['train']
        cut = choose_share(full, labels, val, f'{seed} val')
        parts = dict(parts, train=[n for n in full if n not in cut],
                     val=[n for n in full if n in cut], train_full=full)
        counts[TRAIN_FULL] = counts.pop('train', None)
    order = [*PARTS, TRAIN_FULL]
    parts = {name: parts[name] for name in sorted(
        parts, key=lambda n: (order.index(n) if n in order else -1, n))}
    return _result(clips, labels, classes, parts,
                   [(name, len(parts[name]), counts.get(name))
                    for name in parts], _bare(expected or ()) - leave_out,
                   notes)._replace(rule=how)


def _divide(names, labels, seed, test, val, by_name, earlier):
    """Divide a folder; clips that were divided so before stay."""
    rule = read_record(earlier).get('split_rule', {}) if earlier else {}
    known = {}
    if rule.get('seed') == seed and rule['by'] in (
            ('name', 'chance') if by_name else ('chance', )):
        known = dict(rule=rule,
                     earlier=read_json(osp.join(earlier, SPLITS)))
    return divide(names, labels, seed, test, val, by_name, **known)


def _bare(names):
    return set(map(benchmarks.bare_name, names))


def _result(clips, labels, classes, splits, counts, expected, notes,
            where=''):
    used = {name for members in splits.values() for name in members}
    if not used:
        raise PreparationError('no clip is in any split: is this the right '
                               f'dataset? Found {clips[0].name}, for one')
    spaced = [name for name in labels if len(name.split()) > 1]
    if spaced:
        raise PreparationError(f'names of clips may not hold spaces: '
                               f'{spaced[0]!r}; rename the video')
    missing = sorted(expected - _bare(clip.name for clip in clips))
    if missing:
        notes = [*notes, f'{len(missing)}{where} are missing: '
                 + ', '.join(missing[:LISTED])
                 + (', …' if len(missing) > LISTED else '')]
    return Preparation([clip for clip in clips if clip.name in used], labels,
                       classes, splits, counts, missing, notes)


def find(source, earlier=None):
    """Clips of a source, videos or released features.

    Args:
        source (str | list[SourceClip]): See :func:`sources.find_clips`; or a
            folder of ``.npy`` files and no videos; or the clips themselves.
        earlier (str, optional): A folder that this module wrote: clips keep
            the names that they have there.

    Returns:
        list[SourceClip]: In order of name.
    """
    if not isinstance(source, str):
        return sorted(source)
    try:
        return list_clips(source, read_names(earlier or '')).clips
    except SourceError:
        if not osp.isdir(source) or not (features := find_features([source])):
            raise
        return features


def find_features(sources):
    """Clips that there are feature files of.

    Args:
        sources (list[str]): ``.npy`` files, and folders that hold them, flat
            or one subfolder a class.

    Returns:
        list[SourceClip]: In order of name, named without a video's
        suffix, those of a subfolder with its name as label.

    Raises:
        SourceError: If two files are of one clip.
    """
    clips = {}

    def add(path, label=None):
        name = benchmarks.bare_name(osp.basename(path)[:-len('.npy')])
        if name in clips:
            raise SourceError(
                f'two files are named after clip {name!r}: '
                f'{clips[name].path} and {path}; keep one of them')
        clips[name] = SourceClip(name, path, label)

    for source in sources:
        if not osp.isdir(source):
            add(source)
            continue
        for path in glob.glob(osp.join(glob.escape(source), '*.npy')):
            add(path)
        for path in glob.glob(osp.join(glob.escape(source), '*', '*.npy')):
            add(path, osp.basename(osp.dirname(path)))
    return [clips[name] for name in sorted(clips)]


def _by_lists(lists, names):
    """Splits of the clips that are there, and all that lists name."""
    by_bare = {benchmarks.bare_name(name): name for name in names}
    splits, owner = {}, {}
    for split, listed in lists.items():
        bare = list(map(benchmarks.bare_name, listed))
        for name in bare:
            other = owner.setdefault(name, split)
            if other != split and split.endswith('test') != other.endswith(
                    'test'):
                raise PreparationError(f'clip {name!r} is in {other!r} and '
                                       f'in {split!r}')
        splits[split] = [by_bare[name] for name in bare if name in by_bare]
        if not splits[split]:
            raise PreparationError(
                f'split {split!r}: none of its {len(bare)} clips is there; '
                f'it names {bare[0]!r}, the source has {names[0]!r}')
    return splits, list(owner)


def _labelled(clips, lists):
    """Clips in a list, with its labels where they have none of their own."""
    known = {benchmarks.bare_name(name): label
             for listed in lists.values() for name, label in listed.items()}
    return [clip if clip.label is not None else
            clip._replace(label=known[bare]) for clip in clips
            if (bare := benchmarks.bare_name(clip.name)) in known]


def _by_folders(source):
    """Clips and splits of train/, val/ and test/."""
    clips, parts = [], {}
    for part in PARTS:
        folder = osp.join(source, part)
        if osp.isdir(folder):
            members = find_clips(folder)
            parts[part] = [clip.name for clip in members]
            clips += members
    if 'train' not in parts or len(parts) < 2:
        raise PreparationError(f'{source}: expected folders train and test '
                               f'(or val), each with one subfolder a class')
    if 'test' not in parts:
        # Kinetics publishes no labels of its test set: val is reported
        parts['test'] = parts.pop('val')
    twice = {clip.name for clip in clips}
    if len(twice) < len(clips):
        names = sorted(clip.name for clip in clips)
        name = next(a for a, b in zip(names, names[1:]) if a == b)
        raise SourceError(f'two videos of {source} are named {name!r}; names '
                          'must be unique in a dataset: rename one')
    return sorted(clips), parts


def write(preparation, out):
    """Write what the extraction reads.

    ``clips.txt`` (a source for ``hpnet extract``: the videos of the
    splits, with their labels), ``labels.txt``, ``splits.json``,
    ``classes.txt`` where classes have names, ``missing.txt`` where clips are
    missing, ``names.json`` (:mod:`.names`) and ``dataset.json``, the facts
    (:mod:`hpnet_plugin.facts`).

    Args:
        preparation (Preparation): Of :func:`prepare`.
        out (str): The folder.

    Returns:
        list[str]: The files, each written whole.
    """
    labels = preparation.labels
    content = {
        'labels.txt': [f'{name} {labels[name]}' for name in sorted(labels)],
        'clips.txt': [f'{osp.abspath(clip.path)} {labels[clip.name]}'
                      for clip in preparation.clips
                      if clip.path.lower().endswith(VIDEO_SUFFIXES)],
        'classes.txt': preparation.classes,
        'missing.txt': preparation.missing,
    }
    files = {name: '\n'.join(lines) + '\n'
             for name, lines in content.items() if lines}
    files['splits.json'] = json.dumps(preparation.splits, indent=1) + '\n'
    for name in content.keys() - files.keys():
        # of an earlier run, and no longer true
        if osp.exists(osp.join(out, name)):
            os.unlink(osp.join(out, name))
    for name, text in files.items():
        write_whole(osp.join(out, name), text.encode())
    write_names(out, preparation.clips)
    sizes = {split: len(names) for split, names in preparation.splits.items()}
    facts = describe(
        out,
        preparation.classes or map(str, range(max(labels.values()) + 1)),
        sizes, {}, PEOPLE, [FRAMES], source=preparation.benchmark)
    write_facts(out, facts, split_rule=preparation.rule)
    return [osp.join(out, name) for name in (*files, FILE)]

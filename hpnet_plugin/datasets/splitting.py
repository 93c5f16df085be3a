"""Training, validation and test split of clips that come without any.

Clips that belong together (of one person, or cut from one video) stay
together where their names tell, see :func:`find_groups`; else each clip goes
by itself. What is drawn depends on the seed and the names alone, and a clip
that is in a part stays there when clips are added.
"""
from __future__ import annotations

import hashlib
import os.path as osp
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..benchmark_files import read_json
from ..facts import FILE, read_record
from .benchmarks import BENCHMARKS, bare_name
from .clips import SourceError
from .split_lists import read_split_lists

TEST, VAL = 0.2, 0.1
SPLITS = 'splits.json'
# how splits came about that this package made and must keep
DIVIDED = ('name', 'chance')
# What groups clips, as people say it, to the pattern whose group tells. A
# letter alone needs two digits: p1 may be a part.
_FIELDS = {
    'person': re.compile(
        r'(?:^|.*[_\W])(?:(?:subject|subj|person|actor|user|participant)'
        r'[_-]?|[psu](?=\d\d))(\d+)(?:[_\W].*|$)', re.I),
    'person (P000)': re.compile(r'S\d{3}C\d{3}P(\d{3})R\d{3}.*'),
    'group': re.compile(r'.+_g(\d\d+)_c\d\d+', re.I),
    'video': re.compile(
        r'(.+?)[_-](?:part|clip|seg|segment|cut|shot|scene)[_-]?\d+', re.I),
}


class Division(NamedTuple):
    """Clips, divided.

    Attributes:
        splits: ``train``, ``val`` and ``test`` to names, without those that
            are empty.
        rule: How: ``by`` (``'name'``, ``'chance'``; ``'nothing'`` where there
            are no labels), ``field`` of the names, ``seed``.
        text: The same for people.
    """
    splits: dict[str, list[str]]
    rule: dict
    text: str


def divide(names: Iterable[str],
           labels: Mapping[str, int],
           seed: int = 0,
           test: float = TEST,
           val: float = VAL,
           by_name: bool = True,
           earlier: Mapping[str, Iterable[str]] | None = None,
           rule: dict | None = None) -> Division:
    """Divide clips into training, validation and test split.

    Args:
        names: The clips.
        labels: Clip to class. Without any, all clips are in ``test``: they can
            be predicted.
        seed: Of chance. Defaults to 0.
        test: Share of each class that tests. Defaults to 0.2.
        val: Share of the rest of each class that validates. Defaults to 0.1.
        by_name: Whether names may group clips. Defaults to True.
        earlier: Splits of an earlier division, which hold.
        rule: ``rule`` of the earlier division, which holds.

    Returns:
        ``test`` has no clip, and where names tell no person and no video, of
        ``train`` or ``val``. A class of one clip trains.
    """
    names = sorted(names)
    if not labels:
        return Division(dict(test=names), dict(by='nothing'),
                        'No labels are given (--labels, or one subfolder a '
                        'class): all clips are in the split test. They can '
                        'be predicted (mim test ... --dump), not trained on.')
    before = {part: set(members)
              for part, members in (earlier or {}).items()}
    rule = dict(rule or {})
    seed = rule.get('seed', seed)
    found = ()
    if rule.get('by') == 'name' or not rule and by_name:
        found = find_groups(names, rule.get('field'))
    for field, groups in found:
        splits = _split(names, labels, groups, seed, test, val, before)
        if rule or _covers(splits, labels):
            rule = dict(by='name', field=field, seed=seed)
            break
    else:
        groups = {name: name for name in names}
        splits = _split(names, labels, groups, seed, test, val, before)
        rule = dict(by='chance', seed=seed)
    splits = {part: members for part, members in splits.items() if members}
    return Division(splits, rule, _say(splits, labels, groups, rule))


def divide_folder(out: str, names: Sequence[str], labels: dict[str, int],
                  seed: int | None = None) -> Division:
    """Divide the clips of a dataset folder that come without splits.

    Where an earlier run divided clips of this folder, they stay where they
    are, and others are divided by the same rule and seed.

    Args:
        out: The dataset folder; it need not be there.
        names: The clips.
        labels: Clip name to class, may be empty.
        seed: Of chance. Defaults to that of the earlier run, or 0.

    Returns:
        See :func:`divide`.

    Raises:
        SourceError: If the earlier run was given splits or labels, or another
            seed.
    """
    record = read_record(out)
    rule = record.get('split_rule') or {}
    if not isinstance(rule, dict):
        raise SourceError(f'{osp.join(out, FILE)}: split_rule = {rule!r:.80}: '
                          'expected an object')
    if record.get('classes') and not labels:
        raise SourceError(f'{out}: an earlier run was given labels; give them '
                          'again (--labels), or take another folder')
    by = rule.get('by', 'given' if _had_splits(out) else 'nothing')
    if by == 'nothing':
        return divide(names, labels, seed or 0)
    if by not in DIVIDED:
        raise SourceError(f'{out}: an earlier run was given splits '
                          f'({rule.get("from") or "--splits"}); give them '
                          'again, or take another folder')
    if type(rule.get('seed')) is not int:
        raise SourceError(f'{osp.join(out, FILE)}: split_rule says {by!r}, '
                          f'but no seed: {rule!r:.80}')
    if seed is not None and seed != rule['seed']:
        raise SourceError(
            f'{out}: its clips were divided by seed {rule["seed"]}, not '
            f'{seed}: clips would go from train to test. Leave --seed out, '
            'or take another folder')
    return divide(names, labels, rule=rule,
                  earlier=read_split_lists(osp.join(out, SPLITS)))


def _had_splits(out: str) -> bool:
    """Whether a run before there was a dataset.json was given splits."""
    path = osp.join(out, 'extraction.json')
    return osp.isfile(path) and bool(read_json(path).get('splits'))


def find_groups(names: Sequence[str], field: str | None = None
                ) -> list[tuple[str, dict[str, str]]]:
    """What the names of clips tell of who or what belongs together.

    A field counts only if all names have it, and it joins some clips without
    joining all. Known are the names of the benchmarks (NTU's ``P001``,
    Smarthome's ``_p02_``, UCF101's ``_g08_``, ...), and in general
    ``subject``, ``person``, ``actor``, ``user`` with a number
    (``person03_walk``) or ``p``, ``s``, ``u`` with two digits or more
    (``walk_p02``); ``_g08_c01``; and videos that were cut,
    ``NAME_part1``, ``_clip1``, ``_seg1``, ``_cut1``, ``_shot1``, ``_scene1``.

    Args:
        names: The clips.
        field: Look for this one only; names that do not have it are groups of
            their own.

    Returns:
        Field, and clip to group; that to be preferred first.
    """
    patterns: dict[str, tuple[re.Pattern[str], str | int]] = {
        f'{entry.subject} ({benchmark})': (entry.pattern, entry.subject)
        for benchmark, entry in BENCHMARKS.items()}
    patterns.update({name: (pattern, 1)
                     for name, pattern in _FIELDS.items()})
    found = []
    for known, (pattern, group) in patterns.items():
        if field is not None and known != field:
            continue
        groups = {}
        for name in names:
            match = pattern.fullmatch(bare_name(name))
            if match is None and field is None:
                break
            groups[name] = match[group] if match else name
        else:
            several = 1 < len(set(groups.values())) < len(names)
            if several or field is not None:
                found.append((known, groups))
    return found


def choose_share(names: Iterable[str],
                 labels: Mapping[str, int],
                 share: float,
                 seed: object,
                 groups: Mapping[str, str] | None = None,
                 chosen: Iterable[str] = (),
                 barred: Iterable[str] = ()) -> set[str]:
    """Choose about a share of each class, in whole groups.

    Groups come in an order that depends on seed and group alone. One is
    taken if it brings the classes nearer to their share, and then, of
    classes that have nothing yet, the first one. No class is taken whole.

    Args:
        names: All clips.
        labels: Clip to class.
        share: From 0 to below 1.
        seed: Whatever can be printed.
        groups: Clip to group; by default each clip is one.
        chosen: Clips that are chosen already.
        barred: Clips that stay where they are.

    Returns:
        The clips, those that were chosen already among them.
    """
    names, chosen, barred = sorted(names), set(chosen), set(barred)
    if not share:
        return chosen
    members = defaultdict(list)
    for name in names:
        members[name if groups is None else groups[name]].append(name)
    classes = {group: Counter(labels[name] for name in inside)
               for group, inside in members.items()}
    total = Counter(labels[name] for name in names)
    have = Counter(labels[name] for name in names if name in chosen)
    # whoever is added to a group goes where the group is
    for inside in members.values():
        if chosen.intersection(inside) and not barred.intersection(inside):
            have.update(labels[n] for n in inside if n not in chosen)
            chosen.update(inside)
    taken = chosen | barred
    free = sorted((group for group, inside in members.items()
                   if not taken.intersection(inside)),
                  key=lambda group: hashlib.sha256(
                      f'{seed} {group}'.encode()).digest())

    def take(wanted: Callable[[Counter], bool]) -> None:
        for group in free:
            inside = classes[group]
            if not chosen.issuperset(members[group]) and wanted(inside) and \
                    all(have[c] + n < total[c] for c, n in inside.items()):
                chosen.update(members[group])
                have.update(inside)

    take(lambda inside: sum(
        abs(share * total[c] - have[c])
        - abs(share * total[c] - have[c] - n)
        for c, n in inside.items()) > 1e-9)
    take(lambda inside: any(not have[c] for c in inside))
    return chosen


def _split(names: list[str], labels: Mapping[str, int],
           groups: Mapping[str, str], seed: int, test: float, val: float,
           earlier: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """train, val and test, each in order of name."""
    parts = {part: earlier.get(part, set()) & set(names)
             for part in ('train', 'val', 'test')}
    tested = choose_share(names, labels, test, f'{seed} test', groups,
                          parts['test'], parts['train'] | parts['val'])
    rest = [name for name in names if name not in tested]
    validated = choose_share(rest, labels, val, f'{seed} val', groups,
                             parts['val'], parts['train'])
    return dict(train=[n for n in rest if n not in validated],
                val=[n for n in rest if n in validated],
                test=[n for n in names if n in tested])


def _covers(splits: Mapping[str, Iterable[str]], labels: Mapping[str, int]
            ) -> bool:
    """Whether classes of several clips are all in train and in test."""
    several = {label for label, n in Counter(
        labels[name] for members in splits.values()
        for name in members).items() if n > 1}
    return all(several <= {labels[name] for name in splits[part]}
               for part in ('train', 'test'))


def _say(splits: Mapping[str, Collection[str]], labels: Mapping[str, int],
         groups: Mapping[str, str], rule: Mapping[str, Any]) -> str:
    told = f'by {rule["field"]}, as names tell' if rule['by'] == 'name' \
        else 'by chance within each class'
    parts = []
    for part, members in splits.items():
        some = f'{part} {len(members)}'
        if rule['by'] == 'name':
            count = len({groups[name] for name in members})
            some += f' ({count} group{"s" * (count > 1)})'
        parts.append(some)
    text = (f'No splits were given: clips are divided {told}, seed '
            f'{rule["seed"]}: {", ".join(parts)}.')
    untested = {labels[n] for members in splits.values() for n in members} - {
        labels[n] for n in splits.get('test', ())}
    if 'test' not in splits:
        text += ' No class has a second clip, so nothing is tested.'
    elif untested:
        text += (f' {len(untested)} of the classes have no clip to test: '
                 'they have one clip each, or one person or video.')
    return text

"""Files of benchmarks: how they are read and checked.

A benchmark is one JSON file, ``hpnet_plugin/datasets/benchmarks/NAME.json``
or one of one's own. Its keys::

    title      for people
    address    the page to get it from, null if it cannot be had
    base       name of another benchmark whose keys hold where this file has
               none; of names, key by key
    folder     the dataset folder, data/NAME
    classes    a list that is shipped (datasets/labels), a text file beside
               this one with a name a line, or the names
    people     people a clip, M
    frames     frames that training resamples a clip to, T
    taps       object of feature map to channels, the main one first; by
               default those of HRNet-W48
    schedule   paper (the default), short or small
    size       full (the default) or small
    joints3d   layout of 3D poses: nturgb+d (the default, 25 joints) or
               kinect (20 joints)
    fusion     object of stream to published weight in the fusion
    names      what names of clips say:
      pattern  regular expression with the group action, and a group a number
      layout   the same for people
      example  a name
      actions  action codes in label order, "001-120" for a range; by default
               names carry the class names themselves
      subject  the group that validation splits are cut by ("subject")
      missing  list of datasets/missing that published counts leave out
      recorded what else was recorded if a clip was; see ntu60.json
    protocols  object of split to its rule, the main one first. A rule may
               have any key above but names, base and address, and:
      name     as configs call it; by default FILE_PROTOCOL
      by       the group that decides
      train    its values of the published training set, "13-19" for a range;
               by default all that neither test nor validate
      test     its values of the test set; by default all others
      val      its values of the benchmark's own validation split
      held_out subjects of the training set that form the validation split
               where the benchmark has none of its own
      published  clips of train, val, test, and train_full, the whole
               published training set
      use      object of train, val, test to the split that configs take; by
               default PROTOCOL_train_full and twice PROTOCOL_test
"""
from __future__ import annotations

import difflib
import functools
import json
import os.path as osp
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / 'datasets'
PARTS = ('train', 'val', 'test')
# former names of benchmarks, which configs, commands and folders may have
RENAMED = {'nw_ucla_small': 'nw_ucla_synthetic'}
_RULE = {'name', 'title', 'comment', 'by', 'train', 'val', 'test', 'held_out',
         'published', 'use'}
_SHARED = {'title', 'folder', 'classes', 'people', 'frames', 'taps',
           'schedule', 'size', 'joints3d', 'fusion', 'comment'}
_KEYS = _SHARED | {'base', 'address', 'names', 'protocols'}
_NAMES = {'pattern', 'layout', 'example', 'actions', 'subject', 'missing',
          'recorded'}
_NEEDED = ('title', 'folder', 'classes', 'people', 'frames', 'by')


class FactsError(ValueError):
    """Facts that cannot be used; the message says why."""


@functools.cache
def shipped_benchmarks() -> tuple[str, ...]:
    """Names of the benchmarks whose files are shipped.

    Returns:
        The names, sorted.
    """
    return tuple(sorted(
        path.stem for path in (FOLDER / 'benchmarks').glob('*.json')))


def benchmark_key(name: str) -> str:
    """A benchmark's name as its file has it.

    Args:
        name: In capitals, with dashes, or a former name, if one likes; the
            path of a ``.json`` file stays as it is.

    Returns:
        The name, whether or not there is such a benchmark.
    """
    if '.json' in name:
        return name
    name = name.casefold().replace('-', '_')
    return RENAMED.get(name, name)


@functools.cache
def read_benchmark(name: str) -> dict:
    """A benchmark's file, checked, with the keys of its base.

    Args:
        name: One of :func:`shipped_benchmarks`, in capitals or with dashes if
            one likes, or the path of a ``.json`` file.

    Returns:
        What the file holds, ``key``, its name, and ``file``.

    Raises:
        FactsError: If there is no such file, or something in it is not as it
            should be.
    """
    name = benchmark_key(name)
    if name.endswith('.json'):
        path = Path(name)
    else:
        if name not in shipped_benchmarks():
            raise FactsError(f'unknown benchmark {name!r}'
                             + closest(name, shipped_benchmarks()))
        path = FOLDER / 'benchmarks' / f'{name}.json'
    content = read_json(path)
    if not isinstance(content.get('names', {}), dict):
        raise FactsError(f'{path}: names: expected an object, found '
                         f'{content["names"]!r}')
    if 'base' in content:
        base = read_benchmark(content['base'])
        content = {**base, **content, 'names': {
            **base['names'], **content.get('names', {})}}
    content = dict(content, key=path.stem, file=str(path))
    try:
        _check(content)
    except (KeyError, TypeError, AttributeError, ValueError, re.error,
            OverflowError) as error:
        raise FactsError(
            f'{path}: {error if error.args else type(error).__name__}; what '
            'a benchmark needs stands at the top of '
            'hpnet_plugin/benchmark_files.py') from None
    return content


def read_json(path: str | Path) -> dict:
    """The object that a JSON file holds.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        FactsError: If there is none.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise FactsError(f'{path}: {error.strerror}') from None
    except (ValueError, RecursionError) as error:
        raise FactsError(f'{path} is no JSON file: {error}') from None
    if not isinstance(content, dict):
        raise FactsError(f'{path}: expected a JSON object, found a '
                         f'{type(content).__name__}')
    return content


def _check(content: Mapping[str, Any]) -> None:
    _known(content, _KEYS | {'key', 'file'}, 'key')
    _known(content['names'], _NAMES, 'key of names')
    pattern = re.compile(content['names']['pattern'])
    example = content['names']['example']
    found = pattern.fullmatch(example)
    if not found:
        raise ValueError(f'the example {example!r} does not follow the '
                         'pattern of names')
    if 'action' not in pattern.groupindex:
        raise ValueError('the pattern of names has no group (?P<action>...)')
    if not content['protocols']:
        raise ValueError('no protocols')
    for name, rule in content['protocols'].items():
        if not re.fullmatch('[a-z0-9]+', name):
            raise ValueError(f'protocol {name!r}: expected small letters and '
                             'digits')
        _known(rule, _RULE | _SHARED, f'key of protocol {name}')
        _check_rule(name, {**content, **rule}, pattern)


def _check_rule(name: str, entry: Mapping[str, Any],
                pattern: re.Pattern[str]) -> None:
    lacking = [key for key in _NEEDED if key not in entry]
    if lacking:
        raise ValueError(f'protocol {name} has no {", ".join(lacking)}')
    fields = {entry['by']}
    if 'held_out' in entry:
        fields.add(entry['names'].get('subject', 'subject'))
    for field in sorted(fields):
        if field not in pattern.groupindex:
            raise ValueError(
                f'protocol {name}: the pattern of names has no group '
                f'{field!r}; it has {", ".join(pattern.groupindex)}')
    if 'train' not in entry and 'test' not in entry:
        raise ValueError(f'protocol {name} has neither train nor test')
    parts = {part: numbers(entry.get(part, ())) for part in PARTS}
    for one, other in (('train', 'test'), ('train', 'val'), ('val', 'test')):
        both = sorted(parts[one] & parts[other])
        if both:
            raise ValueError(f'protocol {name}: {both} are in {one} and in '
                             f'{other}')
    for key in ('people', 'frames'):
        if type(entry[key]) is not int or entry[key] < 1:
            raise ValueError(f'{key} = {entry[key]!r}: expected a positive '
                             'whole number')
    classes = read_classes(entry['classes'], entry['file'])
    actions = entry['names'].get('actions')
    if actions is not None and len(codes(actions)) != len(classes):
        raise ValueError(f'protocol {name}: {len(codes(actions))} actions, '
                         f'but {len(classes)} class names')


def _known(found: Iterable[str], keys: Collection[str], what: str) -> None:
    for key in found:
        if key not in keys:
            raise ValueError(f'unknown {what}: {key!r}' + closest(key, keys))


def numbers(values: Iterable) -> frozenset[int]:
    """Numbers of a list that may hold ranges: ``[1, 2, "13-19"]``.

    Args:
        values: Numbers and ranges.

    Returns:
        All of them.
    """
    return frozenset(map(int, codes(values)))


def codes(values: Iterable) -> tuple[str, ...]:
    """The same as text; ``"001-003"`` keeps the zeros before it.

    Args:
        values: Numbers, codes and ranges.

    Returns:
        All of them, in order.
    """
    found = []
    for value in map(str, values):
        first, dash, last = value.partition('-')
        found += [value] if not dash else [
            f'{number:0{len(first)}d}'
            for number in range(int(first), int(last) + 1)]
    return tuple(found)


def read_classes(classes: str | list[str], beside: str = '') -> list[str]:
    """Class names in label order.

    Args:
        classes: The names; a list that the package ships (``'ntu60'``,
            ``'smarthome_cs'``, ...); or a text file with a name a line.
        beside: A file in whose folder a relative path begins. Defaults to '',
            this folder.

    Returns:
        The names.

    Raises:
        FactsError: If there is no such list, or a name comes twice.
    """
    names = classes
    if isinstance(classes, str):
        path = FOLDER / 'labels' / f'{classes}.txt'
        if not path.is_file():
            path = Path(osp.join(osp.dirname(beside), classes))
        if not path.is_file():
            known = sorted(p.stem for p in (FOLDER / 'labels').glob('*.txt'))
            raise FactsError(
                f'{classes}: no such file of class names, and none of the '
                'lists that are shipped' + closest(classes, known))
        try:
            # also of editors that put a mark of their own before the first
            names = path.read_text(encoding='utf-8-sig').split('\n')
        except UnicodeDecodeError:
            raise FactsError(f'{path} is no text file (UTF-8)') from None
        names = [name.strip() for name in names if name.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise FactsError(f'class names {classes!r}: '
                         + (f'{twice} more than once' if twice else 'none'))
    return list(names)


def closest(name: str, known: Iterable[str]) -> str:
    """The end of a message: what may have been meant, or what there is.

    Args:
        name: What was given.
        known: What there is.

    Returns:
        ``; the closest: …`` or ``; there are: …``.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 3, 0.3)
    return f'; the closest: {", ".join(close)}' if close else \
        f'; there are: {", ".join(known)}'

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
import math
import os.path as osp
import re
from collections import Counter
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
_KINDS = dict(
    title=(str, ), address=(str, type(None)), base=(str, ), folder=(str, ),
    classes=(str, list), taps=(dict, ), schedule=(str, ), size=(str, ),
    joints3d=(str, ), fusion=(dict, ), names=(dict, ), protocols=(dict, ),
    name=(str, ), by=(str, ), train=(list, ), test=(list, ), val=(list, ),
    held_out=(list, ), published=(dict, ), use=(dict, ), comment=(str, list))
_KINDS_OF_NAMES = dict(
    pattern=(str, ), layout=(str, ), example=(str, ), actions=(list, ),
    subject=(str, ), missing=(str, type(None)), recorded=(dict, type(None)))
_RECORDED = dict(name=(str, ), of_each=(list, ), all=(dict, ),
                 actions=(list, ))
LONGEST_RANGE = 10_000
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
    return _read(benchmark_key(name), ())


def _read(name: str, above: tuple[str, ...]) -> dict:
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
        key = benchmark_key(str(content['base']))
        if key in (name, *above):
            raise FactsError(f'{path}: base = {key!r:.80} leads back here')
        try:
            base = _read(key, (name, *above))
        except FactsError as error:
            raise FactsError(f'{path}: base: {error}') from None
        content = {**base, **content, 'names': {
            **base['names'], **content.get('names', {})}}
    content = dict(content, key=path.stem, file=str(path))
    try:
        _check(content)
    except (KeyError, TypeError, AttributeError, ValueError, re.error,
            OverflowError, RecursionError) as error:
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
    _typed(content, _KINDS, '')
    names = content['names']
    _known(names, _NAMES, 'key of names')
    _typed(names, _KINDS_OF_NAMES, 'names.')
    for key in ('pattern', 'layout', 'example'):
        if key not in names:
            raise ValueError(f'names has no {key}')
    pattern = re.compile(names['pattern'])
    example = names['example']
    found = pattern.fullmatch(example)
    if not found:
        raise ValueError(f'the example {example!r} does not follow the '
                         'pattern of names')
    if 'action' not in pattern.groupindex:
        raise ValueError('the pattern of names has no group (?P<action>...)')
    if names.get('recorded') is not None:
        _check_recorded(names['recorded'], pattern)
    if not content['protocols']:
        raise ValueError('no protocols')
    for name, rule in content['protocols'].items():
        if not re.fullmatch('[a-z0-9]+', name):
            raise ValueError(f'protocol {name!r}: expected small letters and '
                             'digits')
        _typed(rule, _KINDS, f'protocol {name}: ')
        _known(rule, _RULE | _SHARED, f'key of protocol {name}')
        _check_rule(name, {**content, **rule}, pattern)


def _check_recorded(rule: Mapping[str, Any], pattern: re.Pattern[str]
                    ) -> None:
    """Refuse what would name other clips than the pattern, or millions."""
    _known(rule, _RECORDED, 'key of names.recorded')
    if set(rule) != _RECORDED.keys():
        raise ValueError(f'names.recorded needs {sorted(_RECORDED)}')
    _typed(rule, _RECORDED, 'names.recorded.')
    fields = {*rule['of_each'], *rule['all'], 'action'}
    unknown = sorted(fields - pattern.groupindex.keys())
    if unknown or len(fields) != 1 + len(rule['of_each']) + len(rule['all']):
        raise ValueError(f'names.recorded: {unknown or sorted(fields)} are no '
                         'groups of the pattern, or come twice')
    every = math.prod(len(numbers(values)) for values in rule['all'].values())
    actions = 0
    for part in rule['actions']:
        if not isinstance(part, dict) or 'action' not in part or \
                not part.keys() <= {*rule['of_each'], 'action'}:
            raise ValueError(f'names.recorded.actions: {part!r:.80}')
        found = {key: numbers(values) for key, values in part.items()}
        actions += len(found['action'])
    if every * actions > LONGEST_RANGE:
        raise ValueError(f'names.recorded means {every * actions} clips of '
                         f'each; at most {LONGEST_RANGE} are allowed')
    for field in re.findall(r'\{(.*?)\}', rule['name']):
        name, _, form = field.partition(':')
        if name not in fields or not re.fullmatch('(0?[1-9]d)?', form):
            raise ValueError(f'names.recorded.name: {{{field}}}; expected a '
                             'field such as {setup:03d}')
    if re.search(r'[{}]', re.sub(r'\{.*?\}', '', rule['name'])):
        raise ValueError('names.recorded.name: a brace alone')


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
    numbers(entry.get('held_out', ()))
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


def _typed(found: Mapping[str, Any], kinds: Mapping[str, Any], where: str
           ) -> None:
    for key, value in found.items():
        expected = kinds.get(key)
        if expected and not isinstance(value, expected):
            raise ValueError(
                f'{where}{key} = {value!r:.80}: expected '
                + ' or '.join(kind.__name__ for kind in expected))


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

    Raises:
        ValueError: If a range has more than 10,000 numbers.
    """
    found = []
    for value in map(str, values):
        first, dash, last = value.partition('-')
        every = range(int(first), int(last) + 1) if dash else ()
        if len(every) > LONGEST_RANGE:
            raise ValueError(f'the range {value:.40} has {len(every)} numbers;'
                             f' at most {LONGEST_RANGE} are allowed')
        found += [f'{number:0{len(first)}d}' for number in every] \
            if dash else [value]
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
        if not osp.isfile(path):
            path = Path(osp.join(osp.dirname(beside), classes))
        if not osp.isfile(path):
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
    if not all(isinstance(name, str) for name in names):
        raise FactsError(f'class names {names!r:.80}: expected texts')
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if twice or not names:
        raise FactsError(f'class names {classes!r:.300}: ' + (
            f'{twice[:5]} more than once' if twice else 'none'))
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

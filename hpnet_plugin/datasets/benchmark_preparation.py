"""A download of a benchmark: labelled and divided by its clips' names."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..benchmark_files import PARTS
from ..facts import benchmark_facts
from . import benchmarks
from .benchmarks import TRAIN_FULL, Rule, bare_name
from .clips import SourceClip
from .lists import PreparationError, bare_names, divide_by_lists
from .prepared import Preparation, result


def prepare_benchmark(
        dataset: str, protocols: Sequence[str],
        lists: Mapping[str, Mapping[str, str | None]],
        clips: list[SourceClip], leave_out: Iterable[str] | None,
        expected: Iterable[str] | None) -> Preparation:
    """Label and divide the clips of a benchmark by their names.

    Args:
        dataset: The benchmark's name, as its file has it.
        protocols: Splits of the benchmark.
        lists: Name of a split to the clips that a list names.
        clips: The clips.
        leave_out: See :func:`hpnet_plugin.datasets.preparation.prepare`.
        expected: See there.

    Returns:
        The preparation.

    Raises:
        PreparationError: If a name does not follow the benchmark's rule, or
            the splits do not fit together.
    """
    rules = _rules(dataset, protocols)
    # lists alone have the classes of the benchmark's main split
    first, rule = next(iter(rules.items()), benchmarks.find_rule(dataset))
    every = _labels(dataset, clips, first)
    labels = {name: label for name, label in every.items()
              if label is not None}
    notes = [f'{len(clips)} clips found']
    if len(labels) < len(every):
        notes.append(f'{len(every) - len(labels)} of other actions than the '
                     f'{len(rule.classes)} classes: not used')
    why = 'list given'
    if leave_out is None:
        leave_out = benchmarks.missing_skeletons(dataset)
        why = ('official list of clips without a skeleton, which published '
               'counts leave out')
    leave_out = bare_names(leave_out)
    names = [clip.name for clip in clips if clip.name in labels
             and bare_name(clip.name) not in leave_out]
    if len(names) < len(labels):
        notes.append(f'{len(labels) - len(names)} left out ({why})')
    parts, counts = _divide(dataset, rules, names)
    if lists:
        listed, wanted = divide_by_lists(lists, names)
        parts.update(listed)
        counts += [(name, len(listed[name]), len(lists[name]))
                   for name in lists]
        expected = expected or wanted
    where = ''
    if expected is None:
        expected = benchmarks.siblings(dataset, names)
        where = ' of the setups and subjects found'
    colon = ':' if dataset.endswith('.json') else '_'
    return result(clips, labels, list(rule.classes), parts, counts,
                  bare_names(expected) - leave_out, notes, where)._replace(
                      rule=dict(by='benchmark', benchmark=dataset),
                      benchmark=benchmark_facts(f'{dataset}{colon}{first}'))


def _rules(dataset: str, protocols: Sequence[str]) -> dict[str, Rule]:
    """Rules of splits that have the same classes."""
    rules = dict(benchmarks.find_rule(dataset, name) for name in protocols)
    classes = {rule.classes: split for split, rule in rules.items()}
    if len(classes) > 1:
        raise PreparationError(
            f'{dataset}: {" and ".join(classes.values())} have different '
            f'classes ({", ".join(str(len(names)) for names in classes)} of '
            'them): prepare them apart, in folders of their own')
    return rules


def _divide(dataset: str, rules: Mapping[str, Rule], names: list[str]
            ) -> tuple[dict[str, list[str]],
                       list[tuple[str, int, int | None]]]:
    """Splits by the benchmark's rules, and their counts."""
    parts, counts = {}, []
    for split, rule in rules.items():
        made = benchmarks.split_names(dataset, split, names)
        made[TRAIN_FULL] = benchmarks.split_names(
            dataset, split, names, holdout=False)['train']
        for part in (*PARTS, TRAIN_FULL):
            parts[f'{split}_{part}'] = made[part]
            counts.append((f'{split}_{part}', len(made[part]),
                           rule.published.get(part)))
    return parts, counts


def _labels(dataset: str, clips: list[SourceClip], split: str
            ) -> dict[str, int | None]:
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

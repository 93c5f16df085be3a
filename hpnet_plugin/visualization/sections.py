"""Sections of a report from what the tools leave behind."""
from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

from ..estimation.video import read_frames
from ..evaluation.curves import read_curves
from ..evaluation.fusion import assess, fuse
from ..evaluation.metrics import (
    confusion_matrix,
    per_class_accuracy,
    summarize,
)
from ..evaluation.tables import (
    accuracy_table,
    class_table,
    confusion_table,
    gain_table,
    names_or_numbers,
)
from ..recipes.reading import innermost
from .classes import comparison_figure, confusion_figure
from .curves import training_figure
from .energy import energy_figure, strip
from .explain import explanation_figures
from .joints import (
    draw_energy,
    draw_joints,
    energy_limits,
    people_box,
    pooled_energy,
    zoom,
)
from .maps import detector_figure, maps_figure
from .report import Picture, Section

_TEST = 'TEST clips'


def training_section(work_dirs: list[str], metric: str = 'acc/top1'
                     ) -> Section:
    """Curves and best epochs of trainings.

    Args:
        work_dirs: Work folders of ``mim train``.
        metric: The validation metric to show, a fraction.

    Returns:
        A figure and a row a training.

    Raises:
        FileNotFoundError: A folder without a training's log.
    """
    named = dict(zip(short_names(work_dirs), work_dirs))
    rows = [['training', 'epochs', 'last loss', 'last top-1', 'best top-1',
             'best epoch', 'chosen on']]
    for name, work_dir in named.items():
        train, val = read_curves(work_dir)
        row = [name, train[-1].get('epoch', ''), f'{train[-1]["loss"]:.3f}']
        found = [(e[metric], e['step']) for e in val if metric in e]
        if found:
            best, step = max(found, key=lambda f: f[0])
            row += [f'{100 * found[-1][0]:.2f}', f'{100 * best:.2f}', step,
                    _chosen_on(work_dir)]
        rows.append(row + [''] * (len(rows[0]) - len(row)))
    text = ''
    if any(row[-1] == _TEST for row in rows[1:]):
        text = ('NOTE: where the best epoch was chosen on the test clips, '
                'the best top-1 is flattered: compare the last top-1, or '
                'validate on other clips.')
    return Section('Training', text, rows, figure=Picture(
        training_figure(named, metric),
        'Loss as logged; accuracy in training is the mean of an epoch.'))


def _chosen_on(work_dir):
    """On which clips a training chose its best epoch, if that is known."""
    from mmengine.config import Config
    configs = sorted(Path(work_dir).glob('*.py'),
                     key=lambda path: path.stat().st_mtime)
    if not configs:
        return ''
    config = Config.fromfile(str(configs[-1]), import_custom_modules=False)
    val, test = (
        {key: dataset.get(key) for key in ('data_root', 'ann_file', 'split')}
        for dataset in (innermost((config.get(f'{part}_dataloader') or {}
                                   ).get('dataset') or {})
                        for part in ('val', 'test')))
    return _TEST if val == test else val['split'] or 'validation'


def scores_sections(joined: Joined, weights: list[float],
                    classes: list[str] | None = None) -> list[Section]:
    """Streams, their fusion, and what happens in each class.

    Args:
        joined: The streams, see
            :func:`hpnet_plugin.evaluation.fusion.read_streams`.
        weights: One a stream.
        classes: Class names in label order.

    Returns:
        Accuracies, confusions, classes, comparisons.
    """
    result = assess(joined, weights)
    fusion, labels = fuse(joined.scores, weights), joined.labels
    matrix = confusion_matrix(fusion, labels)
    several = len(weights) > 1
    what = 'the fusion' if several else 'the stream'
    names = short_names(joined.sources)
    for stream, name in zip(result['streams'], names):
        stream['file'] = name
    gains = []
    if several:
        gains = [Section(
            'Gain of the fusion', 'In points, with the 95 % bootstrap '
            'interval over the clips, drawn class by class. The weights are '
            'taken as given: if they were chosen on these clips, the fusion '
            'and its gains are flattered.', gain_table(result['streams']))]
    sections = [
        Section('Accuracy', f'{result["clips"]} clips, {result["classes"]} '
                'classes; in percent. Mean class: over the classes that '
                'occur.',
                accuracy_table(result['streams'], result['fusion'])),
        *gains,
        Section('Confusions', f'Of {what}; each row in percent of its class.',
                confusion_table(matrix, classes, 10),
                Picture(confusion_figure(matrix, classes),
                        large=len(matrix) > 40)),
        Section('Classes', f'Of {what}, worst class first.',
                class_table(matrix, classes))]
    if several:
        accuracies = [per_class_accuracy(s, labels) for s in joined.scores]
        best = max(range(len(names)), key=lambda i: summarize(
            joined.scores[i], labels)['top1'])
        sections += [
            Section(f'{names[0]} and {names[1]}', figure=comparison_figure(
                accuracies[0], accuracies[1], names[:2], classes)),
            Section(f'{names[best]} and the fusion', 'The stream with the '
                    'highest top-1, chosen on these TEST clips, beside the '
                    'fusion.',
                    figure=comparison_figure(
                        accuracies[best], per_class_accuracy(fusion, labels),
                        (names[best], 'fusion'), classes))]
    return sections


def dataset_section(folder: str) -> Section:
    """What a dataset folder holds and what made it.

    Args:
        folder: With ``features/`` and, if the extraction wrote it,
            ``extraction.json``.

    Returns:
        A table of its facts, and the clips that failed.

    Raises:
        ValueError: A store without clips.
    """
    from ..store import FeatureStore
    store = FeatureStore(Path(folder) / 'features')
    if not len(store):
        raise ValueError(f'{folder}: its feature store holds no clip')
    shapes = [store.shape(name, 'keypoint') for name in store.names]
    stored = sum(f.stat().st_size
                 for f in (Path(folder) / 'features').iterdir())
    rows = [['what', 'value'],
            ['clips', len(shapes)],
            ['people, on average', f'{np.mean([s[0] for s in shapes]):.2f}'],
            ['frames', sum(s[1] for s in shapes)],
            ['size of the features', f'{stored / 2**20:.1f} MiB'],
            *([f'channels of {tap}', channels]
              for tap, channels in store.taps.items())]
    rows += [[key, value] for key, value in _flat(store.meta)
             if not key.startswith(('taps', 'version'))]
    text = []
    record = Path(folder) / 'extraction.json'
    if record.is_file():
        failures = json.loads(record.read_text(encoding='utf-8')).get(
            'failures', {})
        if failures:
            text = [f'Clips that could not be extracted: {len(failures)}',
                    '\n'.join(f'{n}: {why}' for n, why in failures.items())]
    return Section('Features', text, rows)


def clip_section(store: FeatureStore, name: str, videos: str | None = None,
                 tap: str | None = None, moments: int = 4,
                 extractor: PooledExtractor | None = None) -> Section:
    """Joints and pooled energy of one clip.

    Args:
        store: Holds the clip.
        name: The clip.
        videos: Folder, searched with its subfolders, of the videos that were
            extracted; without it only the energy over time is shown.
        tap: Which features; may be left out where the store has one tap only.
        moments: How many frames to show.
        extractor: Show the feature maps of this pose net, too.

    Returns:
        Its pictures.
    """
    joints = store.read(name, 'keypoint')
    scores = store.read(name, 'keypoint_score')
    energy = pooled_energy(store.read(name, tap))
    info = store.info(name)
    length = joints.shape[1]
    # Where frames were left out at extraction, time passes faster.
    fps = info.get('fps', 0) * length / info['num_frames']
    pictures = [Picture(
        energy_figure(energy, scores, fps),
        'Energy of the pooled feature of each joint; empty where nobody was '
        'found.')]
    text = ''
    video = None
    if videos is not None:
        video = next((p for p in sorted(Path(videos).rglob('*'))
                      if p.name == info['source']), None)
        if video is None:
            text = f'{info["source"]} is not in the folder of videos.'
    if video is not None:
        at = sorted({int((i + 0.5) * length / moments)
                     for i in range(moments)})
        frames = _frames_at(video, length, at)
        image = moments_image(frames, joints[:, at], scores[:, at],
                              energy[:, at], energy_limits(energy, scores))
        when = ', '.join(f'{t / fps:.1f}' if fps else str(t) for t in at)
        pictures.insert(0, Picture(
            image, f'Joints (left blue, right orange) and the energy pooled '
            f'at them at {when} {"s" if fps else "(frames)"}.'))
        people = _people(name, frames, joints[:, at], scores[:, at],
                         [t / fps if fps else t for t in at])
        pictures += _pictures_of(people, extractor)
    return Section(name, text, figure=pictures)


def _people(name, frames, joints, scores, times):
    """People of frames, by the box around their joints."""
    from ..apis.feature_maps import Person
    found = []
    for t, frame in enumerate(frames):
        for m in np.flatnonzero((scores[:, t] > 0).any(-1)):
            box = people_box(joints[m, t], scores[m, t], margin=.05)
            found.append(Person(name, float(times[t]), int(m), frame, box))
    return found


def _pictures_of(people, extractor=None):
    """The RGB branch's input of people, and maps of them."""
    from ..apis.feature_maps import look, rgb_inputs, titles, usual_feature
    pictures = []
    if people:
        pictures.append(Picture(
            detector_figure(titles(people), people, *rgb_inputs(people)),
            'What the RGB branch sees of the frame without and with a human '
            'detector.'))
    if people and extractor is not None:
        pictures.append(Picture(
            maps_figure(titles(people), dict(net=look(extractor, people)),
                        usual_feature(extractor)),
            'Feature maps of the pose net (L2 norm over the channels of each '
            'cell), the heatmaps of its joints, and the pooled features.'))
    return pictures


def explanation_section(clip: str, parts: list[tuple]) -> Section:
    """What moved the scores of a clip.

    Args:
        clip: Its name.
        parts: Of each model its name, its ``Explanation`` or why there is
            none, its class names (list[str] or None), and the length of the
            clip in s, 0 where it is not known.

    Returns:
        The figures of
        :func:`hpnet_plugin.visualization.explain.explanation_figures`.
    """
    captions = dict(
        activation='What each joint at each time gives to the logit of the '
        'predicted class, in the last map of the graph network: orange '
        'raises it, purple lowers it. In a stream of bones a joint stands '
        'for the bone that ends in it. Streams of HP-Net have classifiers of '
        'their own.',
        joints='The same, added over time and people.',
        text='Class names of HP-Net: their logits with the text as it is and '
        'as TRMM refined it by this clip, how far the text was turned, and '
        'how long psi and eta are.',
        hidden='What the logit of HP-Net loses when the pooled features of a '
        'joint are hidden.')
    texts, pictures = [], []
    for name, explanation, classes, duration in parts:
        if isinstance(explanation, str):
            texts.append(f'{name}: {explanation}')
            continue
        names = names_or_numbers(classes, len(explanation.scores))
        said = f'{name} predicts {names[int(explanation.scores.argmax())]}'
        if explanation.label >= 0:
            said += f', the label is {names[explanation.label]}'
        texts.append(f'{said}.')
        pictures += [
            Picture(figure, f'{name}. {captions[key]}')
            for key, figure in explanation_figures(
                name, explanation, classes, duration=duration).items()]
    return Section(f'{clip}: what moved the score', texts, figure=pictures)


def moments_image(frames: list[np.ndarray], joints: np.ndarray,
                  scores: np.ndarray, energy: np.ndarray, limits: tuple[float]
                  ) -> np.ndarray:
    """Frames side by side: joints above, their pooled energy below.

    Args:
        frames: T frames, (H, W, 3) uint8.
        joints: (M, T, V, 2) in pixels of the frame.
        scores: (M, T, V).
        energy: (M, T, V).
        limits: Energies of the smallest and largest dot.

    Returns:
        (H', W', 3) uint8, all frames cut to the same window around the people.
    """
    box = people_box(joints, scores)
    above, below = [], []
    for t, frame in enumerate(frames):
        image, at = zoom(frame, joints[:, t], box)
        above.append(draw_joints(image, at, scores[:, t]))
        below.append(draw_energy(image, at, scores[:, t], energy[:, t],
                                 limits))
    above, below = strip(above), strip(below)
    gap = np.full((6, *above.shape[1:]), 255, np.uint8)
    return np.concatenate([above, gap, below])


def short_names(paths: list[str]) -> list[str]:
    """The shortest tails of paths that tell them apart, without suffixes.

    Args:
        paths: Files or folders.

    Returns:
        A name each; whole paths where nothing else helps.
    """
    parts = [Path(path).with_suffix('').parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _frames_at(video, length, wanted):
    """Frames of a video by their number among the ``length`` stored ones."""
    chunks = read_frames(str(video), max_frames=length)
    stored = itertools.chain.from_iterable(frames for _, frames in chunks)
    return [frame for t, frame in enumerate(stored) if t in wanted]


def _flat(record, prefix=''):
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f'{prefix}{key}, ')
        elif value is not None:
            yield f'{prefix}{key}', value

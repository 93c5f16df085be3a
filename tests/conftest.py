"""Fixtures that all tests share, and the order of the files."""
import functools
import gc
import importlib.util
import os
import pathlib
import sys
import types

import numpy as np
import pytest

import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Files that take longest.
LONGEST = ('test_main_job.py', 'test_distributed.py', 'test_ray_pool.py',
           'test_extract.py', 'test_page.py', 'test_xclip_recognizer.py',
           'test_live.py', 'test_inferencer.py', 'test_reproduce.py',
           'test_export.py', 'test_failures.py', 'test_bill_of_materials.py',
           'test_analyze.py', 'test_lazy_imports.py', 'test_benchmark.py',
           'test_stock.py', 'test_hpnet_configs.py', 'test_detectors.py',
           'test_explain.py', 'test_pose.py', 'test_limited.py',
           'test_workers.py', 'test_doctor.py', 'test_growth.py')
IMPORTED = [0]  # modules at the last look
NO_GPU = 'no GPU here'
gc.set_threshold(20_000, 20, 20)  # young objects are looked through less often

# The process that hands out the tests reads this file as well, while all
# others wait for it: nothing here imports torch before there are tests.


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Nothing that is imported meanwhile is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items):
    """Long files begin first, so that no process waits for one at the end.

    Each file is one process's (``--dist loadfile``), and those that start
    other programs have few tests, by whose number xdist would order them.
    """
    import torch
    for item in items:
        if item.get_closest_marker('cuda') and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason=NO_GPU))
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_terminal_summary(terminalreporter):
    """How many tests a run without a GPU has not run."""
    skipped = sum(NO_GPU in str(report.longrepr) for report in
                  terminalreporter.stats.get('skipped', ()))
    if skipped:
        terminalreporter.write_line(
            f'{skipped} tests need a GPU and were skipped')


def pytest_runtest_setup():
    """What was imported is not looked through by each garbage collection.

    These are some 600,000 objects, and the toolbox collects whenever it
    builds a dataset: this was a quarter of the time of many files.
    """
    if len(sys.modules) > IMPORTED[0] + 100:
        IMPORTED[0] = len(sys.modules)
        gc.collect(1)  # not all: what was imported is there to stay
        gc.freeze()


@pytest.fixture(autouse=True)
def toolbox_as_new():
    """What a test leaves in mmengine's globals does not reach the next.

    The default scope, and loggers that write to what pytest has closed.
    """
    yield
    for module, name in (('mmengine.registry', 'DefaultScope'),
                         ('mmengine.logging', 'MMLogger')):
        if module in sys.modules:
            getattr(sys.modules[module], name)._instance_dict.clear()


@pytest.fixture(scope='session')
def root():
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope='session')
def tool():
    """Function of a name to that program of tools/, as a new module."""
    return lambda name: _module(ROOT / f'tools/{name}.py')


def _module(path):
    spec = importlib.util.spec_from_file_location(f'{path.stem}_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='session')
def result_of():
    """Makes the result of a video of people whose places are known."""
    return _result_of


def _result_of(boxes, joints, fps, classes, windows, step=2, **facts):
    """Result of boxes (P, T, 4) and joints (P, T, V, 2).

    Every ``step``-th frame was looked at; ``windows`` are the person, start
    and end in s, and the label.
    """
    from hpnet_plugin.apis.results import Prediction, VideoResult
    from hpnet_plugin.apis.timelines import timelines
    numbers, found = np.arange(0, boxes.shape[1], step), []
    for track, start, end, label in windows:
        shown = numbers[(numbers / fps >= start) & (numbers / fps < end)]
        chances = np.full(len(classes), .03 / (len(classes) - 1), np.float32)
        chances[label] = .97
        order = np.argsort(-chances, kind='stable')[:5]
        seen = np.isfinite(boxes[track, shown]).all(1)
        found.append(Prediction(
            'video.mp4', track, start, end, classes[label], label, .97,
            [(classes[i], float(chances[i])) for i in order], chances,
            np.log(chances), shown, shown / fps,
            boxes[track, shown].astype(np.float32),
            joints[track, shown].astype(np.float32),
            np.repeat(np.float32(seen)[:, None], joints.shape[2], 1), .9))
    found.sort(key=lambda p: (p.end, p.track))
    return VideoResult(**{**dict(
        source='video.mp4', status='ok' if found else 'no_person',
        predictions=found, timelines=timelines(found, classes),
        classes=tuple(classes), fps=float(fps), frames=boxes.shape[1],
        duration=boxes.shape[1] / fps, model='test'), **facts})


@pytest.fixture(scope='session')
def drawn(tmp_path_factory):
    """A folder of drawn clips, ``people``, and of their dataset, ``data``."""
    from hpnet_plugin.benchmarks.inputs import draw_dataset
    folder = tmp_path_factory.mktemp('drawn')
    draw_dataset(str(folder), 12, ('--crops', '--crop-size', '64'))
    return folder


@pytest.fixture(scope='session')
def models(drawn):
    """Function of a stream, or ``'hpnet'``, to the folder of a model.

    Nobody has trained it. What it says means nothing; that it is the same
    whichever way it is asked can be seen all the same.
    """
    from hpnet_plugin.benchmarks.inputs import untrained_model

    @functools.cache
    def model(name):
        return pathlib.Path(untrained_model(str(drawn), name, 8))

    return model


@pytest.fixture(scope='session')
def shared():
    """Folder of the real clips, weights and golden numbers.

    They are not part of the project (their terms differ): tests that need
    them run where HPNET_SHARED, or ../shared beside the repository, has them.
    """
    path = pathlib.Path(os.environ.get('HPNET_SHARED', ROOT.parent / 'shared'))
    if not (path / 'data').is_dir():
        pytest.skip(f'{path} is absent: set HPNET_SHARED to the folder with '
                    'data/ and golden/')
    return path


@pytest.fixture(scope='session')
def golden(shared):
    """The module that rebuilds the weights behind the golden numbers."""
    return _module(shared / 'golden/golden.py')


@pytest.fixture(scope='session')
def three_classes(tmp_path_factory):
    """A dataset folder, data/mine, whose features tell three classes apart.

    Each of train, val and test has four clips a class. Nobody may write into
    its ``folder``.
    """
    from hpnet_plugin.datasets.annotations import write_annotations
    from hpnet_plugin.facts import Facts, write_facts
    from hpnet_plugin.store import FeatureStore, StoreWriter
    place = tmp_path_factory.mktemp('trained')
    folder, tap, rng = place / 'data/mine', 'tap', np.random.default_rng(0)
    classes = ('fall', 'sit down', 'wave')
    splits = {split: [f'{split}{i}' for i in range(12)]
              for split in ('train', 'val', 'test')}
    labels = {name: i % 3 for names in splits.values()
              for i, name in enumerate(names)}
    with StoreWriter(folder / 'features', dict(taps={tap: 3})) as store:
        for name, label in labels.items():
            shape = 1, 10, 17
            store.add(name, {
                'keypoint': rng.uniform(20, 100, (*shape, 2)).astype('f4'),
                'keypoint_score': np.ones(shape, 'f4'),
                tap: (rng.normal(size=(*shape, 3)) + 2 * np.eye(3)[label]
                      ).astype('f2')},
                dict(img_shape=[120, 160], num_frames=20, fps=10.))
    write_annotations(FeatureStore(folder / 'features'),
                      str(folder / 'annotations.pkl'), labels, splits)
    write_facts(str(folder), Facts(
        name='mine', title='mine', folder=str(folder), classes=classes,
        people=1, frames=8, taps={tap: 3},
        splits=dict.fromkeys(splits, 12),
        use=dict(zip(splits, splits)), schedule='short'))
    return types.SimpleNamespace(folder=folder, classes=classes)


@pytest.fixture(scope='session')
def trained(three_classes):
    """A small stream that was trained on the folder of three classes.

    Its ``run`` is the work dir, in which nobody may write.
    """
    from hpnet_plugin.cli import main
    folder = three_classes.folder
    run = folder.parents[1] / 'work_dirs/hp_j_mine'
    assert main(['train', 'hp_j', '--data', str(folder), '--small', '--seed',
                 '0', '--work-dir', str(run), '--cfg-options', 'epochs=3',
                 'train_dataloader.batch_size=4',
                 'train_cfg.val_interval=1']) == 0
    return types.SimpleNamespace(
        folder=folder, run=run, classes=three_classes.classes)

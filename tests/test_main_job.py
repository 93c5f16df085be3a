"""The main job by the command line: extract, train, resume, test, fuse.

One training is begun by mim, as most users do. The rest is run by ``hpnet`` in
this process: it runs mmaction2's own scripts as well, and saves the imports.
"""
import contextlib
import io
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from hpnet_plugin import cli
from hpnet_plugin.apis import HPNetInferencer, load_trained
from hpnet_plugin.demo import people

EPOCHS = 2
DATA = 'data/drawn'


def mim(*words, cwd):
    """Run mim as a user types it; its output is the error message."""
    path = os.path.dirname(sys.executable)
    done = subprocess.run(
        ['mim', *map(str, words)], cwd=cwd, text=True, capture_output=True,
        env=dict(os.environ, PATH=f'{path}:{os.environ["PATH"]}',
                 OMP_NUM_THREADS='1'))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def hpnet(*words, cwd):
    """Run a subcommand of hpnet here; what it prints."""
    before, argv = os.getcwd(), sys.argv
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert cli.main([str(word) for word in words]) == 0
    finally:
        os.chdir(before)
        sys.argv = argv
    return printed.getvalue()


def log(folder):
    """What the newest run in a work folder wrote."""
    return max(folder.glob('*/*.log')).read_text()


@pytest.fixture(scope='module')
def work(root, tmp_path_factory):
    """A folder with a dataset of 24 clips in data/drawn."""
    work = tmp_path_factory.mktemp('job')
    source = work / 'people'
    people.make_dataset(source, clips_per_class=3, length=10)
    printed = hpnet(
        'extract', source / 'videos',
        '--labels', source / 'labels.txt', '--classes', source / 'classes.txt',
        '--splits', source / 'splits.json', '--pose',
        root / 'configs/pose/tiny_hrnet.py', '--checkpoint',
        root / 'hpnet_plugin/estimation/tiny_pose.pth', '--tap',
        'backbone.stage4.0.branches.1', '--detector',
        f'boxes:{source / "boxes.json"}', '--max-people', '1', '--crops',
        '--crop-size', '64', '--out', DATA, cwd=work)
    # the size comes first, the summary last
    assert printed.index('clips, about') < printed.index('24 of 24')
    return work


@pytest.fixture(scope='module')
def hp_j(root, work):
    """A stream whose training is begun by mim, resumed, and tested."""
    config, folder = root / 'configs/stream.py', work / 'hp_j'

    def settings(epochs):
        return ('--work-dir', folder, '--cfg-options', f'data_root={DATA}',
                'size=small', 'frames=8', f'train_cfg.max_epochs={epochs}',
                'train_cfg.val_interval=1', 'train_dataloader.batch_size=8',
                'randomness.seed=0')

    mim('train', 'mmaction2', config, *settings(EPOCHS - 1), cwd=work)
    hpnet('train', config, '--resume', *settings(EPOCHS), cwd=work)
    printed = log(folder)
    assert f'resumed epoch: {EPOCHS - 1}' in printed
    assert f'Epoch(train) [{EPOCHS - 1}]' not in printed
    hpnet('test', folder, '--dump', work / 'hp_j.pkl', cwd=work)
    return work / 'hp_j.pkl'


@pytest.fixture(scope='module')
def pose_j(work):
    """By hpnet: a stream of 2D pose."""
    hpnet('train', 'pose_j', '--data', DATA, '--small', '--work-dir',
          work / 'pose_j', '--seed', 0, '--cfg-options', 'frames=8',
          f'epochs={EPOCHS}', cwd=work)
    hpnet('test', work / 'pose_j', '--dump', work / 'pose_j.pkl', cwd=work)
    return work / 'pose_j.pkl'


def read(path):
    """A dump, by clip."""
    return {sample['frame_dir']: sample
            for sample in pickle.loads(path.read_bytes())}


@pytest.mark.slow
def test_dumps_carry_the_clips_names(work, hp_j, pose_j):
    split = json.loads((work / 'people/splits.json').read_text())['test']
    for path in (hp_j, pose_j):
        samples = read(path)
        assert sorted(samples) == sorted(split)
        scores = np.stack([s['pred_score'].numpy() for s in samples.values()])
        assert scores.shape == (len(split), 8)
        # logits, which can be added, not probabilities
        assert not np.allclose(scores.sum(1), 1)


@pytest.mark.slow
def test_the_whole_hpnet(work, pose_j):
    """Resumed, tested, saved, asked about a video, each stream fused."""
    folder = work / 'hpnet'
    for epochs, more in ((1, ()), (2, ('--resume', ))):
        hpnet('train', 'hpnet', '--data', DATA, '--small', '--work-dir',
              folder, *more, '--cfg-options', 'frames=8', f'epochs={epochs}',
              'train_cfg.val_interval=1', cwd=work)
    printed = log(folder)
    assert 'resumed epoch: 1' in printed and 'Epoch(train) [1]' not in printed
    trained = re.findall(r'acc/top1: ([0-9.]+)', printed)[-1]
    dump = work / 'hpnet.pkl'
    hpnet('test', folder, '--dump', dump, '--work-dir', work / 'test',
          cwd=work)
    assert re.findall(r'acc/top1: ([0-9.]+)', log(work / 'test')
                      )[-1] == trained
    name, sample = next(iter(read(dump).items()))
    assert {'pred_score', 'pred_score_j', 'pred_score_b', 'pred_score_jm'
            } <= set(sample)
    about = load_trained(folder).description
    assert (about.input['kind'], about.input['side']) == ('hpnet', 96)
    assert about.classes == tuple(people.CLASSES)
    assert about.extraction['crops']['size'] == 64
    assert len(about.extraction['pose']['sha256']) == 64
    assert about.windows['longest'] == pytest.approx(10 / people.FPS, abs=.01)
    # logits of the stream, probabilities of HP-Net, and all weights
    hpnet('save', folder, work / 'pose_j', '--out', work / 'saved',
          '--weights', 6, 1, cwd=work)
    saved = load_trained(work / 'saved')
    assert [m['scores'] for m in saved.description.members] == [
        'probability', 'logit']
    for member, _ in saved.members:
        member.build()
    result, = HPNetInferencer(
        str(folder), detector=f'boxes:{work / "people/boxes.json"}',
        window='clip')(str(work / 'people/videos' / f'{name}.mp4'))
    np.testing.assert_allclose(
        result.predictions[0].raw, sample['pred_score'], rtol=1e-5, atol=1e-5)
    hpnet('fuse', dump, f'{dump}#j:0.5', f'{pose_j}:0.5', '--json',
          work / 'whole.json', cwd=work)
    result = json.loads((work / 'whole.json').read_text())
    assert len(result['streams']) == 3


def test_new_videos_get_the_scores_of_a_test(work, hp_j, pose_j):
    """The same clips, as videos that nobody has extracted."""
    boxes = f'boxes:{work / "people/boxes.json"}'
    for models, dumps, weights in (
            (['hp_j'], [hp_j], [1.]),
            (['hp_j', 'pose_j'], [hp_j, pose_j], [.5, 2.])):
        samples = [read(dump) for dump in dumps]
        expected = {name: sum(
            weight * some[name]['pred_score'].numpy()
            for weight, some in zip(weights, samples)) for name in samples[0]}
        inferencer = HPNetInferencer(
            [str(work / model) for model in models], weights=weights,
            detector=boxes, window='clip')
        results = inferencer([str(work / 'people/videos' / f'{name}.mp4')
                              for name in expected])
        for result, scores in zip(results, expected.values()):
            np.testing.assert_allclose(result.predictions[0].raw, scores,
                                       rtol=1e-5, atol=1e-5)


def test_load_from_continues_from_weights(work, hp_j):
    hpnet('train', 'hp_j', '--data', DATA, '--small', '--work-dir',
          work / 'more', '--cfg-options', 'frames=8', 'epochs=1',
          f'load_from={work}/hp_j/epoch_{EPOCHS}.pth', cwd=work)
    printed = log(work / 'more')
    assert 'Load checkpoint from' in printed
    assert 'unexpected key' not in printed and 'missing key' not in printed


def test_fused(work, hp_j, pose_j):
    printed = hpnet('fuse', hp_j, f'{pose_j}:0.5', '--json',
                    work / 'fusion.json', cwd=work)
    assert 'fusion' in printed
    result = json.loads((work / 'fusion.json').read_text())
    assert len(result['streams']) == 2
    # the same by hand
    first, second = read(hp_j), read(pose_j)
    right = [
        int((sample['pred_score'] + .5 * second[name]['pred_score']).argmax())
        == int(sample['gt_label']) for name, sample in first.items()]
    assert result['fusion']['top1'] == pytest.approx(100 * np.mean(right))


def test_the_streams_scores_do_not_depend_on_the_batch(work, hp_j):
    again = work / 'again.pkl'
    hpnet('test', work / 'hp_j', '--dump', again, '--work-dir',
          work / 'again', '--cfg-options', 'test_dataloader.batch_size=1',
          cwd=work)
    first, second = read(hp_j), read(again)
    for name, sample in first.items():
        np.testing.assert_allclose(
            second[name]['pred_score'], sample['pred_score'], atol=1e-4,
            rtol=1e-4)


def test_stock_posec3d_trains_on_the_folder(work):
    hpnet('train', 'posec3d', '--data', DATA, '--small', '--work-dir',
          work / 'posec3d', '--cfg-options', 'epochs=1', cwd=work)
    assert 'Epoch(val) [1]' in log(work / 'posec3d')

"""The main job by the command line: extract, train, resume, test, fuse."""
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from hpnet_plugin.demo import people

EPOCHS = 3


def command(root, *words, cwd):
    """Run a command as a user types it; its output is the error message."""
    path = os.path.dirname(sys.executable)
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, text=True,
        capture_output=True,
        env=dict(os.environ, PATH=f'{path}:{os.environ["PATH"]}',
                 OMP_NUM_THREADS='1'))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def work(root, tmp_path_factory):
    """A folder with a dataset of 24 clips in work_dirs/demo/data."""
    work = tmp_path_factory.mktemp('job')
    source = work / 'people'
    people.make_dataset(source, clips_per_class=3, length=10)
    printed = command(
        root, 'python', root / 'tools/extract.py', source / 'videos',
        '--labels', source / 'labels.txt', '--classes', source / 'classes.txt',
        '--splits', source / 'splits.json', '--pose',
        root / 'configs/pose/tiny_hrnet.py', '--checkpoint',
        root / 'hpnet_plugin/estimation/tiny_pose.pth', '--tap',
        'backbone.stage4.0.branches.1', '--detector',
        f'boxes:{source / "boxes.json"}', '--max-people', '1', '--crops',
        '--crop-size', '64', '--out', work / 'work_dirs/demo/data', cwd=work)
    # the size comes first, the summary last
    assert printed.index('features of about') < printed.index('24 of 24')
    return work


@pytest.fixture(scope='module')
def dumps(root, work):
    """Two streams trained, one of them in two goes, and tested."""
    out = {}
    for stream in ('hpj', 'pose_j'):
        config = root / f'configs/demo/{stream}_ctrgcn_demo.py'
        folder = work / stream

        def train(epochs, *more, config=config, folder=folder):
            return command(
                root, 'mim', 'train', 'mmaction2', config, '--work-dir',
                folder, *more, '--cfg-options',
                f'train_cfg.max_epochs={epochs}', 'train_cfg.val_interval=1',
                'train_dataloader.batch_size=8', 'randomness.seed=0',
                cwd=work)

        if stream == 'hpj':
            train(EPOCHS - 1)
            printed = train(EPOCHS, '--resume')
            assert f'resumed epoch: {EPOCHS - 1}' in printed
            assert f'Epoch(train) [{EPOCHS - 1}]' not in printed
        else:
            train(EPOCHS)
        out[stream] = folder / 'dump.pkl'
        command(root, 'mim', 'test', 'mmaction2', config, '--checkpoint',
                folder / f'epoch_{EPOCHS}.pth', '--dump', out[stream],
                '--work-dir', folder / 'test', cwd=work)
    return out


def test_dumps_carry_the_clips_names(work, dumps):
    split = json.loads((work / 'people/splits.json').read_text())['test']
    for path in dumps.values():
        with open(path, 'rb') as file:
            samples = pickle.load(file)
        assert sorted(s['frame_dir'] for s in samples) == sorted(split)
        scores = np.stack([s['pred_score'].numpy() for s in samples])
        assert scores.shape == (len(split), 8)
        # logits, which can be added, not probabilities
        assert not np.allclose(scores.sum(1), 1)


def test_the_whole_hpnet(root, work, dumps):
    """Saved, resumed, tested twice, and each of its streams fused."""
    config, folder = root / 'configs/demo/hpnet_demo.py', work / 'hpnet'
    for epochs, more in ((1, ()), (2, ('--resume', ))):
        printed = command(
            root, 'mim', 'train', 'mmaction2', config, '--work-dir', folder,
            *more, '--cfg-options', f'train_cfg.max_epochs={epochs}',
            'train_cfg.val_interval=1', cwd=work)
    assert 'resumed epoch: 1' in printed
    trained = float(re.findall(r'acc/top1: ([0-9.]+)', printed)[-1])
    found = []
    for i in range(2):
        printed = command(
            root, 'mim', 'test', 'mmaction2', config, '--checkpoint',
            folder / 'epoch_2.pth', '--dump', work / f'hpnet{i}.pkl',
            '--work-dir', folder / 'test', cwd=work)
        tested = float(re.findall(r'acc/top1: ([0-9.]+)', printed)[-1])
        assert tested == trained
        with open(work / f'hpnet{i}.pkl', 'rb') as file:
            found.append(pickle.load(file))
    for key in ('pred_score', 'pred_score_j', 'pred_score_b',
                'pred_score_jm'):
        for one, other in zip(*found):
            assert one['frame_dir'] == other['frame_dir']
            np.testing.assert_array_equal(one[key], other[key])
    command(
        root, 'python', root / 'tools/fuse.py', work / 'hpnet0.pkl',
        f'{work / "hpnet0.pkl"}#j:0.5', f'{dumps["pose_j"]}:0.5', '--json',
        work / 'whole.json', cwd=work)
    result = json.loads((work / 'whole.json').read_text())
    assert len(result['streams']) == 3


def test_load_from_continues_from_weights(root, work, dumps):
    printed = command(
        root, 'mim', 'train', 'mmaction2',
        root / 'configs/demo/hpj_ctrgcn_demo.py', '--work-dir', work / 'more',
        '--cfg-options', f'load_from={work}/hpj/epoch_{EPOCHS}.pth',
        'train_cfg.max_epochs=1', cwd=work)
    assert 'Load checkpoint from' in printed
    assert 'unexpected key' not in printed and 'missing key' not in printed


def test_fused(root, work, dumps):
    printed = command(
        root, 'python', root / 'tools/fuse.py', dumps['hpj'],
        f'{dumps["pose_j"]}:0.5', '--json', work / 'fusion.json', cwd=work)
    assert 'fusion' in printed
    result = json.loads((work / 'fusion.json').read_text())
    assert len(result['streams']) == 2
    # the same by hand
    scores, labels = 0, None
    for weight, path in ((1, dumps['hpj']), (.5, dumps['pose_j'])):
        with open(path, 'rb') as file:
            samples = sorted(pickle.load(file), key=lambda s: s['frame_dir'])
        labels = np.array([int(s['gt_label']) for s in samples])
        scores = scores + weight * np.stack(
            [s['pred_score'].numpy() for s in samples])
    top1 = 100 * (scores.argmax(1) == labels).mean()
    assert result['fusion']['top1'] == pytest.approx(top1)


def test_the_streams_scores_do_not_depend_on_the_batch(root, work, dumps):
    again = work / 'again.pkl'
    command(root, 'mim', 'test', 'mmaction2',
            root / 'configs/demo/hpj_ctrgcn_demo.py', '--checkpoint',
            work / f'hpj/epoch_{EPOCHS}.pth', '--dump', again, '--work-dir',
            work / 'again', '--cfg-options', 'test_dataloader.batch_size=1',
            cwd=work)
    first, second = ({s['frame_dir']: s['pred_score'].numpy()
                      for s in pickle.loads(path.read_bytes())}
                     for path in (dumps['hpj'], again))
    for name, scores in first.items():
        np.testing.assert_allclose(second[name], scores, atol=1e-4, rtol=1e-4)


def test_stock_posec3d_trains_on_the_folder(root, work):
    data = work / 'work_dirs/demo/data'
    printed = command(
        root, 'mim', 'train', 'mmaction2',
        root / 'configs/posec3d/nw_ucla_small/posec3d_joint_slowonly_'
        'nw_ucla_small.py', '--work-dir', work / 'posec3d', '--cfg-options',
        'train_cfg.max_epochs=1',
        'model.cls_head.num_classes=8',
        f'train_dataloader.dataset.dataset.data_root={data}',
        f'val_dataloader.dataset.data_root={data}',
        f'test_dataloader.dataset.data_root={data}', cwd=work)
    assert 'Epoch(val) [1]' in printed

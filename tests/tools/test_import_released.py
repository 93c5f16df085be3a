"""The authors' files, made a dataset folder that configs train on."""
import json
import pickle

import cv2
import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.datasets.classes import read_classes
from hpnet_plugin.facts import read_facts
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.inputs import missing_inputs
from hpnet_plugin.store import FeatureStore
from hpnet_plugin.store.released import read_released

NAMES = ['S001C001P001R001A001', 'S001C001P001R001A050']


@pytest.fixture
def main(tool):
    return tool('import_released').main


def annotations(out):
    with open(out / 'annotations.pkl', 'rb') as file:
        return pickle.load(file)


def test_released_files_become_a_dataset(shared, main, tmp_path):
    (tmp_path / 'labels.txt').write_text(f'{NAMES[0]} 0\n{NAMES[1]} 49\n')
    (tmp_path / 'splits.json').write_text(
        json.dumps(dict(train=NAMES[:1], test=NAMES[1:])))
    out = tmp_path / 'data'
    assert main([
        str(shared / 'data/ntu'), '--out', str(out), '--labels',
        str(tmp_path / 'labels.txt'), '--splits',
        str(tmp_path / 'splits.json')]) == 0
    found = annotations(out)
    assert found['split'] == dict(train=NAMES[:1], test=NAMES[1:])
    first, second = found['annotations']
    assert (first['label'], second['label']) == (0, 49)
    store = FeatureStore(out / 'features')
    assert store.shape(NAMES[0], 'keypoint') == (1, 64, 17, 2)
    assert store.shape(NAMES[1], 'keypoint') == (2, 64, 17, 2)
    source = np.load(shared / f'data/ntu/{NAMES[1]}.npy')
    np.testing.assert_allclose(
        store.read(NAMES[1]), source.transpose(1, 0, 2, 3), rtol=1e-3,
        atol=1e-3)


def test_real_files_with_labels_from_their_names(
        shared, main, root, tmp_path, capsys):
    """And the shipped config takes the folder as it is."""
    out = tmp_path / 'data'
    assert main([str(shared / 'data/ntu'), '--out', str(out), '--benchmark',
                 'ntu120']) == 0
    shown = capsys.readouterr().out
    assert '63024 missing' in shown and '2 of 2 clips' in shown
    found = annotations(out)
    assert [a['label'] for a in found['annotations']] == [0, 49]
    assert found['split']['xsub_train_full'] == NAMES
    assert found['split']['xset_test'] == NAMES
    assert (out / 'classes.txt').read_text().splitlines() == \
        read_classes('ntu120')
    cfg = Config(compose('released_stream', stream='hp_b',
                         data_root=str(out)))
    dataset = cfg.train_dataloader.dataset
    assert missing_inputs(cfg, ('train', )) == []
    with DefaultScope.overwrite_default_scope('mmaction'):
        data = DATASETS.build(dict(dataset, serialize_data=False))
        x = data[1]['inputs'][0]
    source = np.load(shared / f'data/ntu/{NAMES[1]}.npy')
    source = source.astype(np.float16).transpose(1, 0, 2, 3)
    assert x.shape == source.shape
    # the nose's bone is that from the left shoulder, as released
    np.testing.assert_array_equal(x[:, :, 0], source[:, :, 0]
                                  - source[:, :, 5])


SIX = [f'S00{setup}C001P00{person}R001A00{action}'
       for setup, person, action in ((1, 1, 1), (1, 1, 2), (1, 2, 1),
                                     (2, 3, 1), (2, 3, 2), (2, 4, 1))]


@pytest.fixture
def files(tmp_path):
    """Feature files of six clips, nobody in the last, and their crops."""
    rng = np.random.RandomState(0)
    for folder in ('npy', 'jpg'):
        (tmp_path / folder).mkdir()
    for i, name in enumerate(SIX):
        features = rng.rand(64, 2, 17, 96).astype(np.float32)
        np.save(tmp_path / f'npy/{name}.npy', features * (i < 5))
        (tmp_path / 'jpg' / name).mkdir()
        for k in range((3, 9, 30, 64, 100, 0)[i]):
            image = rng.randint(0, 255, (224, 224, 3), np.uint8)
            cv2.imwrite(str(tmp_path / f'jpg/{name}/{k}.jpg'), image)
    return tmp_path


def test_hpnet_trains_on_the_authors_files(files, main, root, capsys):
    """Features of 64 frames beside images that are fewer, or more."""
    out = files / 'data'
    command = [str(files / 'npy'), '--out', str(out), '--benchmark',
               'ntu120', 'xsub', '--crops', str(files / 'jpg')]
    for _ in range(2):  # and again, onto what is there
        assert main(command) == 0
    shown = capsys.readouterr().out
    assert 'clips without a person: 1;' in shown
    assert 'clips without a person and without crops: 1;' in shown
    facts = read_facts(str(out))
    assert (facts.benchmark, facts.people, facts.frames) == ('ntu120', 2, 64)
    assert facts.taps == dict(released=96) and len(facts.classes) == 120
    assert facts.use['train'] == 'xsub_train_full'
    assert json.loads((out / 'extraction.json').read_text())['crops'] == dict(
        imported=True)
    cfg = Config(compose('released_hpnet', data_root=str(out)))
    cfg.load_from = None
    small = dict(
        embed_dim=64,
        vision_cfg=dict(layers=1, width=64, head_width=32, patch_size=32,
                        image_size=224),
        text_cfg=dict(context_length=20, width=32, heads=2, layers=1))
    cfg.model.backbone.arch = cfg.model.text.arch = small
    assert missing_inputs(cfg) == []
    with DefaultScope.overwrite_default_scope('mmaction'):
        batches = {}
        for phase in ('train', 'test'):
            data = DATASETS.build(dict(cfg[f'{phase}_dataloader'].dataset,
                                       serialize_data=False))
            batches[phase] = pseudo_collate([data[0], data[-1]])
        model = MODELS.build(cfg.model)
        losses = model.train_step(
            batches['train'], build_optim_wrapper(model, cfg.optim_wrapper))
    assert all(np.isfinite(value.item()) for value in losses.values())
    assert [s.frame_dir for s in batches['test']['data_samples']] == SIX[3:5]
    # nobody is black, not left out
    assert [s.frame_dir for s in batches['train']['data_samples']] == [
        SIX[0], SIX[5]]
    assert not batches['train']['inputs']['imgs'][1].any()
    # of the 64 images the middle ones of eight parts, as they were
    image = cv2.imread(str(files / f'jpg/{SIX[3]}/60.jpg'))[..., ::-1]
    np.testing.assert_array_equal(
        batches['test']['inputs']['imgs'][0][7],
        torch.from_numpy(image.transpose(2, 0, 1).copy()))


def test_an_incomplete_folder_of_crops(files, main, capsys):
    command = [str(files / 'npy'), '--out', str(files / 'data'),
               '--benchmark', 'ntu120', '--crops', str(files / 'jpg')]
    for path in (files / 'jpg' / SIX[1]).glob('*'):
        path.unlink()
    assert main(command) == 2
    assert f'no crops of 1 of 6 clips whose features show people ({SIX[1]})' \
        in capsys.readouterr().err
    (files / 'jpg' / SIX[2] / '7.jpg').unlink()
    assert main(command) == 2
    assert 'not number 7: was it copied' in capsys.readouterr().err


def test_poses_in_pixels(files, main, root, capsys):
    """Joints of all frames of the videos beside features of 64."""
    cfg = Config(compose('released_stream', stream='pose_j'))
    (files / 'poses').mkdir()
    rng = np.random.RandomState(1)
    poses = {name: rng.uniform(0, 1900, (20 + 50 * i, 2, 17, 2))
             for i, name in enumerate(SIX)}
    for i, (name, pose) in enumerate(poses.items()):
        pose[3] = 0  # nobody in one frame
        np.save(files / f'poses/{name}.npy', pose * (i < 5))
    for options in ([], ['--poses', str(files / 'poses')]):
        out = files / f'data{len(options)}'
        assert main([str(files / 'npy'), '--out', str(out), '--benchmark',
                     'ntu120', *options]) == 0
        dataset = dict(cfg.train_dataloader.dataset, data_root=str(out),
                       serialize_data=False)
        with DefaultScope.overwrite_default_scope('mmaction'):
            data = DATASETS.build(dataset)
            if not options:
                with pytest.raises(ValueError, match=f'{SIX[0]} shows people,'
                                   ' and its joints are unknown'):
                    data[0]
                continue
            clips = [data[i] for i in range(len(data))]
    found = {clip['data_samples'].frame_dir: clip['inputs'][0]
             for clip in clips}
    assert not found[SIX[5]].any()
    x = torch.from_numpy(poses[SIX[2]].reshape(-1, 68).T.copy())
    expected = torch.nn.functional.interpolate(
        x[None], 64, mode='linear', align_corners=False)[0].T
    np.testing.assert_allclose(
        found[SIX[2]].transpose(0, 1).reshape(64, 68), expected, atol=1e-2)
    (files / 'poses' / f'{SIX[0]}.npy').unlink()
    np.save(files / f'poses/{SIX[1]}.npy', np.zeros((9, 2, 16, 2)))
    assert main([str(files / 'npy'), '--out', str(files / 'bad'),
                 '--benchmark', 'ntu120', *options]) == 3
    shown = capsys.readouterr().out
    assert f'poses has no {SIX[0]}.npy' in shown
    assert '(2, 9, 16, 2), expected (2, 9, 17, 2)' in shown


def test_an_empty_second_slot_is_kept(tmp_path):
    """It is no copy of the first, and the net is given what was released."""
    features = np.ones((64, 2, 17, 96), np.float32)
    features[:, 1] = 0
    np.save(tmp_path / 'a.npy', features)
    arrays = read_released(tmp_path / 'a.npy')
    assert arrays['released'].shape == (2, 64, 17, 96)
    assert not arrays['keypoint_score'][1].any()


def test_a_bad_file_is_named_and_left_out(files, main, capsys):
    bad = files / 'npy' / f'{SIX[0]}.npy'
    bad.write_bytes(bad.read_bytes()[:1000])
    nan = np.full((64, 2, 17, 96), np.nan, np.float32)
    np.save(files / 'npy' / f'{SIX[1]}.npy', nan)
    out = files / 'data'
    command = [str(files / 'npy'), '--out', str(out), '--benchmark',
               'ntu120']
    assert main(command) == 3
    shown = capsys.readouterr().out
    assert f'refused: {SIX[0]}' in shown and 'not finite' in shown
    assert '4 of 6 clips' in shown
    assert set(json.loads((out / 'extraction.json').read_text())[
        'failures']) == set(SIX[:2])
    np.save(bad, np.ones((64, 2, 17, 96), np.float32))
    np.save(files / 'npy' / f'{SIX[1]}.npy', nan * 0 + 1)
    (files / 'npy' / f'{SIX[1]}.npy').unlink()
    assert main(command) == 0
    assert len(FeatureStore(out / 'features')) == 5


def test_folders_of_classes(main, tmp_path):
    """UCF101's layout; names of Smarthome end in .mp4."""
    for path in ('npy/Bowling/v_Bowling_g01_c01.npy',
                 'npy/Archery/v_Archery_g08_c01.mp4.npy'):
        path = tmp_path / path
        path.parent.mkdir(parents=True)
        np.save(path, np.ones((64, 2, 17, 96), np.float32))
    for extra, labels in (([], [0, 1]), (['--benchmark', 'ucf101'], [2, 15])):
        out = tmp_path / f'data{len(extra)}'
        assert main([str(tmp_path / 'npy'), '--out', str(out), *extra]) == 0
        found = annotations(out)
        assert [(a['frame_dir'], a['label']) for a in
                found['annotations']] == list(zip(
                    ('v_Archery_g08_c01', 'v_Bowling_g01_c01'), labels))
    assert found['split']['split1_test'] == ['v_Bowling_g01_c01']


def test_wrong_files(main, tmp_path, capsys):
    assert main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    assert 'no .npy file' in capsys.readouterr().err
    np.save(tmp_path / 'flat.npy', np.zeros(5, np.float32))
    assert main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    assert 'flat.npy' in capsys.readouterr().err
    (tmp_path / 'more').mkdir()
    np.save(tmp_path / 'more/flat.npy', np.zeros(5, np.float32))
    assert main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    assert "named after clip 'flat'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path), '--out', 'x', '--benchmark', 'ntu60',
              '--labels', 'y'])
    assert 'give either it' in capsys.readouterr().err

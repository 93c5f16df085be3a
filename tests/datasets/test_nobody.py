"""A clip in which nobody was found goes all the way to a score."""
import logging
import pathlib
import pickle

import mmaction
import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS, RUNNERS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.datasets.annotations import write_annotations
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.reading import innermost
from hpnet_plugin.runner import count_note
from hpnet_plugin.store import FeatureStore, StoreWriter

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stream(name='hp_j', net='ctrgcn'):
    return Config(compose('stream', stream=name, net=net,
                          benchmark='uav_human_csv1'))


@pytest.fixture(autouse=True)
def mmaction_scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def without_people(cfg, root, clips=1, frames=20):
    """A folder for a config of whose clips the first has nobody."""
    write_synthetic(cfg, root, clips=clips, frames=frames)
    empty = innermost(cfg.test_dataloader.dataset).split + '_0'
    labels, splits = annotations_of(root)
    (root / 'features').rename(root / 'full')
    made = FeatureStore(root / 'full')
    with StoreWriter(str(root / 'features'), made.meta) as store:
        for name in made.names:
            arrays = {key: made.read(name, key) for key in made.keys(name)}
            info = made.info(name)
            if name == empty:
                arrays = {key: np.zeros_like(array[:1])
                          for key, array in arrays.items()}
                info = dict(info, nobody=True)
            store.add(name, arrays, info)
    write_annotations(FeatureStore(root / 'features'),
                      str(root / 'annotations.pkl'), labels, splits)
    return empty


def annotations_of(root):
    with open(root / 'annotations.pkl', 'rb') as file:
        content = pickle.load(file)
    return ({clip['frame_dir']: clip['label']
             for clip in content['annotations']}, content['split'])


def test_annotation(tmp_path):
    cfg = stream()
    empty = without_people(cfg, tmp_path)
    with open(tmp_path / 'annotations.pkl', 'rb') as file:
        content = pickle.load(file)
    assert empty in content['split']['csv1_test']
    clip, = [clip for clip in content['annotations'] if clip.get('nobody')]
    assert clip['frame_dir'] == empty and clip['label'] == 1
    assert clip['keypoint'].shape == (1, 20, 17, 2)
    assert not clip['keypoint'].any() and not clip['keypoint_score'].any()


@pytest.mark.parametrize('config', [
    *((f'{kind}_{part}', 'ctrgcn') for kind in ('hp', 'pose')
      for part in ('j', 'b', 'jm', 'bm')),
    ('hp_j', 'mixformer'), 'hpnet'], ids=str)
def test_trained_and_tested(config, tmp_path):
    """No sample is refused, no value is lost, whatever stands beside it."""
    cfg = stream(*config) if config != 'hpnet' else Config(
        compose('hpnet', benchmark='nw_ucla_synthetic'))
    empty = without_people(cfg, tmp_path, clips=2)
    model = MODELS.build(cfg.model).eval()
    for phase in ('train', 'test'):
        dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
        clips = DATASETS.build(dict(
            dataset, split=cfg.test_dataloader.dataset.split,
            serialize_data=False))
        batch = pseudo_collate([clips[i] for i in range(2)])
        assert batch['data_samples'][0].frame_dir == empty
        if phase == 'train':
            inputs = model.data_preprocessor(batch, training=True)
            losses = model(**inputs, mode='loss')
            assert all(np.isfinite(value.detach()).all()
                       for value in losses.values()), losses
    with torch.no_grad():
        results = model.test_step(batch)
    for result in results:
        assert np.isfinite(result.pred_score).all()


STOCK = pathlib.Path(mmaction.__file__).parent / '.mim/configs/skeleton'


@pytest.mark.parametrize('path', [
    STOCK / 'stgcnpp/stgcnpp_8xb16-joint-u100-80e_'
    'ntu60-xsub-keypoint-2d.py',
    STOCK / 'stgcnpp/stgcnpp_8xb16-bone-motion-u100-80e_'
    'ntu60-xsub-keypoint-2d.py',
    STOCK / 'posec3d/slowonly_r50_8xb16-u48-240e_ntu60-xsub-keypoint.py',
    STOCK / 'posec3d/slowonly_r50_8xb16-u48-240e_ntu60-xsub-limb.py',
    'joint', 'limb', 'heatmap',
], ids=lambda path: getattr(path, 'stem', path))
def test_stock_pipelines(path, tmp_path):
    """What the toolbox makes of zeros is a number."""
    cfg = Config(compose('posec3d', volumes=path)) \
        if isinstance(path, str) else Config.fromfile(path)
    empty = folder_for(cfg, tmp_path)
    for phase in ('train', 'val', 'test'):
        dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
        assert dataset.type == 'PoseDataset'
        sample = DATASETS.build(dict(
            dataset, ann_file='annotations.pkl', split=empty[:-2],
            serialize_data=False))[0]
        assert torch.isfinite(sample['inputs'].float()).all()


def folder_for(cfg, root):
    """The empty clip comes first in its split."""
    for phase in ('train', 'val', 'test'):
        innermost(cfg[f'{phase}_dataloader'].dataset).ann_file = \
            'annotations.pkl'
    return without_people(cfg, root)


def test_both_counts(tmp_path, caplog, monkeypatch):
    """mim test ends with the number of clips, its own and the published."""
    cfg = Config.fromfile(ROOT / 'configs/streams/uav_human_csv1/hp_j_ctrgcn_'
                          'uav_human_csv1.py')
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.in_channels = 16
    without_people(cfg, tmp_path / 'uav_human', clips=2, frames=4)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    # it is formatted for the log, several times, which takes ten seconds
    monkeypatch.setattr(Config, 'pretty_text', '')
    runner = RUNNERS.build(cfg)
    runner.logger.addHandler(caplog.handler)
    metrics = runner.test()
    assert 'acc/top1' in metrics
    record = caplog.records[-1]
    assert record.levelno == logging.WARNING
    for text in ('uav_human csv1_test: tested on 2 clips, but the published '
                 'test split has 6,184: the accuracy cannot be compared with '
                 'published ones', 'in 1 of them nobody was found',
                 'extraction.json names the clips that failed'):
        assert text in record.getMessage()


def test_counts_that_agree():
    dataset = dict(data_root='data/nw_ucla', split='xview_test')
    text, as_published = count_note(dataset, 464, 1)
    assert as_published and text == (
        'data/nw_ucla xview_test: tested on 464 clips, all 464 of the '
        'published test split; in 1 of them nobody was found, their features '
        'are zero')
    text, as_published = count_note(dict(split='test'), 3)
    assert as_published and text == 'test: tested on 3 clips'

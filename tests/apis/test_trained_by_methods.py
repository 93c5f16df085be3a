"""A stream trained by methods: tested, resumed, asked and exported."""
import shutil

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from hpnet_plugin.apis import load_trained
from hpnet_plugin.apis.checkpoints import read_checkpoint
from hpnet_plugin.apis.description import ModelDescription
from hpnet_plugin.apis.export import export_trained
from hpnet_plugin.apis.inputs import ClipInput, model_inputs
from hpnet_plugin.apis.onnx_scorer import OnnxScorer
from hpnet_plugin.apis.scorers import TorchScorer
from hpnet_plugin.cli import main
from hpnet_plugin.store import FeatureStore

METHODS = ('crop+flip+mixup+drop_joints+drop_frames+smooth+dropout+views=2'
           '+mirror+decay+ema=0.3+drop_path+exchange+style+offset+channels'
           '+same_class+centre+cutmix+gate+whiten=2'
           '+masked=2')


@pytest.fixture(scope='module')
def run(three_classes, tmp_path_factory):
    """Two epochs, and the same two of which the second was resumed."""
    place = tmp_path_factory.mktemp('methods')

    def train(folder, *more):
        assert main([
            'train', 'hp+pose_jm', '--data', str(three_classes.folder),
            '--small', '--seed', '0', '--work-dir', str(place / folder),
            *more, '--cfg-options', f'methods={METHODS}', 'epochs=2',
            'train_dataloader.batch_size=12', 'train_cfg.val_interval=9',
            'optim_wrapper.optimizer.lr=0.001']) == 0

    train('whole')
    shutil.copytree(place / 'whole', place / 'half')
    (place / 'half/epoch_2.pth').unlink()
    train('half', '--resume', str(place / 'half/epoch_1.pth'))
    return place


def weights(path, key='state_dict'):
    return read_checkpoint(path)[key]


def test_resumed_as_if_it_had_not_been_stopped(run):
    whole, half = (weights(run / name / 'epoch_2.pth')
                   for name in ('whole', 'half'))
    for key, value in whole.items():
        assert torch.equal(value, half[key]), key
    assert (weights(run / 'whole/epoch_1.pth')['backbone.front.1.components']
            == half['backbone.front.1.components']).all()


def test_the_average_is_what_is_saved(run):
    """0.7 of the average and 0.3 of the newest weights in each step."""
    saved = weights(run / 'whole/epoch_2.pth')
    newest = weights(run / 'whole/epoch_2.pth', 'ema_state_dict')
    assert int(newest['steps']) == 2
    key = 'backbone.l1.gcn1.convs.0.conv1.weight'
    assert (saved[key] != newest[f'module.{key}']).any()
    model = load_trained(str(run / 'whole')).build()
    assert torch.equal(model.state_dict()[key], saved[key])


def test_asked_and_exported(run, three_classes, tmp_path):
    """By mmaction's pipeline and head, by torch in memory, and by ONNX."""
    trained = load_trained(str(run / 'whole'))
    about = trained.description
    assert about.input == dict(
        kind='graph', key='pooled_feat', taps=['tap'], stream='jm',
        layout='coco', frames=8, people=1, normalize=True, views=2,
        share=.75, mirror=True, sampling='resize', pose=True,
        centre='channel')
    assert ModelDescription.from_json(about.to_json()) == about
    config, store = about.config, FeatureStore(
        three_classes.folder / 'features')
    with DefaultScope.overwrite_default_scope('mmaction'):
        data = DATASETS.build(dict(config['test_dataloader']['dataset'],
                                   serialize_data=False))
        clips = [data[i] for i in range(4)]
        names = [clip['data_samples'].frame_dir for clip in clips]
        inputs = torch.cat([clip['inputs'] for clip in clips]).numpy()
        with torch.no_grad():
            samples = trained.build().test_step(pseudo_collate(clips))
    expected = np.stack([sample.pred_score for sample in samples])
    asked = [ClipInput({key: store.read(name, key) for key in (
        'keypoint', 'keypoint_score', 'tap')}, (120, 160), name=name)
        for name in names]
    np.testing.assert_array_equal(
        model_inputs(asked, about.input)['features'],
        inputs.astype(np.float32))
    size = np.abs(expected).max()
    np.testing.assert_allclose(TorchScorer(trained)(asked), expected,
                               atol=1e-5 * size)
    export_trained(trained, str(tmp_path / 'out'))
    np.testing.assert_allclose(OnnxScorer(tmp_path / 'out')(asked), expected,
                               atol=1e-4 * size)


def test_segments_and_pixels_as_the_pipeline_has_them(three_classes):
    from hpnet_plugin.apis.describing import model_input
    from hpnet_plugin.recipes import compose
    store = FeatureStore(three_classes.folder / 'features')
    config = compose('stream', stream='pose_b', normalize=False,
                     data_root=str(three_classes.folder),
                     methods='segments+views=3+mirror')
    with DefaultScope.overwrite_default_scope('mmaction'):
        clip = DATASETS.build(dict(config['test_dataloader']['dataset'],
                                   serialize_data=False))[0]
    name = clip['data_samples'].frame_dir
    found = model_inputs([ClipInput(
        {key: store.read(name, key) for key in (
            'keypoint', 'keypoint_score')}, (120, 160))],
        model_input(config))['features']
    assert found.shape[0] == 6
    np.testing.assert_array_equal(found, clip['inputs'].numpy())

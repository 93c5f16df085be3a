"""The numpy inputs of a model are those of its test pipeline, to the bit."""
import json
import subprocess
import sys

import numpy as np
import pytest
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.describing import model_input
from hpnet_plugin.apis.inputs import (
    ClipInput,
    InputError,
    input_needs,
    model_inputs,
)
from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.datasets.crops import Crops
from hpnet_plugin.recipes import compose
from hpnet_plugin.store import FeatureStore

TAPS = ('backbone.stage4.0.branches.1', 'backbone.stage4.2.relu')


def written(folder, recipe, **settings):
    """A config and its dataset folder of noise, 20 frames a clip."""
    config = compose(recipe, benchmark='ntu120', frames=16, **settings)
    return write_synthetic(Config(config), str(folder), clips=3, frames=20)


def by_pipeline(config):
    """Inputs of the test clips, as the runner's model gets them, on a CPU."""
    dataset = DATASETS.build(config.test_dataloader.dataset)
    with DefaultScope.overwrite_default_scope('mmaction'):
        prepare = MODELS.build(config.model.data_preprocessor)
    data = prepare(pseudo_collate([dataset[i] for i in range(len(dataset))]))
    inputs = data['inputs']
    if not isinstance(inputs, dict):
        inputs = dict(features=inputs)
    else:
        inputs = dict(features=inputs['pooled_feat'], imgs=inputs['imgs'])
    names = [sample.frame_dir for sample in data['data_samples']]
    return names, {key: value.numpy() for key, value in inputs.items()}


def clip_of(folder, name):
    store = FeatureStore(f'{folder}/features')
    arrays = {key: store.read(name, key)
              for key in (*store.taps, 'keypoint', 'keypoint_score')}
    crops = f'{folder}/crops'
    return ClipInput(arrays, tuple(store.info(name)['img_shape']),
                     Crops.of(crops, name) if (folder / 'crops').is_dir()
                     else None, name)


@pytest.fixture
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.mark.parametrize('part', ['j', 'b', 'jm', 'bm'])
@pytest.mark.parametrize('kind, more', [
    ('hp', {}), ('hp', dict(tap=list(TAPS))), ('pose', {}),
    ('pose', dict(normalize=False))])
def test_streams(tmp_path, scope, kind, part, more):
    config = written(tmp_path, 'stream', stream=f'{kind}_{part}', **more)
    names, expected = by_pipeline(config)
    spec = json.loads(json.dumps(model_input(config)))
    assert spec['stream'] == part
    found = model_inputs([clip_of(tmp_path, name) for name in names], spec)
    np.testing.assert_array_equal(found['features'],
                                  expected['features'][:, 0])
    assert found['features'].dtype == np.float32
    assert input_needs(spec) == {'keypoint' if kind == 'pose'
                                 else 'features'}


@pytest.mark.parametrize('people', [1, 2])
def test_hpnet(tmp_path, scope, people):
    config = written(tmp_path, 'hpnet', people=people, size='small')
    names, expected = by_pipeline(config)
    spec = json.loads(json.dumps(model_input(config)))
    found = model_inputs([clip_of(tmp_path, name) for name in names], spec)
    np.testing.assert_array_equal(found['features'],
                                  expected['features'][:, 0])
    np.testing.assert_array_equal(found['imgs'], expected['imgs'])
    assert found['imgs'].shape[1:] == (8, 3, 96, 96)
    assert input_needs(spec) == {'features', 'crops'}


SPEC = dict(kind='graph', key='pooled_feat', taps=['conv'], stream='j',
            layout='coco', frames=4, people=2, normalize=False)


def clip(people=1, frames=6, tap='conv'):
    rng = np.random.default_rng(0)
    return ClipInput(
        {tap: rng.random((people, frames, 17, 3)).astype(np.float16)},
        (10, 10), None, 'waving')


def test_what_is_lacking():
    with pytest.raises(InputError, match=r"waving has \['other'\].*'conv'"):
        model_inputs([clip(tap='other')], SPEC)
    with pytest.raises(InputError, match='waving.*crops'):
        model_inputs([clip()], dict(SPEC, kind='hpnet', crops=8, side=96,
                                    mean=None, std=None))
    for empty in (clip(people=0), clip(frames=0)):
        with pytest.raises(InputError, match=r'waving: \(people, frames\)'):
            model_inputs([empty], SPEC)
    with pytest.raises(ValueError, match='heatmaps'):
        model_inputs([clip()], dict(SPEC, kind='heatmaps'))


def test_without_torch(tmp_path):
    """The same numbers where torch is not installed, halves included."""
    np.save(tmp_path / 'clip.npy', clip().arrays['conv'])
    code = f"""
import sys
for name in ('torch', 'mmaction', 'mmengine', 'mmcv', 'cv2'):
    sys.modules[name] = None
import numpy as np
from hpnet_plugin.apis.inputs import model_inputs
from hpnet_plugin.apis.inputs import ClipInput
clip = ClipInput(dict(conv=np.load({str(tmp_path / 'clip.npy')!r})), (9, 9))
for part in ('j', 'b', 'jm', 'bm'):
    found = model_inputs([clip], dict({SPEC!r}, stream=part))
    np.save({str(tmp_path)!r} + f'/{{part}}.npy', found['features'])
"""
    subprocess.run([sys.executable, '-c', code], check=True)
    for part in ('j', 'b', 'jm', 'bm'):
        np.testing.assert_array_equal(
            np.load(tmp_path / f'{part}.npy'),
            model_inputs([clip()], dict(SPEC, stream=part))['features'])

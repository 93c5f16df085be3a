"""Exported models give torch's scores, where there is no torch as well."""
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch import nn

from hpnet_plugin.apis import Member, Trained, save_pretrained
from hpnet_plugin.apis.describing import describe
from hpnet_plugin.apis.description import read_description
from hpnet_plugin.apis.estimators import build_estimators
from hpnet_plugin.apis.export import export_scores, export_trained
from hpnet_plugin.apis.onnx_scorer import OnnxScorer, is_exported
from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.cli import main
from hpnet_plugin.onnx_export import ExportError, difference, to_onnx
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.nets import NETS, graph_net
from hpnet_plugin.store import FeatureStore

TOWERS = dict(
    embed_dim=64,
    vision_cfg=dict(
        layers=1, width=64, head_width=32, patch_size=32, image_size=96),
    text_cfg=dict(context_length=20, width=32, heads=2, layers=1))
TAP = 'backbone.stage4.0.branches.1'
# packages that who runs an exported model need not have
ABSENT = ('torch', 'torchvision', 'mmaction', 'mmengine', 'mmcv', 'mmpose',
          'mmdet', 'open_clip', 'onnx')
ALONE = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None
import numpy as np
"""


def made(recipe, folder, **settings):
    """A model of random weights, and a folder of noise that it fits."""
    torch.manual_seed(0)
    composed = compose(recipe, benchmark='nw_ucla', people=2, frames=16,
                       size='small', **settings)
    config = write_synthetic(Config(composed), str(folder), 4, 20)
    if recipe == 'hpnet':
        config.model.text.arch = config.model.backbone.arch = TOWERS
        # the quickest to export; CTR-GCN is looked at as a stream
        net, width = graph_net('stgcn', 96, 2, 'small')
        config.model.topology.pop('model')
        config.model.topology.update(model=net, feat_channels=width)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    # graph branches start at next to nothing, and the norms' statistics
    # would be those of no data
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.affine:
                module.weight.data.uniform_(.5, 1)
            module.momentum = None
        if isinstance(getattr(module, 'alpha', None), nn.Parameter):
            module.alpha.data.fill_(.5)
    with torch.no_grad():
        for net in model.topology.models if recipe == 'hpnet' else [
                model.backbone]:
            channels = config.model.backbone.get('in_channels', 96)
            net.train()(torch.randn(8, 2, 16, 17, channels))
    if recipe == 'hpnet':
        for value in model.cls_head.fusion.parameters():
            value.data.normal_(0, .05)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    about = describe(config.to_dict(), str(settings.get('stream', recipe)))
    return Trained(about, str(folder), 'random', lambda: state), config


def test_scores(trained, config):
    """By mmaction's own pipeline, loader and head: (N, K)."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        clips = list(DATASETS.build(config.test_dataloader.dataset))
        with torch.no_grad():
            samples = trained.build().test_step(pseudo_collate(clips))
    return np.stack([sample.pred_score for sample in samples])


test_scores.__test__ = False


def save_clips(folder, file):
    """The test clips of a folder as plain arrays."""
    from hpnet_plugin.datasets.crops import Crops
    store, arrays = FeatureStore(f'{folder}/features'), {}
    names = [name for name in store.names if 'test' in name]
    for name in names:
        for key in (*store.taps, 'keypoint'):
            arrays[f'{name}|{key}'] = store.read(name, key)
        if os.path.isdir(f'{folder}/crops'):
            crops = Crops.of(f'{folder}/crops', name)
            arrays[f'{name}|crops'] = np.stack(
                crops.read(np.arange(crops.frames)))
    np.savez(file, names=names, **arrays)


SCORE = ALONE + """
from hpnet_plugin.apis.onnx_scorer import OnnxScorer
from hpnet_plugin.apis.inputs import ClipInput

class Crops:
    def __init__(self, images):
        self.images, self.frames = images, len(images)
    def read(self, frames):
        return [self.images[i] for i in frames]

def clips(file):
    file = np.load(file)
    for name in file['names']:
        arrays = {key.partition('|')[2]: file[key] for key in file.files
                  if key.startswith(name + '|')}
        crops = arrays.pop('crops', None)
        yield ClipInput(arrays, (120, 160),
                        None if crops is None else Crops(crops), str(name))

for model, file in zip(sys.argv[1::2], sys.argv[2::2]):
    np.save(model + '.npy', OnnxScorer(model, batch=3)(list(clips(file))))
"""


def test_without_torch(tmp_path):
    """A stream, HP-Net and a fusion of both, and a file alone."""
    stream, config = made('stream', tmp_path / 'noise', stream='pose_bm',
                          net='stgcnpp')
    other, more = made('hpnet', tmp_path / 'crops')
    scores = test_scores(stream, config), test_scores(other, more)
    assert np.ptp(scores[0], 0).max() > 1e-3  # clips do differ
    fused = save_pretrained(
        [stream, other], tmp_path / 'both',
        [Member('pose', 2., 'logit'), Member('hpnet', 3., 'probability')])
    parts = export_trained(fused, str(tmp_path / 'fusion'))
    assert [part.file for part in parts] == ['pose/model.onnx',
                                             'hpnet/model.onnx']
    assert all(part.difference < 1e-5 for part in parts)
    assert is_exported(tmp_path / 'fusion')
    assert not is_exported(tmp_path / 'both')
    clips = tmp_path / 'clips.npz'
    save_clips(tmp_path / 'crops', clips)
    save_clips(tmp_path / 'noise', tmp_path / 'plain.npz')
    folder = tmp_path / 'fusion'
    words = [str(word) for word in (
        folder / 'pose/model.onnx', tmp_path / 'plain.npz',
        folder / 'hpnet', clips, folder, clips)]
    done = subprocess.run([sys.executable, '-c', SCORE, *words],
                          capture_output=True, text=True)
    assert not done.returncode, done.stderr
    found = [np.load(f'{path}.npy') for path in words[::2]]
    for one, expected in zip(found, scores):
        np.testing.assert_allclose(one, expected, atol=1e-5)
    more.test_dataloader.dataset.pipeline = [
        dict(step) for step in config.test_dataloader.dataset.pipeline]
    probabilities = torch.from_numpy(scores[1]).softmax(-1).numpy()
    config.test_dataloader.dataset.data_root = str(tmp_path / 'crops')
    np.testing.assert_allclose(
        found[2], 2 * test_scores(stream, config) + 3 * probabilities,
        atol=1e-5)
    check_int8(other)


def check_int8(trained):
    """Weights of the video tower alone, and scores that are hardly others."""
    graph, worst = export_scores(trained, int8=True)
    assert 1e-6 < worst < .1
    nodes = onnx.load_from_string(graph).graph.node
    quantized = [node.name for node in nodes
                 if node.op_type == 'MatMulInteger']
    assert all(name.startswith('/backbone/') for name in quantized)
    # five of a block that computes no patches, three of its messages, the
    # projection, four of the integration
    assert len(quantized) == 5 + 3 + 1 + 4
    facts = onnxruntime.InferenceSession(
        graph).get_modelmeta().custom_metadata_map
    assert facts['weights'] == '"int8"'
    assert json.loads(facts['difference']) == worst


# ST-GCN and ST-GCN++ are looked at elsewhere, MixFormer in the last
@pytest.mark.parametrize('net', [
    *sorted({*NETS} - {'stgcn', 'stgcnpp', 'mixformer'}), 'linear',
    'mixformer+linear'])
def test_free_clips_and_frames(tmp_path, net):
    """Of every graph network, at sizes that the export did not look at."""
    both = '+' in net
    trained, _ = made('stream', tmp_path,
                      stream='hp+pose_j' if both else 'hp_j', net=net)
    graph, worst = export_scores(trained)
    assert worst < 1e-5
    session = onnxruntime.InferenceSession(graph)
    model = trained.build()
    x = torch.randn(1, 2, 11, 17, 99 if both else 96)
    with torch.no_grad():
        expected = model.cls_head(model.backbone(x))
    found, = session.run(None, {'features': x.numpy()})
    assert difference([found], [expected.numpy()]) < 1e-5


def test_what_the_file_says(tmp_path):
    trained, _ = made('stream', tmp_path / 'noise', stream='hp_jm',
                      net='stgcn')
    export_trained(trained, str(tmp_path / 'out'))
    file = tmp_path / 'out/model.onnx'
    facts = onnxruntime.InferenceSession(
        str(file)).get_modelmeta().custom_metadata_map
    about = trained.description
    assert json.loads(facts['classes']) == list(about.classes)
    assert json.loads(facts['input']) == about.input
    assert json.loads(facts['input'])['people'] == 2
    assert json.loads(facts['windows']) == about.windows
    assert json.loads(facts['reads']) == {
        'features': "float32 ('clips', 2, 'frames', 17, 96)"}
    for path in (file, tmp_path / 'out'):
        scorer = OnnxScorer(path)
        assert scorer.description.classes == about.classes
        assert scorer.needs == {'features'}
    # usual weights in a fusion are found by it
    assert scorer.description.config['stream'] == 'hp_jm'
    # neither the file nor its description names this machine
    for path in (tmp_path / 'out').iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
    with pytest.raises(ExportError, match='hp_jm: int8 .* has none'):
        export_trained(trained, str(tmp_path / 'int8'), int8=True)
    with pytest.raises(FileExistsError, match='not empty'):
        export_trained(trained, str(tmp_path / 'out'))
    with pytest.raises(FileNotFoundError, match='hpnet export'):
        OnnxScorer(tmp_path / 'out/other.onnx')


@MODELS.register_module()
class CountingFrames(nn.Module):
    """A net whose scores a traced graph must get wrong for other frames."""

    def __init__(self, in_channels, num_person):
        super().__init__()
        self.input_shape = num_person, 17, in_channels
        self.linear = nn.Linear(in_channels, 128)

    def forward(self, x):
        return (self.linear(x) * len(x[0, 0])).permute(0, 1, 4, 2, 3)


def test_what_differs_is_refused(tmp_path, capsys):
    """Exit status 1, and nothing is left behind."""
    trained, config = made('stream', tmp_path / 'noise', stream='hp_j')
    config.model.backbone = dict(type='CountingFrames', in_channels=96,
                                 num_person=2)
    with DefaultScope.overwrite_default_scope('mmaction'):
        state = MODELS.build(config.model).state_dict()
    wrong = Trained(describe(config.to_dict(), 'counting'), '', 'random',
                    lambda: state)
    with pytest.raises(ExportError, match='3 clips of 21 frames.*16, differ'):
        export_scores(wrong)
    save_pretrained(wrong, tmp_path / 'saved')
    before = sorted(tmp_path.iterdir())
    words = ['export', str(tmp_path / 'saved'), '--out',
             str(tmp_path / 'out')]
    assert main(words) == 1
    assert 'counting: with 3 clips' in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
    assert main(['export', str(tmp_path / 'nothing'), *words[2:]]) == 2
    assert 'no such file' in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_exported(tmp_path):
    config = compose('posec3d', benchmark='nw_ucla', size='small')
    trained = Trained(describe(config, 'posec3d'), '', None, dict)
    with pytest.raises(ExportError, match='hp_.*HP-Net can be exported'):
        export_scores(trained)


class Detector(nn.Module):
    """One person, of any image."""

    def forward(self, images):
        return images.mean() * 0 + torch.tensor([[[1., 2., 30., 40., .9]]])


def test_command(tmp_path, capsys):
    """With the pose net of the features, by name, and a detector."""
    trained, _ = made('stream', tmp_path / 'noise', stream='hp_j', tap=TAP,
                      net='stgcn')
    about = trained.description
    about.extraction.update(pose=dict(zoo='tiny', norm='eval'), region=3,
                            grid='corners', aspect='frame')
    save_pretrained(trained, tmp_path / 'saved')
    out, file = tmp_path / 'out', tmp_path / 'mine.onnx'
    file.write_bytes(to_onnx(Detector().eval(), [torch.zeros(1, 3, 64, 64)],
                             dict(images={}), dict(dets={})))
    assert main(['export', str(tmp_path / 'saved'), '--out', str(out),
                 '--detector', f'yolox:{file}']) == 0
    said = capsys.readouterr().out
    assert '2 people a clip (fixed); trained with 16 frames' in said
    assert said.count('differs from PyTorch by') == 2
    made_of = json.loads((out / 'hpnet.json').read_text())['extraction']
    assert made_of['taps'] == {TAP: 32} and made_of['grid'] == 'corners'
    assert made_of['pose']['zoo'] == 'tiny' and made_of['region'] == 3
    assert made_of['detector']['name'] == 'mine'
    assert {path.name for path in out.iterdir()} == {
        'hpnet.json', 'model.onnx', 'pose.onnx', 'detector_yolox.onnx'}
    assert (out / 'detector_yolox.onnx').read_bytes() == file.read_bytes()
    # the inferencer looks with these eyes
    built = build_estimators(read_description(out), [TAP],
                             exported=str(out / 'pose.onnx'))
    assert built.source.path == str(out / 'detector_yolox.onnx')
    assert built.extractor.taps == {TAP: 32}
    # a pose net of other weights is another net
    about.extraction['pose']['sha256'] = '0' * 64
    save_pretrained(trained, tmp_path / 'saved')
    assert main(['export', str(tmp_path / 'saved'), '--out',
                 str(tmp_path / 'other')]) == 2
    assert 'another pose net' in capsys.readouterr().err
    about.extraction['pose'] = dict(onnx='mine.onnx')
    save_pretrained(trained, tmp_path / 'saved')
    assert main(['export', str(tmp_path / 'saved'), '--out',
                 str(tmp_path / 'other')]) == 2
    assert 'with the pose net mine.onnx' in capsys.readouterr().err
    assert not (tmp_path / 'other').exists()

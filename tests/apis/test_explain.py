"""What moved a score: parts that add up, and the commands that show them."""
import json

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope, init_default_scope
from torch import nn

from hpnet_plugin import cli
from hpnet_plugin.apis.embedding import load_model, read_config
from hpnet_plugin.apis.explain import (
    UnexplainedError,
    explain,
    hidden_joints,
    stream_parts,
)
from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose
from hpnet_plugin.visualization.joints import JOINTS

CLIP = 'test_1'
CLOSE = dict(rtol=1e-5, atol=1e-4)
NARROW = {'model.backbone.base_channels': 8,
          'model.cls_head.in_channels': 32}


def shaken(model):
    """Weights with which TRMM, which starts at zero, does something."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if 'fusion' in name:
                value += .1 * torch.randn_like(value)
    return model


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Work dirs of a bone stream of two people, HP-Net, and PoseC3D."""
    folder = tmp_path_factory.mktemp('runs')
    for name, settings, options in (
            ('hp_b', dict(stream='hp_b', people=2), NARROW),
            ('hpnet', {}, {'model.topology.model.base_channels': 8}),
            ('posec3d', {}, {})):
        recipe = 'stream' if name == 'hp_b' else name
        config = Config(compose(recipe, benchmark='nw_ucla_synthetic',
                                **settings))
        config.merge_from_dict(options)
        config.load_from = None
        write_synthetic(config, str(folder / 'data' / name), clips=2,
                        frames=12)
        init_default_scope('mmaction')
        model = shaken(MODELS.build(config.model))
        (folder / name).mkdir()
        config.dump(folder / name / f'{name}.py')
        torch.save(dict(state_dict=model.state_dict()),
                   folder / name / 'epoch_1.pth')
        (folder / name / 'last_checkpoint').write_text('epoch_1.pth')
    DefaultScope._instance_dict.clear()
    return folder


def opened(runs, name):
    """Dataset, model, and what the toolbox's own test says of the clip."""
    config = read_config(runs / name / f'{name}.py')
    model = load_model(config, str(runs / name / 'epoch_1.pth'))
    dataset = DATASETS.build(config.test_dataloader.dataset)
    sample, = (sample for sample in map(dataset.__getitem__, range(2))
               if sample['data_samples'].frame_dir == CLIP)
    with torch.no_grad():
        tested, = model.test_step(pseudo_collate([sample]))
    return config.test_dataloader.dataset, model, sample, tested


def test_parts_of_views_add_up():
    torch.manual_seed(0)
    linear, feats = nn.Linear(6, 4), torch.randn(3, 2, 6, 5, 17)
    with torch.no_grad():
        wanted = linear(feats.mean((1, 3, 4))).mean(0).numpy()
        parts = stream_parts(feats, linear)
    assert parts.cells.shape == (4, 2, 5, 17)
    np.testing.assert_allclose(parts.logits, wanted, atol=1e-6)
    np.testing.assert_allclose(parts.cells.sum((1, 2, 3)) + parts.bias,
                               wanted, atol=1e-6)
    # one cell by hand
    cell = linear.weight[3] @ feats[:, 1, :, 2, 16].mean(0) / (2 * 5 * 17)
    assert parts.cells[3, 1, 2, 16] == pytest.approx(cell.item(), abs=1e-7)


def test_stream(runs):
    dataset, model, _, tested = opened(runs, 'hp_b')
    found, = explain(model, dataset, [CLIP])
    assert found.clip == CLIP and found.label == int(tested.gt_label)
    np.testing.assert_allclose(found.scores, tested.pred_score, **CLOSE)
    parts = found.streams['']
    assert parts.cells.shape == (10, 2, 8, 17)  # of 32 frames a quarter
    np.testing.assert_allclose(
        parts.cells.sum((1, 2, 3)), tested.pred_score - parts.bias,
        rtol=1e-5, atol=1e-4)
    assert found.text is None
    # a clip of another split, and one that is not there
    other, = explain(model, dataset, ['train_0'])
    assert other.clip == 'train_0'
    with pytest.raises(KeyError, match="no clip 'none'"):
        next(explain(model, dataset, ['none']))


def test_hpnet(runs):
    dataset, model, sample, tested = opened(runs, 'hpnet')
    found, = explain(model, dataset, [CLIP])
    np.testing.assert_allclose(found.scores, tested.pred_score, **CLOSE)
    assert list(found.streams) == ['j', 'b', 'jm']
    for name, parts in found.streams.items():
        np.testing.assert_allclose(
            parts.cells.sum((1, 2, 3)) + parts.bias,
            tested.get(f'pred_score_{name}'), **CLOSE)
    text = found.text
    np.testing.assert_allclose(text.after, tested.pred_score, **CLOSE)

    inputs = model.data_preprocessor(pseudo_collate([sample]))['inputs']
    with torch.no_grad():
        (video, words, pooled), _ = model.extract_feat(inputs)
        head = model.cls_head
        refined = head.fusion(words, pooled)[0]
        psi = head.fusion.psi(words, pooled.concat)[0]
        # psi and eta are what is added, in their own lengths
        np.testing.assert_allclose(text.psi, psi.norm(dim=1), rtol=1e-4)
        np.testing.assert_allclose(
            text.eta, (refined - words - psi).norm(dim=1), rtol=1e-3)
        np.testing.assert_allclose(
            text.cosine, torch.cosine_similarity(refined, words), **CLOSE)
        # without the refinement: what the head says without a fusion
        fusion, head.fusion = head.fusion, None
        plain = head((video, words, pooled)).fused[0]
        head.fusion = fusion
        np.testing.assert_allclose(text.before, plain, **CLOSE)
        assert np.abs(text.after - text.before).max() > .1

        # hidden: the whole model on such a clip
        clips = hidden_joints(inputs['pooled_feat'][:, 0])
        joint = JOINTS.index('right wrist')
        for at, wanted in ((joint, text.hidden[joint]), (-1, text.baseline)):
            inputs['pooled_feat'] = clips[at][None, None]
            scores = model.cls_head(model.extract_feat(inputs)[0]).fused[0]
            np.testing.assert_allclose(wanted, scores, **CLOSE)
        np.testing.assert_allclose(text.moved[joint],
                                   text.after - text.hidden[joint])


def test_a_hidden_joint_has_the_mean_of_its_person():
    clip = torch.rand(1, 2, 5, 17, 3)
    clips = hidden_joints(clip)
    assert clips.shape == (18, 2, 5, 17, 3)
    mean = clip[0].mean((1, 2))
    for v in (0, 16):
        assert torch.equal(clips[v, :, :, v], mean[:, None].expand(2, 5, 3))
        rest = [u for u in range(17) if u != v]
        assert torch.equal(clips[v][:, :, rest], clip[0][:, :, rest])
    assert torch.equal(clips[17], mean[:, None, None].expand(2, 5, 17, 3))


def test_models_without_joints_are_refused():
    with pytest.raises(UnexplainedError, match='Linear has no graph network'):
        next(explain(nn.Linear(1, 1), {}, [CLIP]))


def test_command(runs, tmp_path, capsys):
    words = ['visualize', 'scores', str(runs / 'hpnet'), '--clips', CLIP,
             '--class', 'throw', '--out', str(tmp_path)]
    assert cli.main(words) == 0
    files = {path.name for path in tmp_path.glob('*.png')}
    assert files == {f'{CLIP}_{key}.png' for key in (
        'hpnet_activation', 'hpnet_joints', 'hpnet_text', 'hpnet_hidden')}
    record = json.loads((tmp_path / 'scores.json').read_text())
    found = record['clips'][CLIP]
    for run in found.values():
        assert run['predicted'] == max(run['logits'], key=run['logits'].get)
        assert run['explained'] == 'throw'
        assert run['label'] == 'walk around'  # the fourth clip
        for stream in run['streams'].values():
            assert list(stream['joints']) == list(JOINTS)
            assert stream['bias'] + sum(stream['joints'].values()) == \
                pytest.approx(stream['logit'], abs=1e-4)
            assert np.sum(stream['cells']) == pytest.approx(
                sum(stream['joints'].values()))
    text = found['hpnet']['text']
    cosines = {name: c['cosine'] for name, c in text['classes'].items()}
    assert text['turned_most'] == min(cosines, key=cosines.get)

    capsys.readouterr()
    words[2] = str(runs / 'hp_b')
    for change, message in (
            (['--class', 'fly'], "no class 'fly'; there are pick up"),
            (['--clips', 'none'], "no clip 'none'"),
            (['--data', str(tmp_path / 'no')], 'no')):
        assert cli.main([*words, *change]) == 2
        assert message in capsys.readouterr().err


def test_report(runs, tmp_path):
    """A clip's section names the models, also what cannot be explained."""
    from hpnet_plugin.commands.report import explanations, main
    args = main.parse(['--out', 'x', '--clips', CLIP, '--work-dirs', *(
        str(runs / name) for name in ('hp_b', 'posec3d'))])
    section, = explanations(args)
    assert section.title == f'{CLIP}: what moved the score'
    assert section.text[0].startswith('hp_b predicts ')
    assert section.text[1].startswith('posec3d: not explained: Recognizer3D')
    assert [p.caption.split('.')[0] for p in section.figure] == ['hp_b'] * 2

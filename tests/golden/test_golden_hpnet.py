"""The released recogniser through the converter: the same numbers."""

import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_checkpoint

from hpnet_plugin.conversion import convert_checkpoint
from hpnet_plugin.models.backbones.smclm import StreamFeatures

BASE = dict(
    type='XCLIPRecognizer',
    backbone=dict(type='XCLIPVision'),
    text=dict(type='CLIPText', classes=list('abcdefg')),
    cls_head=dict(type='TRMMHead'))


def test_golden_hpnet(golden, tmp_path):
    facts, expected = golden.load('hpnet_recognizer')
    source, out = str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth')
    torch.save(
        dict(
            model={
                key: torch.from_numpy(np.asarray(value))
                for key, value in golden.fill(facts['entries'],
                                              facts['weight_seed']).items()
            }, epoch=29), source)
    result = convert_checkpoint(source, out, 'hpnet')
    left_out = sum(result.left_out.values(), [])
    assert len(result.state_dict) + len(left_out) == len(facts['entries'])
    assert set(left_out) == {f'GCN{i}.fc.{key}' for i in (1, 2, 3)
                             for key in ('weight', 'bias')}

    # a user's config with the options that the converter prints
    config = Config(dict(model=BASE))
    config.merge_from_dict(dict(model=result.options))
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model).eval()
    assert set(model.state_dict()) == set(result.state_dict)
    load_checkpoint(model, out, strict=True)

    inputs = {
        key: torch.from_numpy(value) for key, value in
        golden.recognizer_inputs(facts['config'], facts['batch'],
                                 facts['input_seed']).items()
    }
    model.text.tokens = inputs['tokens']
    # the released forward takes its three streams as they are given
    streams = tuple(
        gcn(inputs[name].permute(0, 4, 2, 3, 1)).mean((1, 3, 4))
        for gcn, name in zip(model.topology.models, ('j', 'jm', 'b')))
    pooled = StreamFeatures(streams, torch.cat(streams, 1), None)
    with torch.no_grad():
        video = model.backbone(inputs['video'])
        text = model.text()
        scores = model.cls_head((video.video, text, pooled))
        refinement = model.cls_head.fusion.refinement(text, pooled.concat)
    assert model.topology.names == ('jm', 'jm_2', 'b')
    found = dict(
        frame=video.frames, video=video.video, text=text, trmm=refinement,
        g_j=streams[0], g_jm=streams[1], g_b=streams[2], logits=scores.fused,
        j=scores.streams['jm'], jm=scores.streams['jm_2'],
        b=scores.streams['b'])
    assert found.keys() == expected.keys()
    for name, value in found.items():
        largest = max(1, np.abs(expected[name]).max())
        np.testing.assert_allclose(
            value.detach(), expected[name], rtol=0, atol=1e-6 * largest,
            err_msg=name)

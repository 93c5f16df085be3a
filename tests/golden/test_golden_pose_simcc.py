"""The released pose net through the converter: the same numbers."""

import numpy as np
import torch

from hpnet_plugin.conversion import convert_checkpoint
from hpnet_plugin.estimation.pose import build_pose_net
from hpnet_plugin.pooling import pool_at_joints

H2 = 'backbone.stage4.0.branches.1'


def test_golden_pose_simcc(golden, root, tmp_path):
    facts, expected = golden.load('pose_simcc_hrnet_w48')
    weights = golden.fill(facts['entries'], facts['weight_seed'],
                          facts['key_prefix_for_fill'])
    source, out = str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth')
    torch.save({key: torch.from_numpy(value)
                for key, value in weights.items()}, source)
    result = convert_checkpoint(source, out, 'simcc')
    assert len(result.state_dict) == len(weights) and not result.left_out

    # strict: a key that the net lacks, or the file, is an error
    net = build_pose_net(
        root / 'configs/pose/hrnet-w48_simcc_coco-256x192.py', out, [H2])
    assert set(net.model.state_dict()) == set(result.state_dict)
    crops = golden.draw(facts['input_shape'],
                        np.random.RandomState(facts['input_seed']))
    with torch.inference_mode():
        x, y = net.model.head(net.model.extract_feat(torch.from_numpy(crops)))
    maps = net.kept.take()[H2]
    joints = torch.stack([x.argmax(-1), y.argmax(-1)], -1) / 2
    pooled = pool_at_joints(maps, joints, net.size, grid='corners')
    found = dict(x_logits=x, y_logits=y, joints=joints,
                 h2_mean=maps.mean((2, 3)), pooled=pooled)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        largest = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            value, expected[name], rtol=0, atol=1e-6 * largest, err_msg=name)
    # what the extraction takes: decoded by mmpose
    decoded = net.model.head.decode((x, y))
    np.testing.assert_allclose(
        np.concatenate([p.keypoints for p in decoded]), expected['joints'])

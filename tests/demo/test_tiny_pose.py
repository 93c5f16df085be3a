"""The shipped pose net finds the joints of people it has never seen."""
import os

import numpy as np
import pytest
import torch

from hpnet_plugin.demo import people, pose_training

CONFIG, WEIGHTS = ('configs/pose/tiny_hrnet.py',
                   'hpnet_plugin/estimation/tiny_pose.pth')


@pytest.fixture(scope='module')
def net(root):
    from mmpose.apis import init_model
    return init_model(str(root / CONFIG), str(root / WEIGHTS), device='cpu')


def test_file_is_small_and_plain(root):
    assert os.path.getsize(root / WEIGHTS) < 1.2e6
    loaded = torch.load(root / WEIGHTS, weights_only=True)
    assert set(loaded) == {'meta', 'state_dict'}


def test_net_has_the_tap_of_the_paper(net):
    maps = []
    tap = net.get_submodule('backbone.stage4.0.branches.1')
    handle = tap.register_forward_hook(lambda *args: maps.append(args[2]))
    with torch.no_grad():
        net.backbone(torch.zeros(1, 3, 128, 96))
    handle.remove()
    assert maps[0].shape == (1, 32, 16, 12)


def test_joints_of_held_out_crops(net):
    crops = pose_training.CropDataset(100, 77, jitter=0)
    found = pose_training.pck(net, (crops[i] for i in range(100)))
    assert found.shape == (12, )
    assert found.mean() > 88


def test_joints_of_clips_by_the_pipeline_of_mmpose(net):
    """Its own crop, decoding and way back, on frames of the data set."""
    from mmpose.apis import inference_topdown
    near = []
    for label in range(len(people.ACTIONS)):
        clip = people.make_clip(label, 3, seed=11, length=9)
        for t in (0, 8):
            box = clip.boxes[0, t]
            sample, = inference_topdown(
                net, clip.frames[t][..., ::-1].copy(), box[None])
            away = np.linalg.norm(
                sample.pred_instances.keypoints[0] - clip.joints[0, t],
                axis=-1)
            near.append(away[5:] <= .1 * (box[3] - box[1]))
    assert np.mean(near) > .88


def test_short_training(root, tmp_path):
    """The tool's way from a config to a file of weights."""
    losses = []
    model = pose_training.train(
        str(root / CONFIG), steps=12, batch=8, lr=2e-3, seed=0, workers=0,
        log=losses.append)
    assert len(losses) == 1  # the last step
    path = tmp_path / 'pose.pth'
    pose_training.save_weights(model, path, steps=12)
    saved = torch.load(path, weights_only=True)
    assert saved['meta'] == dict(steps=12)
    assert os.listdir(tmp_path) == ['pose.pth']
    for key, value in model.state_dict().items():
        torch.testing.assert_close(saved['state_dict'][key].to(value.dtype),
                                   value, rtol=1e-3, atol=1e-4)

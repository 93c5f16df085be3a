"""The options that make the released extraction, against its description."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hpnet_plugin.commands.extract import main
from hpnet_plugin.datasets.released import RELEASED
from hpnet_plugin.estimation.geometry import box_to_window, window_to_matrix
from hpnet_plugin.pooling import pool_at_joints
from hpnet_plugin.resampling import resize


def test_the_preset_of_the_tool():
    plain = vars(main.parse(['videos', '--out', 'data']))
    found = vars(main.parse(['videos', '--out', 'data', '--preset',
                             'released']))
    found.pop('words')
    assert set(RELEASED) <= set(found)
    for name, value in found.items():
        assert value == RELEASED.get(
            name, 'released' if name == 'preset' else plain[name]), name
    # every value is one that the command line takes
    words = []
    for name, value in RELEASED.items():
        values = value if isinstance(value, list) else [value]
        for one in values:
            words += [f'--{name.replace("_", "-")}', str(one)]
    typed = vars(main.parse(['videos', '--out', 'data', *words]))
    assert {name: typed[name] for name in RELEASED} == RELEASED


def test_what_is_named_stays():
    found = main.parse(['videos', '--out', 'data', '--preset', 'released',
                        '--norm', 'eval', '--crop-size=256'])
    assert (found.norm, found.crop_size) == ('eval', 256)
    assert found.grid == 'corners'


def test_crops_of_wide_video():
    """reference.md 1.3: windows measured on 1080p."""
    shape = 1080 / 1920
    for box, window in (((100, 400), (281, 375)), ((240, 400), (300, 400)),
                        ((300, 400), (375, 500))):
        matrix = window_to_matrix(
            *box_to_window((0, 0, *box), (192, 256), 1.25, shape), (192, 256))
        np.testing.assert_allclose(
            (192 / matrix[0, 0], 256 / matrix[1, 1]), window, atol=0.5)
        # the box's centre is the crop's
        np.testing.assert_allclose(
            matrix @ [box[0] / 2, box[1] / 2, 1], [96, 128], atol=1e-4)


def test_one_bilinear_sample():
    """reference.md 1.6: column x 23 / 192, row y 31 / 256."""
    maps = torch.arange(24.)[None, None, None].expand(1, 2, 32, 24).clone()
    maps[:, 1] = torch.arange(32.)[:, None]
    joints = torch.tensor([[[100.5, 33.], [0, 0], [191.5, 255.5]]])
    found = pool_at_joints(maps, joints, (192, 256), RELEASED['region'],
                           RELEASED['grid'])
    np.testing.assert_allclose(
        found[0], joints[0] * torch.tensor([23 / 192, 31 / 256]), atol=1e-5)


@pytest.mark.parametrize('frames', [3, 64, 103, 158, 1000])
def test_resampled_as_released(frames):
    """reference.md 1.7: plain linear interpolation, zeros and all."""
    rng = np.random.RandomState(frames)
    clip = rng.rand(2, frames, 17, 3).astype(np.float32)
    clip[:, rng.rand(frames) < .3] = 0
    found = resize(clip, 64, blend_absent=True)
    x = torch.from_numpy(clip).permute(0, 2, 3, 1).flatten(0, 2)[None]
    expected = F.interpolate(x, 64, mode='linear', align_corners=False)
    np.testing.assert_allclose(
        found.transpose(0, 2, 3, 1).reshape(-1, 64), expected[0], atol=1e-5)


def test_slots_of_the_authors_own_files(shared):
    """reference.md 1.8: one person is stored twice, two people apart."""
    for action, copied in (('001', 64), ('050', 0)):
        x = np.load(shared / f'data/ntu/S001C001P001R001A{action}.npy')
        assert x.shape == (RELEASED['length'], RELEASED['people'], 17, 96)
        assert sum(np.array_equal(*frame) for frame in x) == copied
        assert x.min() == 0 and 20 < x.max() < 31
        assert x.any((2, 3)).all()  # somebody in every frame

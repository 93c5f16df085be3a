import numpy as np
import pytest
import torch

from hpnet_plugin.pooling import pool_at_joints

SIZE = (192, 256)


def ramp(width=24, height=32):
    """Maps whose value at a cell is its column, and its row."""
    row, column = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing='ij')
    return torch.stack((column, row)).float()[None]


def joints_inside(count=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([24., 24.]), torch.tensor([167., 231.])
    return low + (high - low) * torch.rand(1, count, 2, generator=generator)


def test_exact_grid_is_exact_at_pixel_centres():
    # cell i of a map of stride 8 covers pixels 8 i .. 8 i + 7, centre 3.5
    joints = torch.tensor([[[8 * i + 3.5, 8 * j + 3.5] for i in range(24)
                            for j in range(32)]])
    maps = torch.randn(1, 5, 32, 24, generator=torch.Generator().manual_seed(0)
                       )
    pooled = pool_at_joints(maps, joints, SIZE)
    expected = maps[0].permute(2, 1, 0).reshape(1, -1, 5)
    torch.testing.assert_close(pooled, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize('region', [1, 3, 5])
def test_linear_maps_are_read_exactly(region):
    joints = joints_inside()
    pooled = pool_at_joints(ramp(), joints, SIZE, region)
    torch.testing.assert_close(
        pooled, (joints + 0.5) / 8 - 0.5, rtol=0, atol=1e-4)


def test_corners_grid_is_the_released_formula():
    joints = joints_inside()
    pooled = pool_at_joints(ramp(), joints, SIZE, grid='corners')
    expected = joints * torch.tensor([23 / 192, 31 / 256])
    torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-4)
    # and the call that the released code makes
    maps = torch.randn(3, 7, 32, 24)
    joints = joints_inside(51).reshape(3, 17, 2)
    grid = joints / torch.tensor([96., 128.]) - 1
    expected = torch.nn.functional.grid_sample(
        maps, grid[:, :, None], align_corners=True)[..., 0].transpose(1, 2)
    torch.testing.assert_close(
        pool_at_joints(maps, joints, SIZE, grid='corners'), expected,
        rtol=0, atol=2e-5)


@pytest.mark.parametrize('region', [3, 5])
def test_region_is_the_mean_of_the_neighbourhood(region):
    maps = torch.randn(1, 4, 32, 24, dtype=torch.float32)
    column, row = 10, 17
    joint = torch.tensor([[[8 * column + 3.5, 8 * row + 3.5]]])
    half = region // 2
    expected = maps[..., row - half:row + half + 1,
                    column - half:column + half + 1].mean((-2, -1))
    torch.testing.assert_close(
        pool_at_joints(maps, joint, SIZE, region)[:, 0], expected)


def test_outside_counts_as_zero():
    pooled = pool_at_joints(
        torch.ones(1, 1, 32, 24), torch.tensor([[[-100., 50.], [3.5, 3.5]]]),
        SIZE)
    assert pooled[0, 0, 0] == 0
    assert pooled[0, 1, 0] == pytest.approx(1)


def test_gradients_reach_maps_and_joints():
    maps = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    # grid_sample has kinks at cell centres: stay off them
    joints = torch.rand(2, 4, 2, dtype=torch.float64) * 0.3 + torch.tensor(
        [20.1, 30.1])
    maps, joints = maps.float().requires_grad_(), joints.float(
    ).requires_grad_()
    pool_at_joints(maps, joints, (48, 64), 3).square().sum().backward()
    assert maps.grad.abs().sum() > 0
    step = 1e-2
    for k in np.ndindex(joints.shape):
        moved = [joints.detach().clone() for _ in range(2)]
        moved[0][k] += step
        moved[1][k] -= step
        up, down = (pool_at_joints(maps, j, (48, 64), 3).square().sum()
                    for j in moved)
        slope = (up - down) / (2 * step)
        assert joints.grad[k] == pytest.approx(slope.item(), abs=2e-2)


def test_batch_is_the_sum_of_its_parts():
    maps, joints = torch.randn(4, 3, 32, 24), joints_inside(68).reshape(
        4, 17, 2)
    whole = pool_at_joints(maps, joints, SIZE, 3)
    for i in range(4):
        torch.testing.assert_close(
            whole[i:i + 1],
            pool_at_joints(maps[i:i + 1], joints[i:i + 1], SIZE, 3))


@pytest.mark.parametrize('change, message', [
    (dict(joints=torch.zeros(2, 17, 2)), 'of one N'),
    (dict(joints=torch.zeros(1, 17, 3)), r'\(N, V, 2\)'),
    (dict(region=2), 'region must be one of'),
    (dict(grid='centres'), 'grid must be one of'),
])
def test_errors_name_what_is_wrong(change, message):
    args = dict(maps=torch.zeros(1, 3, 32, 24), joints=torch.zeros(1, 17, 2),
                input_size=SIZE)
    with pytest.raises(ValueError, match=message):
        pool_at_joints(**{**args, **change})


@pytest.mark.parametrize('region', [1, 3, 5])
@pytest.mark.parametrize('grid', ['exact', 'corners'])
def test_it_is_grid_sample(region, grid):
    """Eq. 3 step by step: cells, neighbours, grid, mean; also outside."""
    maps = torch.randn(3, 7, 32, 24) / 3
    joints = torch.rand(3, 17, 2) * torch.tensor([230., 300.]) - 20
    cells, pixels = torch.tensor([24., 32.]), torch.tensor([192., 256.])
    at = (joints + .5) * cells / pixels - .5 if grid == 'exact' else \
        joints * (cells - 1) / pixels
    total = 0
    for dy in range(-(region // 2), region // 2 + 1):
        for dx in range(-(region // 2), region // 2 + 1):
            where = (2 * (at + torch.tensor([dx, dy])) + 1) / cells - 1
            total = total + torch.nn.functional.grid_sample(
                maps, where[:, :, None], align_corners=False)[..., 0]
    torch.testing.assert_close(
        pool_at_joints(maps, joints, SIZE, region, grid),
        (total / region**2).transpose(1, 2), rtol=0, atol=5e-6)


def test_training_after_inference():
    """What is made once and kept may be used by either."""
    joints = torch.rand(1, 4, 2) * 40
    with torch.inference_mode():
        before = pool_at_joints(torch.ones(1, 3, 9, 7), joints, (56, 72), 3)
    maps = torch.ones(1, 3, 9, 7, requires_grad=True)
    joints = joints.clone().requires_grad_()
    after = pool_at_joints(maps, joints, (56, 72), 3)
    after.sum().backward()
    assert torch.equal(before, after) and maps.grad.sum() > 0

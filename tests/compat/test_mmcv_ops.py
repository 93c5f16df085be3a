"""mmcv.ops by torchvision, against closed forms."""
import math

import mmcv.ops
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from torch.autograd import gradcheck
from torch.nn import functional as F

from hpnet_plugin.compat import mmcv_ops

pytestmark = pytest.mark.skipif(
    not mmcv_ops.filled(), reason='full mmcv brings its own kernels')

# Overlaps: 0 and 1 by 1/3, 1 and 2 by 3/13, 0 and 2 by 0.6, 3 with none.
BOXES = [[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 6], [30, 30, 40, 40]]
SCORES = [0.6, 0.9, 0.5, 0.3]


@pytest.fixture
def boxes():
    return torch.tensor(BOXES, dtype=torch.float32), torch.tensor(SCORES)


def test_every_name_of_mmcv_ops_can_be_imported():
    for name in mmcv.ops.__all__:
        assert hasattr(mmcv.ops, name), name


@pytest.mark.parametrize('threshold, kept', [
    (0.2, [1, 3]),
    (0.25, [1, 2, 3]),
    (0.34, [1, 0, 3]),
    (0.61, [1, 0, 2, 3]),
])
def test_nms_keeps_by_overlap(boxes, threshold, kept):
    dets, inds = mmcv.ops.nms(*boxes, threshold)
    assert inds.tolist() == kept
    assert dets.tolist() == [
        BOXES[i] + [pytest.approx(SCORES[i])] for i in kept
    ]


def test_nms_options_are_those_of_mmcv(boxes):
    arrays = [x.numpy() for x in boxes]
    dets, inds = mmcv.ops.nms(
        *arrays, iou_threshold=0.7, score_threshold=0.4, max_num=2)
    assert isinstance(dets, np.ndarray)
    assert inds.tolist() == [1, 0]
    # Boxes of one pixel by inclusive corners: without offset no area.
    pixels = torch.tensor([[2., 2, 2, 2], [2, 2, 2, 2], [3, 2, 3, 2]])
    scores = torch.tensor([0.5, 0.6, 0.4])
    assert mmcv.ops.nms(pixels, scores, 0.5, offset=1)[1].tolist() == [1, 2]
    empty = mmcv.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert [tuple(x.shape) for x in empty] == [(0, 5), (0, )]


@pytest.mark.parametrize('split_thr', [10000, 1])
def test_batched_nms_keeps_classes_apart(boxes, split_thr):
    cfg = dict(type='nms', iou_threshold=0.2, split_thr=split_thr)
    classes = torch.tensor([0, 1, 0, 1])
    dets, inds = mmcv.ops.batched_nms(*boxes, classes, cfg)
    assert inds.tolist() == [1, 0, 3]
    assert dets[:, :4].tolist() == [BOXES[i] for i in (1, 0, 3)]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.6, 0.3])


def test_batched_nms_agnostic_or_none(boxes):
    classes = torch.tensor([0, 1, 0, 1])
    _, inds = mmcv.ops.batched_nms(
        *boxes, classes, dict(iou_threshold=0.2), class_agnostic=True)
    assert inds.tolist() == [1, 3]
    _, inds = mmcv.ops.batched_nms(*boxes, classes, None)
    assert inds.tolist() == [1, 0, 2, 3]


def test_soft_nms_weakens_scores_by_overlap(boxes):
    boxes = boxes[0][[0, 1, 3]], boxes[1][[0, 1, 3]]
    dets, inds = mmcv.ops.soft_nms(*boxes, 0.3, method='linear')
    assert inds.tolist() == [1, 0, 2]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.6 * (1 - 1 / 3), 0.3])
    dets, inds = mmcv.ops.soft_nms(*boxes, method='gaussian', sigma=0.25)
    assert dets[:, 4].tolist() == pytest.approx(
        [0.9, 0.6 * math.exp(-1 / 9 / 0.25), 0.3])
    dets, inds = mmcv.ops.soft_nms(*boxes, 0.3, method='naive')
    assert inds.tolist() == [1, 2]


def test_soft_nms_of_inclusive_corners():
    """A box of corners 0 and 9 is ten pixels long, by its offset of 1."""
    boxes = torch.tensor([[0., 0, 9, 9], [5, 0, 14, 9]])
    dets, _ = mmcv.ops.soft_nms(boxes, torch.tensor([.9, .6]), 0.3,
                                method='linear', offset=1)
    assert dets[:, 4].tolist() == pytest.approx([.9, .6 * (1 - 1 / 3)])


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_roi_align_averages_a_ramp_exactly(aligned, sampling_ratio):
    y, x = torch.meshgrid(
        torch.arange(16.), torch.arange(20.), indexing='ij')
    ramps = torch.stack((2 * x + 3 * y + 1, 5 - x))
    maps = torch.stack((ramps, -ramps))
    layer = mmcv.ops.RoIAlign((2, 3), 0.5, sampling_ratio, aligned=aligned)
    # Of image 1, twice the size of the map; its bins are 2 by 2 there.
    out = layer(maps, torch.tensor([[1., 8, 6, 20, 14]]))
    shift = 0.5 if aligned else 0
    columns = torch.tensor([5., 7, 9]) - shift
    rows = torch.tensor([4., 6]) - shift
    ramp = 2 * columns + 3 * rows[:, None] + 1
    expected = -torch.stack((ramp, (5 - columns).expand(2, 3)))
    torch.testing.assert_close(out, expected[None])


def test_roi_align_gradient():
    rois = torch.tensor([[0, 0.7, 1.2, 5.1, 4.4], [1, 1, 1, 3, 6]],
                        dtype=torch.float64)
    layer = mmcv.ops.RoIAlign(2, 1.0, 2)
    maps = torch.rand(2, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: layer(x, rois), maps)


def conv_inputs(groups=2, dtype=torch.float64):
    torch.manual_seed(0)
    x = torch.rand(2, 4, 7, 6, dtype=dtype)
    weight = torch.rand(6, 4 // groups, 3, 3, dtype=dtype)
    return x, weight


@pytest.mark.parametrize('stride, padding, dilation, groups', [
    (1, 1, 1, 1),
    (2, (1, 2), 1, 2),
    (1, 2, 2, 1),
    (1, (2, 3), (1, 2), 1),
])
def test_deform_conv_without_offset_is_a_convolution(stride, padding,
                                                     dilation, groups):
    x, weight = conv_inputs(groups)
    expected = F.conv2d(x, weight, None, stride, padding, dilation, groups)
    offset = x.new_zeros(2, 2 * 2 * 9, *expected.shape[2:])
    out = mmcv.ops.deform_conv2d(x, offset, weight, stride, padding, dilation,
                                 groups, 2)
    torch.testing.assert_close(out, expected)
    bias = torch.arange(6, dtype=x.dtype)
    mask = torch.full_like(offset[:, :18], 0.5)
    out = mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, bias,
                                           stride, padding, dilation, groups,
                                           2)
    torch.testing.assert_close(out, expected / 2 + bias[:, None, None])


def test_deform_conv_offset_of_a_pixel_shifts_the_input():
    x, weight = conv_inputs(groups=1)
    offset = x.new_zeros(2, 18, 7, 6)
    offset[:, 0::2] = 2  # rows come first
    offset[:, 1::2] = -1
    out = mmcv.ops.deform_conv2d(x, offset, weight, 1, 1)
    shifted = F.pad(x, (2, 0, 0, 3))[..., 1:, :]
    torch.testing.assert_close(out, F.conv2d(shifted, weight))


def test_deform_conv_gradients():
    x, weight = conv_inputs()
    offset = torch.rand(2, 36, 4, 4, dtype=x.dtype) * 0.6 + 0.2
    mask = torch.rand(2, 18, 4, 4, dtype=x.dtype)
    bias = torch.rand(6, dtype=x.dtype)
    inputs = [t.requires_grad_() for t in (x, offset, weight)]
    assert gradcheck(
        lambda *t: mmcv.ops.deform_conv2d(*t, 2, (1, 2), 1, 2, 2), inputs)
    inputs = [t.requires_grad_() for t in (x, offset, mask, weight, bias)]
    assert gradcheck(
        lambda *t: mmcv.ops.modulated_deform_conv2d(*t, 2, (1, 2), 1, 2, 2),
        inputs)


@pytest.mark.parametrize('name', ['DCN', 'DCNv2'])
def test_registered_deform_convs_start_as_convolutions(name):
    layer = MODELS.get(name)(4, 6, 3, padding=1)
    x = torch.rand(2, 4, 7, 6)
    expected = F.conv2d(x, layer.weight, None, 1, 1)
    # DCNv2's mask starts at sigmoid(0), its bias at 0.
    expected = expected / 2 if name == 'DCNv2' else expected
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_sigmoid_focal_loss():
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.0], [0.5, 0.7]],
                          dtype=torch.float64, requires_grad=True)
    target = torch.tensor([1, 2, 0])  # 2 is background
    weight = torch.tensor([2.0, 3.0], dtype=torch.float64)
    p = logits.detach().sigmoid()
    negative = -0.75 * p**2 * torch.log(1 - p)
    expected = negative.clone()
    for row, column in ((0, 1), (2, 0)):
        q = p[row, column]
        expected[row, column] = -0.25 * (1 - q)**2 * torch.log(q)

    def loss(weight):
        return lambda x: mmcv.ops.sigmoid_focal_loss(x, target, 2.0, 0.25,
                                                     weight, 'none')

    torch.testing.assert_close(loss(None)(logits), expected)
    rows = torch.tensor([[3.0], [1.0], [2.0]])  # background weighs 1
    torch.testing.assert_close(loss(weight)(logits), expected * rows)
    assert gradcheck(loss(weight), logits)


def test_deformable_attention_runs_forward_and_backward():
    """With one level, one point and no offset it samples its own pixel."""
    layer = mmcv.ops.MultiScaleDeformableAttention(
        8, num_heads=2, num_levels=1, num_points=1, batch_first=True).eval()
    shapes = torch.tensor([[3, 4]])
    torch.nn.init.zeros_(layer.sampling_offsets.weight)
    torch.nn.init.zeros_(layer.sampling_offsets.bias)
    y, x = torch.meshgrid(
        torch.arange(3) + 0.5, torch.arange(4) + 0.5, indexing='ij')
    points = torch.stack((x / 4, y / 3), -1).reshape(1, 12, 1, 2)
    query = torch.rand(1, 12, 8, requires_grad=True)
    out = layer(
        query,
        reference_points=points,
        spatial_shapes=shapes,
        level_start_index=torch.tensor([0]))
    expected = query + layer.output_proj(layer.value_proj(query))
    torch.testing.assert_close(out, expected)
    out.sum().backward()
    assert query.grad.isfinite().all()


@pytest.mark.parametrize('op, call', [
    ('roi_pool_forward', lambda x: mmcv.ops.RoIPool(2)(
        x, torch.tensor([[0., 0, 0, 4, 4]]))),
    ('tin_shift_forward', lambda x: mmcv.ops.tin_shift(
        x[:, :, None], torch.zeros(1, 1, dtype=torch.int32))),
    ('nms_rotated', lambda x: mmcv.ops.nms_rotated(
        torch.rand(2, 5), torch.rand(2), 0.5)),
    ('RoIAlign', lambda x: mmcv.ops.RoIAlign(2, pool_mode='max')(
        x, torch.tensor([[0., 0, 0, 4, 4]]))),
])
def test_what_nobody_provides_says_its_name_and_what_to_do(op, call):
    with pytest.raises(NotImplementedError, match=op) as error:
        call(torch.rand(1, 1, 8, 8))
    assert 'pip install mmcv' in str(error.value)

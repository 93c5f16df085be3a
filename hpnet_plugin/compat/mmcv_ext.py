"""Kernels of ``mmcv._ext``, by torchvision, for mmcv-lite.

Names, arguments and results are those that mmcv's Python code calls: a
kernel writes into the tensors that it is handed. A backward kernel runs
torchvision's forward again under autograd, which keeps to public functions.
Deformable attention needs no kernel where mmcv has a PyTorch form (CPU); on
CUDA that form is called from here. Any other kernel is found, so that
``mmcv.ops`` imports whole, and raises NotImplementedError when it is called.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import functional as F


def _ops() -> Any:
    """torchvision's, imported late: it takes torch's compiler with it."""
    from torchvision import ops
    return ops


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """A kernel that nobody provides: importable, not callable."""
    if name.startswith('__'):
        raise AttributeError(name)

    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f'The op {name!r} of mmcv.ops is compiled code, which mmcv-lite '
            'does not have. To use it: pip install mmcv (the full package, '
            '>=2.0.0,<2.2.0) in place of mmcv-lite.')

    missing.__name__ = name
    return missing


def get_compiler_version() -> str:
    return 'n/a (mmcv-lite, kernels by torchvision)'


def get_compiling_cuda_version() -> str:
    return 'n/a (mmcv-lite, kernels by torchvision)'


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float,
        offset: int) -> Tensor:
    """Indices (K,) of the boxes (N, 4) kept, best score first."""
    # A box of inclusive pixel corners (offset 1) is one longer each way.
    boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return _ops().nms(boxes, scores, iou_threshold)


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, iou_threshold: float,
            sigma: float, min_score: float, method: int,
            offset: int) -> Tensor:
    """Soft-NMS of Bodla et al.; fills dets (N, 5), returns indices (K,).

    ``method`` is 0 naive, 1 linear, 2 gaussian.
    """
    far = boxes + boxes.new_tensor([0, 0, offset, offset])
    scores = scores.clone()
    left = torch.arange(len(boxes))
    kept = []
    while len(left):
        best = left[scores[left].argmax()]
        dets[len(kept)] = torch.cat((boxes[best], scores[best, None]))
        kept.append(best)
        left = left[left != best]
        overlap = _ops().box_iou(far[best, None], far[left])[0]
        if method == 2:
            weight = torch.exp(-overlap**2 / sigma)
        else:
            weight = 1 - overlap if method == 1 else torch.zeros_like(overlap)
            weight[overlap < iou_threshold] = 1
        scores[left] *= weight
        left = left[scores[left] >= min_score]
    return torch.stack(kept) if kept else left


def _fill(outputs: Sequence[Tensor], compute: Callable[..., Tensor],
          inputs: Sequence[Tensor], grad: Tensor) -> None:
    """Write the gradients of ``compute(*inputs)`` into ``outputs``."""
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in inputs]
        grads = torch.autograd.grad(compute(*inputs), inputs, grad)
    for output, value in zip(outputs, grads):
        output.copy_(value)


def _roi_align(rois: Tensor, aligned_height: int, aligned_width: int,
               spatial_scale: float, sampling_ratio: int, pool_mode: int,
               aligned: bool) -> Callable[[Tensor], Tensor]:
    if pool_mode == 0:
        raise NotImplementedError(
            "RoIAlign(pool_mode='max') of mmcv.ops is compiled code; "
            "torchvision has 'avg' only. To use it: pip install mmcv in "
            'place of mmcv-lite.')
    return lambda x: _ops().roi_align(
        x, rois, (aligned_height, aligned_width), spatial_scale,
        sampling_ratio, aligned)


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor,
                      argmax_y: Tensor, argmax_x: Tensor,
                      **kwargs: Any) -> None:
    output.copy_(_roi_align(rois, **kwargs)(input))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor,
                       argmax_x: Tensor, grad_input: Tensor,
                       **kwargs: Any) -> None:
    # Averaging is linear: its gradient is the same at any input.
    _fill([grad_input], _roi_align(rois, **kwargs),
          [torch.zeros_like(grad_input)], grad_output)


def _deform_conv(dH: int, dW: int, padH: int, padW: int, dilationH: int,
                 dilationW: int, **_: Any) -> Callable[..., Tensor]:
    """torchvision reads both numbers of groups off the shapes."""
    return lambda input, offset, weight: _ops().deform_conv2d(
        input, offset, weight, None, (dH, dW), (padH, padW),
        (dilationH, dilationW))


def deform_conv_forward(input: Tensor, weight: Tensor, offset: Tensor,
                        output: Tensor, columns: Tensor, ones: Tensor,
                        **kwargs: Any) -> None:
    output.copy_(_deform_conv(**kwargs)(input, offset, weight))


def deform_conv_backward_input(input: Tensor, offset: Tensor,
                               grad_output: Tensor, grad_input: Tensor,
                               grad_offset: Tensor, weight: Tensor,
                               columns: Tensor, **kwargs: Any) -> None:
    conv = _deform_conv(**kwargs)
    _fill([grad_input, grad_offset], lambda x, o: conv(x, o, weight),
          [input, offset], grad_output)


def deform_conv_backward_parameters(input: Tensor, offset: Tensor,
                                    grad_output: Tensor, grad_weight: Tensor,
                                    columns: Tensor, ones: Tensor,
                                    **kwargs: Any) -> None:
    # Linear in the weight, so again the gradient is the same at any.
    conv = _deform_conv(**kwargs)
    _fill([grad_weight], lambda w: conv(input, offset, w),
          [torch.zeros_like(grad_weight)], grad_output)


def _modulated_deform_conv(stride_h: int, stride_w: int, pad_h: int,
                           pad_w: int, dilation_h: int, dilation_w: int,
                           with_bias: bool, **_: Any) -> Callable[..., Tensor]:
    return lambda input, offset, mask, weight, bias: _ops().deform_conv2d(
        input, offset, weight, bias if with_bias else None,
        (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), mask)


def modulated_deform_conv_forward(input: Tensor, weight: Tensor, bias: Tensor,
                                  ones: Tensor, offset: Tensor, mask: Tensor,
                                  output: Tensor, columns: Tensor,
                                  **kwargs: Any) -> None:
    output.copy_(
        _modulated_deform_conv(**kwargs)(input, offset, mask, weight, bias))


def modulated_deform_conv_backward(input: Tensor, weight: Tensor, bias: Tensor,
                                   ones: Tensor, offset: Tensor, mask: Tensor,
                                   columns: Tensor, grad_input: Tensor,
                                   grad_weight: Tensor, grad_bias: Tensor,
                                   grad_offset: Tensor, grad_mask: Tensor,
                                   grad_output: Tensor, **kwargs: Any) -> None:
    conv = _modulated_deform_conv(**kwargs)
    if kwargs['with_bias']:
        grad_bias.copy_(grad_output.sum((0, 2, 3)))
    _fill([grad_input, grad_offset, grad_mask, grad_weight],
          lambda x, o, m, w: conv(x, o, m, w, bias),
          [input, offset, mask, weight], grad_output)


def _sigmoid_focal_loss(target: Tensor, weight: Tensor, gamma: float,
                        alpha: float) -> Callable[[Tensor], Tensor]:
    def loss(input: Tensor) -> Tensor:
        classes = torch.arange(input.size(1), device=input.device)
        positive = (target[:, None] == classes).to(input)
        value = _ops().sigmoid_focal_loss(input, positive, alpha, gamma)
        if weight.numel():
            # One weight a class; background, the number after, keeps its own.
            value = value * F.pad(weight, (0, 1), value=1)[target, None]
        return value

    return loss


def sigmoid_focal_loss_forward(input: Tensor, target: Tensor, weight: Tensor,
                               output: Tensor, gamma: float,
                               alpha: float) -> None:
    """Fill output (N, K); a target equal to K is background."""
    output.copy_(_sigmoid_focal_loss(target, weight, gamma, alpha)(input))


def sigmoid_focal_loss_backward(input: Tensor, target: Tensor, weight: Tensor,
                                grad_input: Tensor, gamma: float,
                                alpha: float) -> None:
    _fill([grad_input], _sigmoid_focal_loss(target, weight, gamma, alpha),
          [input], torch.ones_like(input))


def _deform_attn(spatial_shapes: Tensor) -> Callable[..., Tensor]:
    # Imported here: mmcv.ops itself is what imports this module.
    from mmcv.ops import multi_scale_deform_attn as msda
    return lambda value, locations, weights: (
        msda.multi_scale_deformable_attn_pytorch(value, spatial_shapes,
                                                 locations, weights))


def ms_deform_attn_forward(value: Tensor, spatial_shapes: Tensor,
                           level_start_index: Tensor,
                           sampling_locations: Tensor,
                           attention_weights: Tensor,
                           im2col_step: int) -> Tensor:
    return _deform_attn(spatial_shapes)(value, sampling_locations,
                                        attention_weights)


def ms_deform_attn_backward(value: Tensor, spatial_shapes: Tensor,
                            level_start_index: Tensor,
                            sampling_locations: Tensor,
                            attention_weights: Tensor, grad_output: Tensor,
                            grad_value: Tensor, grad_sampling_loc: Tensor,
                            grad_attn_weight: Tensor,
                            im2col_step: int) -> None:
    _fill([grad_value, grad_sampling_loc, grad_attn_weight],
          _deform_attn(spatial_shapes),
          [value, sampling_locations, attention_weights], grad_output)

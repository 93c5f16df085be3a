"""Kernels of ``mmcv._ext``, by torchvision, for mmcv-lite.

Names, arguments and results are those that mmcv's Python code calls: a
kernel writes into the tensors that it is handed. A backward kernel runs
torchvision's forward again under autograd, which keeps to public functions.
Deformable attention needs no kernel where mmcv has a PyTorch form (CPU); on
CUDA that form is called from here. Any other kernel is found, so that
``mmcv.ops`` imports whole, and raises NotImplementedError when it is called.
"""
import torch
from torch.nn import functional as F
from torchvision import ops


def __getattr__(name):
    """A kernel that nobody provides: importable, not callable."""
    if name.startswith('__'):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(
            f'The op {name!r} of mmcv.ops is compiled code, which mmcv-lite '
            'does not have. To use it: pip install mmcv (the full package, '
            '>=2.0.0,<2.2.0) in place of mmcv-lite.')

    missing.__name__ = name
    return missing


def get_compiler_version():
    return 'n/a (mmcv-lite, kernels by torchvision)'


def get_compiling_cuda_version():
    return 'n/a (mmcv-lite, kernels by torchvision)'


def nms(boxes, scores, iou_threshold, offset):
    """Indices (K,) of the boxes (N, 4) kept, best score first."""
    # A box of inclusive pixel corners (offset 1) is one longer each way.
    boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return ops.nms(boxes, scores, iou_threshold)


def softnms(boxes, scores, dets, iou_threshold, sigma, min_score, method,
            offset):
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
        overlap = ops.box_iou(far[best, None], far[left])[0]
        if method == 2:
            weight = torch.exp(-overlap**2 / sigma)
        else:
            weight = 1 - overlap if method == 1 else torch.zeros_like(overlap)
            weight[overlap < iou_threshold] = 1
        scores[left] *= weight
        left = left[scores[left] >= min_score]
    return torch.stack(kept) if kept else left


def _fill(outputs, compute, inputs, grad) -> None:
    """Write the gradients of ``compute(*inputs)`` into ``outputs``."""
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in inputs]
        grads = torch.autograd.grad(compute(*inputs), inputs, grad)
    for output, value in zip(outputs, grads):
        output.copy_(value)


def _roi_align(rois, aligned_height, aligned_width, spatial_scale,
               sampling_ratio, pool_mode, aligned):
    if pool_mode == 0:
        raise NotImplementedError(
            "RoIAlign(pool_mode='max') of mmcv.ops is compiled code; "
            "torchvision has 'avg' only. To use it: pip install mmcv in "
            'place of mmcv-lite.')
    return lambda x: ops.roi_align(
        x, rois, (aligned_height, aligned_width), spatial_scale,
        sampling_ratio, aligned)


def roi_align_forward(input, rois, output, argmax_y, argmax_x, **kwargs
                      ) -> None:
    output.copy_(_roi_align(rois, **kwargs)(input))


def roi_align_backward(grad_output, rois, argmax_y, argmax_x, grad_input,
                       **kwargs):
    # Averaging is linear: its gradient is the same at any input.
    _fill([grad_input], _roi_align(rois, **kwargs),
          [torch.zeros_like(grad_input)], grad_output)


def _deform_conv(dH, dW, padH, padW, dilationH, dilationW, **_):
    """torchvision reads both numbers of groups off the shapes."""
    return lambda input, offset, weight: ops.deform_conv2d(
        input, offset, weight, None, (dH, dW), (padH, padW),
        (dilationH, dilationW))


def deform_conv_forward(input, weight, offset, output, columns, ones, **kwargs
                        ) -> None:
    output.copy_(_deform_conv(**kwargs)(input, offset, weight))


def deform_conv_backward_input(input, offset, grad_output, grad_input,
                               grad_offset, weight, columns, **kwargs) -> None:
    conv = _deform_conv(**kwargs)
    _fill([grad_input, grad_offset], lambda x, o: conv(x, o, weight),
          [input, offset], grad_output)


def deform_conv_backward_parameters(input, offset, grad_output, grad_weight,
                                    columns, ones, **kwargs):
    # Linear in the weight, so again the gradient is the same at any.
    conv = _deform_conv(**kwargs)
    _fill([grad_weight], lambda w: conv(input, offset, w),
          [torch.zeros_like(grad_weight)], grad_output)


def _modulated_deform_conv(stride_h, stride_w, pad_h, pad_w, dilation_h,
                           dilation_w, with_bias, **_):
    return lambda input, offset, mask, weight, bias: ops.deform_conv2d(
        input, offset, weight, bias if with_bias else None,
        (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), mask)


def modulated_deform_conv_forward(input, weight, bias, ones, offset, mask,
                                  output, columns, **kwargs) -> None:
    output.copy_(
        _modulated_deform_conv(**kwargs)(input, offset, mask, weight, bias))


def modulated_deform_conv_backward(input, weight, bias, ones, offset, mask,
                                   columns, grad_input, grad_weight, grad_bias,
                                   grad_offset, grad_mask, grad_output,
                                   **kwargs) -> None:
    conv = _modulated_deform_conv(**kwargs)
    if kwargs['with_bias']:
        grad_bias.copy_(grad_output.sum((0, 2, 3)))
    _fill([grad_input, grad_offset, grad_mask, grad_weight],
          lambda x, o, m, w: conv(x, o, m, w, bias),
          [input, offset, mask, weight], grad_output)


def _sigmoid_focal_loss(target, weight, gamma, alpha):
    def loss(input):
        classes = torch.arange(input.size(1), device=input.device)
        positive = (target[:, None] == classes).to(input)
        value = ops.sigmoid_focal_loss(input, positive, alpha, gamma)
        if weight.numel():
            # One weight a class; background, the number after, keeps its own.
            value = value * F.pad(weight, (0, 1), value=1)[target, None]
        return value

    return loss


def sigmoid_focal_loss_forward(input, target, weight, output, gamma, alpha
                               ) -> None:
    """Fill output (N, K); a target equal to K is background."""
    output.copy_(_sigmoid_focal_loss(target, weight, gamma, alpha)(input))


def sigmoid_focal_loss_backward(input, target, weight, grad_input, gamma,
                                alpha) -> None:
    _fill([grad_input], _sigmoid_focal_loss(target, weight, gamma, alpha),
          [input], torch.ones_like(input))


def _deform_attn(spatial_shapes):
    # Imported here: mmcv.ops itself is what imports this module.
    from mmcv.ops import multi_scale_deform_attn as msda
    return lambda value, locations, weights: (
        msda.multi_scale_deformable_attn_pytorch(value, spatial_shapes,
                                                 locations, weights))


def ms_deform_attn_forward(value, spatial_shapes, level_start_index,
                           sampling_locations, attention_weights,
                           im2col_step):
    return _deform_attn(spatial_shapes)(value, sampling_locations,
                                        attention_weights)


def ms_deform_attn_backward(value, spatial_shapes, level_start_index,
                            sampling_locations, attention_weights, grad_output,
                            grad_value, grad_sampling_loc, grad_attn_weight,
                            im2col_step) -> None:
    _fill([grad_value, grad_sampling_loc, grad_attn_weight],
          _deform_attn(spatial_shapes),
          [value, sampling_locations, attention_weights], grad_output)

"""Batches of one modality, stacked by the loader or here, on the device."""
from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

SPARE = 2  # pieces of memory that are kept


@MODELS.register_module()
class BatchDataPreprocessor(ActionDataPreprocessor):
    """``ActionDataPreprocessor`` that costs the main process little.

    A batch that lies in one piece (``stack_in_worker``) travels to the device
    as one tensor, and so do all labels. On a CPU clips are cast on their way
    into the batch, whose memory is used again as soon as nothing holds it.
    The numbers are those of ``ActionDataPreprocessor``, and so are the
    arguments.

    Args:
        **kwargs: See ``ActionDataPreprocessor``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._only_casts = self.to_float32 and not (
            self._enable_normalize or self.to_rgb)
        self._memory = _Memory()

    def cast_data(self, data: Any) -> Any:
        """Move a batch to the device.

        Args:
            data: ``inputs`` and ``data_samples``, or a part of them.

        Returns:
            The same there.
        """
        return cast_batch(data, self.device, super().cast_data)

    def preprocess(self, inputs: list[Tensor],
                   data_samples: list[ActionDataSample],
                   training: bool = False
                   ) -> tuple[Tensor, list[ActionDataSample]]:
        """Stack and cast.

        Args:
            inputs: Clips.
            data_samples: Of the clips.
            training: Whether to blend. Defaults to False.

        Returns:
            The batch, float32, and the samples.
        """
        shapes = {one.shape for one in inputs}
        if not self._only_casts or len(shapes) != 1 or \
                self.device.type != 'cpu':
            return super().preprocess(inputs, data_samples, training)
        batch = self._memory.floats((len(inputs), *shapes.pop()))
        for row, clip in zip(batch, inputs):
            row.copy_(clip)
        if training and self.blending is not None:
            return self.blending(batch, data_samples)
        return batch, data_samples


def cast_batch(data: Any, device: torch.device, cast: Callable[[Any], Any]
               ) -> Any:
    """Move a batch to a device.

    Args:
        data: ``inputs``, a list of tensors or several by name, and
            ``data_samples``.
        device: Where to.
        cast: How anything else is moved.

    Returns:
        The same there.
    """
    if not isinstance(data, dict) or 'inputs' not in data:
        return cast(data)
    moved: dict[str, Any] = {}
    for key, value in data.items():
        if key == 'data_samples' and _only_labels(value):
            moved[key] = _cast_samples(value, device)
        elif key == 'inputs' and isinstance(value, dict):
            moved[key] = {name: _cast_inputs(one, cast)
                          for name, one in value.items()}
        elif key == 'inputs':
            moved[key] = _cast_inputs(value, cast)
        else:
            moved[key] = cast(value)
    return moved


def _cast_inputs(inputs: Any, cast: Callable[[Any], Any]) -> Any:
    """Tensors that lie one after the other in one piece."""
    if not isinstance(inputs, list) or not inputs or not all(
            isinstance(one, Tensor) and one.is_contiguous()
            for one in inputs):
        return cast(inputs)
    first = inputs[0]
    step = first.numel() * first.element_size()
    if any((one.shape, one.dtype, one.data_ptr()) !=
           (first.shape, first.dtype, first.data_ptr() + i * step)
           for i, one in enumerate(inputs)) or len({
               one.untyped_storage().data_ptr() for one in inputs}) > 1:
        return cast(inputs)
    together = first.as_strided((len(inputs), *first.shape),
                                (first.numel(), *first.stride()))
    return list(cast(together))


def _only_labels(samples: Any) -> bool:
    """Whether labels are all that has to be moved, and are alike."""
    return isinstance(samples, list) and all(
        isinstance(sample, ActionDataSample) and sample.keys() == ['gt_label']
        for sample in samples) and len({
            sample.gt_label.shape for sample in samples}) == 1


def _cast_samples(samples: Sequence[ActionDataSample], device: torch.device
                  ) -> list[ActionDataSample]:
    """Copies of samples whose labels are on a device."""
    # pyrefly: ignore[missing-attribute]  set with the label
    labels = [sample.gt_label for sample in samples]
    if device.type != 'cpu':
        labels = list(torch.stack(labels).to(device))
    moved = []
    for sample, label in zip(samples, labels):
        one = copy.copy(sample)
        # what the copies share would be changed by one of them
        one.__dict__.update(gt_label=label, _data_fields={'gt_label'},
                            _metainfo_fields=set(sample._metainfo_fields))
        moved.append(one)
    return moved


class _Memory:
    """Memory that is used again; new memory costs several times the cast."""

    def __init__(self) -> None:
        self._spare: list[np.ndarray] = []

    def floats(self, shape: Sequence[int]) -> Tensor:
        """A tensor of any values, float32."""
        count = int(np.prod(shape))
        try:
            memory = self._spare.pop()
        except IndexError:
            memory = np.empty(0, np.float32)
        if len(memory) < count:
            memory = _aligned(count)
        view = memory[:count].reshape(shape)
        # whatever shares the tensor's memory holds the view
        undo = weakref.finalize(view, self._give_back, memory)
        # it has this attribute, which the checker's stub lacks
        undo.atexit = False  # pyrefly: ignore[missing-attribute]
        return torch.from_numpy(view)

    def _give_back(self, memory: np.ndarray) -> None:
        if len(self._spare) < SPARE:
            self._spare.append(memory)

    def __reduce__(self) -> tuple[type, tuple]:
        return _Memory, ()  # copies of a model have their own


def _aligned(count: int) -> np.ndarray:
    """New memory as torch aligns it; numpy asks for large pages."""
    memory = np.empty(count + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start:start + count]

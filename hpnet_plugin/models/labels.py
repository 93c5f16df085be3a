"""Labels of a batch."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmaction.structures import ActionDataSample


def check_labels(data_samples: Sequence[ActionDataSample],
                 num_classes: int) -> None:
    """Refuse classes that a model does not have.

    Args:
        data_samples: With ``gt_label``; soft labels (K,) pass if K is right.
        num_classes: K.

    Raises:
        ValueError: If a label is not a class; names the clip.
    """
    for sample in data_samples:
        # pyrefly: ignore[missing-attribute]  set with the label
        label = sample.gt_label
        good = 0 <= int(label) < num_classes if label.numel() == 1 else \
            len(label) == num_classes
        if not good:
            name = getattr(sample, 'frame_dir', 'a clip')
            raise ValueError(
                f'{name} has label {label.tolist()}, the model has '
                f'{num_classes} classes, 0 to {num_classes - 1}: num_classes '
                'and the class names of the config must be those of the '
                'dataset')

"""Where half precision would hurt."""
from __future__ import annotations

import contextlib

import torch


def full_precision(device: torch.device
                   ) -> contextlib.AbstractContextManager:
    """Switch autocast off.

    Args:
        device: Where is computed. One without autocast, such as ``meta``,
            needs nothing.

    Returns:
        Context in which tensors keep their precision.
    """
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()

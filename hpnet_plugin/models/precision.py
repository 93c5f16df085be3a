"""Where half precision would hurt."""
import contextlib

import torch


def full_precision(device: torch.device):
    """Context in which autocast is off.

    Args:
        device: Where is computed; one without autocast, such
            as ``meta``, needs nothing.
    """
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()

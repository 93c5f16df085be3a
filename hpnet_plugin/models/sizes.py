"""Checkpoints and inputs of another size than the model's."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmengine.logging import print_log

from ..weights import Differences, compare

if TYPE_CHECKING:
    from torch import Tensor, nn


def refuse_other_sizes(module: nn.Module, forgiven: Sequence[str] = (),
                       fitted: Sequence[str] = ()) -> None:
    """Let a module refuse checkpoints whose tensors have other shapes.

    mmengine only logs them, and then trains or tests with random weights.

    Args:
        module: The module.
        forgiven: Beginnings of keys, within the module, that may differ: they
            start anew, which is logged.
        fitted: Keys that a part of the module fits itself.

    Raises:
        ValueError: On loading; names what differs.
    """

    def check(module: nn.Module, state_dict: dict[str, Tensor], prefix: str,
              *_: object) -> None:
        own = {prefix + key: value
               for key, value in module.state_dict().items()
               if key not in fitted}
        differ = dict(compare(state_dict, own).shapes)
        for key in list(differ):
            if key.startswith(tuple(prefix + start for start in forgiven)):
                there, here = differ.pop(key)
                del state_dict[key]
                print_log(f'{key} starts anew: it is {there} in the '
                          f'checkpoint and {here} in the model', 'current',
                          logging.WARNING)
        if differ:
            raise ValueError(
                f'the checkpoint is that of another {type(module).__name__}: '
                f'{Differences(shapes=differ)}. Take the config that it was '
                'made with (channels of the tap, people, sizes of the '
                'towers)')

    module.register_load_state_dict_pre_hook(check)


def refuse_other_input(module: nn.Module, x: Tensor,
                       expected: tuple[int, int, int]) -> None:
    """Raise an error if joints are not what a backbone was built for.

    Args:
        module: The backbone.
        x: (N, M, T, V, C).
        expected: Its M, V and C.

    Raises:
        ValueError: Names both.
    """
    found = x.shape[1], *x.shape[3:]
    if found != expected:
        raise ValueError(
            f'{type(module).__name__} was built for (people, joints, '
            f'channels) {expected}, the input (N, M, T, V, C) has {found}: '
            'set num_person, graph and in_channels, or the tap of '
            'LoadPooledFeature')

"""Results that are kept for as long as the weights stay as they are."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from .precision import full_precision

T = TypeVar('T')


def every(*modules: nn.Module) -> list[nn.Module]:
    """Modules and all that is in them, faster than ``modules()``.

    Args:
        modules: The outer ones.

    Returns:
        They, what is in them, and so on; twice what is there twice.
    """
    found = list(modules)
    for module in found:
        found.extend(part for part in module._modules.values()
                     if part is not None)
    return found


class Kept(Generic[T]):
    """What is made of the weights of some modules, made once.

    It is made again when a parameter or a buffer was written to, moved or
    replaced. Writing through ``.data`` leaves no trace that could be seen
    here: a module that owns one of these calls :meth:`drop` when its mode is
    set, which is what follows such writing in mmengine's hooks.
    """

    def __init__(self) -> None:
        self._held: tuple[list[Tensor], list[tuple], T] | None = None

    def drop(self) -> None:
        """Forget it."""
        self._held = None

    def __call__(self, modules: Sequence[nn.Module],
                 make: Callable[[], T]) -> T:
        """What was kept, or what is made now.

        Args:
            modules: Whose parameters and buffers it depends on.
            make: Makes it.

        Returns:
            It. With gradients it is made anew each time, and also while
            torch compiles, and for tensors of inference mode.
        """
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return make()
        used = [tensor for module in every(*modules)
                for store in (module._parameters, module._buffers)
                for tensor in store.values() if tensor is not None]
        try:
            stamps = [(id(tensor), tensor._version, tensor.data_ptr())
                      for tensor in used]
        except RuntimeError:  # inference tensors do not count their changes
            return make()
        if self._held is None or self._held[1] != stamps:
            with torch.inference_mode(False), torch.no_grad(), \
                    full_precision(used[0].device):
                # holds what was used: no other tensor may get its id
                self._held = used, stamps, make()
        return self._held[2]

    def __getstate__(self) -> dict[str, object]:
        return dict(_held=None)

"""Names of the maps to pool, and help with wrong ones."""
from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

CLOSE = 5  # names that are shown for a wrong one


class TapError(ValueError):
    """A tap names no feature map of the pose net."""


def unknown_tap(tap: str, names: Sequence[str], kind: str,
                pose: str | Path = 'POSE', net: str = 'the pose net'
                ) -> TapError:
    """TapError that names the closest existing taps.

    Args:
        tap: The tap that is not there.
        names: Those that are.
        kind: What they are, ``'module path'`` or ``'tensor'``.
        pose: The pose net's file.
        net: What the net is called.

    Returns:
        To be raised.
    """
    # names that hold the word come first: resemblance goes by length
    close = [name for name in names if tap and tap in name][-CLOSE:]
    close += [name for name in difflib.get_close_matches(
        tap, names, n=CLOSE, cutoff=0) if name not in close]
    advice = f'the closest: {", ".join(close[:CLOSE])}' if close else \
        'it has none'
    return TapError(f'tap {tap!r} is no {kind} of {net}; {advice}. '
                    f'"hpnet taps {pose}" lists all feature maps')


def _map(output: torch.Tensor) -> torch.Tensor | None:
    return output if output.ndim == 4 else None


class ModuleTaps:
    """Keeps the outputs of named modules of a torch model's last forward.

    Args:
        model: The pose net.
        names: Module paths, as in ``named_modules``.
        pose: The pose net's file, for messages.
        net: What the net is called, likewise.
        shapes: Turns an output into a feature map, or says by None that it
            is none. Defaults to maps (N, C, h, w) as they come.

    Raises:
        TapError: If a name is no module path; the message has the closest.
    """

    def __init__(self, model: nn.Module, names: Sequence[str],
                 pose: str | Path = 'POSE', net: str = 'the pose net',
                 shapes: Callable[[torch.Tensor], torch.Tensor | None] = _map
                 ) -> None:
        modules = dict(model.named_modules())
        self.names = list(names)
        self.maps: dict[str, torch.Tensor] = {}
        for name in names:
            if name not in modules or not name:
                raise unknown_tap(name, [n for n in modules if n],
                                  'module path', pose, net)
            modules[name].register_forward_hook(
                self._keeper(name, pose, shapes))

    def take(self) -> dict[str, torch.Tensor]:
        """Maps of the last forward.

        Returns:
            Tap to map (N, C, h, w), in order of name.

        Raises:
            TapError: If one was not reached.
        """
        maps, self.maps = self.maps, {}
        for name in self.names:
            if name not in maps:
                raise TapError(f'tap {name!r} was not reached by the forward '
                               'pass: name a module that the pose net uses')
        return {name: maps[name] for name in self.names}

    def _keeper(self, name: str, pose: str | Path,
                shapes: Callable[[torch.Tensor], torch.Tensor | None]
                ) -> Callable[[nn.Module, object, object], None]:

        def keep(module: nn.Module, inputs: object, output: object) -> None:
            found = shapes(output) if isinstance(output, torch.Tensor) \
                else None
            if found is None:
                got = tuple(output.shape) if isinstance(
                    output, torch.Tensor) else type(output).__name__
                raise TapError(f'tap {name!r} gives {got}; a feature map '
                               '(N, C, h, w) is needed: name a module inside '
                               f'it, "hpnet taps {pose}" lists them')
            # A later module may overwrite its input in place (HRNet's
            # fusion does), hence the copy.
            self.maps[name] = found.detach().clone()

        return keep


def maps_of_modules(model: nn.Module, run: Callable[[], object],
                    shapes: Callable[[torch.Tensor], torch.Tensor | None]
                    = _map) -> dict[str, tuple[int, int, int]]:
    """All modules of a model that give a feature map.

    Args:
        model: The pose net.
        run: Runs it on one crop.
        shapes: See :class:`ModuleTaps`.

    Returns:
        Module path to (C, h, w).
    """
    found: dict[str, tuple[int, int, int]] = {}
    hooks = []
    for name, module in model.named_modules():

        def keep(module: nn.Module, inputs: object, output: object,
                 name: str = name) -> None:
            value = shapes(output) if isinstance(output, torch.Tensor) \
                else None
            if value is not None:
                channels, height, width = value.shape[1:]
                found[name] = channels, height, width

        hooks.append(module.register_forward_hook(keep))
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: found[name] for name, _ in model.named_modules()
            if name and name in found}

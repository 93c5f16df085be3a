"""What the layers of an image net give, as feature maps (N, C, h, w)."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class MapShapes:
    """Turns outputs of a net's layers into feature maps.

    Args:
        size: Width and height of the net's input in pixels.
        prefix: Tokens before the patches: class token and registers.
        channels_last: Whether the net's own maps are (N, h, w, C).
    """

    def __init__(self, size: tuple[int, int], prefix: int = 0,
                 channels_last: bool = False) -> None:
        self.size, self.prefix = size, prefix
        self.channels_last = channels_last

    def __call__(self, value: Tensor, count: int) -> Tensor | None:
        """The feature map in an output.

        Args:
            value: What a layer gives: a map, channels first or last, or
                tokens (N, L, C), with or without those before the patches.
            count: N.

        Returns:
            (N, C, h, w), in which a cell is a patch of the image; None if
            the output is no map.
        """
        if len(value) != count:
            return None
        if value.ndim == 4:
            return self._map(value)
        if value.ndim != 3:
            return None
        for left in dict.fromkeys((self.prefix, 0)):
            grid = self._grid(value.shape[1] - left)
            if grid:
                patches = value[:, left:].transpose(1, 2)
                return patches.unflatten(2, grid)
        return None

    def _map(self, value: Tensor) -> Tensor | None:
        """Channels first: a map has the shape of the input."""
        first = self._alike(value.shape[2], value.shape[3])
        last = self._alike(value.shape[1], value.shape[2])
        if first and not (last and self.channels_last):
            return value
        return value.permute(0, 3, 1, 2) if last else None

    def _alike(self, height: int, width: int) -> bool:
        """Whether cells of a whole number of pixels fill the image.

        Matrices of attention are square as well, but do not.
        """
        fits = (0 < cells <= side and side // (side // cells) == cells
                for cells, side in zip((width, height), self.size))
        return all(fits) and height * self.size[0] == width * self.size[1]

    def _grid(self, tokens: int) -> tuple[int, int] | None:
        """Height and width of so many patches, if they fill the image."""
        if tokens < 1:
            return None
        width, height = self.size
        rows = math.isqrt(tokens * height // width)
        columns = tokens // rows if rows else 0
        whole = rows * columns == tokens and self._alike(rows, columns)
        return (rows, columns) if whole else None

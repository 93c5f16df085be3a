"""What makes a kind of published checkpoint."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

LOAD_FROM = "load_from = '{}' in a config, or --cfg-options load_from={}"


class ConversionError(ValueError):
    """A checkpoint that cannot be converted as asked; says why."""


@dataclass(frozen=True)
class Kind:
    """A kind of published checkpoint.

    Attributes:
        what: What it is.
        rules: Pattern of a whole key to its new name.
        left_out: Pattern of a key that is not taken, to the reason.
        needs: Keys that tell its sizes.
        options: Weights to the options of the model's config.
        build: Options to the model that is to load it.
        fresh: Patterns (``fnmatch``) of names in a model that such a file
            lacks.
        use: How the converted file is used; ``{}`` is its name.
    """
    what: str
    rules: Mapping[str, str]
    left_out: Mapping[str, str]
    needs: tuple[str, ...]
    options: Callable[[Mapping[str, Tensor]], dict[str, Any]]
    build: Callable[[Mapping[str, Any]], nn.Module]
    fresh: tuple[str, ...]
    use: str

    def reason(self, key: str) -> str | None:
        """Why a key is not taken.

        Args:
            key: Of the file.

        Returns:
            None if it is.
        """
        pattern = _match(key, self.left_out)
        return None if pattern is None else self.left_out[pattern]

    def name(self, key: str) -> str | None:
        """The new name of a key.

        Args:
            key: Of the file.

        Returns:
            None if no rule knows it.
        """
        pattern = _match(key, self.rules)
        return None if pattern is None else re.sub(
            pattern, self.rules[pattern], key)

    def fits(self, keys: Iterable[str]) -> bool:
        """Whether a file looks like this kind.

        Args:
            keys: All of the file.

        Returns:
            True if none is unknown and those that tell its sizes are there.
        """
        keys = set(keys)
        return keys.issuperset(self.needs) and all(
            self.reason(key) or self.name(key) for key in keys)


def _match(key: str, patterns: Iterable[str]) -> str | None:
    """The pattern that the whole key fits."""
    return next((p for p in patterns if re.fullmatch(p, key)), None)


def count_blocks(state: Iterable[str], pattern: str) -> int:
    """How many numbered blocks weights belong to.

    Args:
        state: Names of weights.
        pattern: Of the beginning of a name, with the number as its group.

    Returns:
        1 + the largest number.
    """
    found = [re.match(pattern, key) for key in state]
    return 1 + max(int(match[1]) for match in found if match)

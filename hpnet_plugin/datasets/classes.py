"""Class names of the benchmarks, in label order."""
from __future__ import annotations

from collections.abc import Sequence

from ..benchmark_files import class_list


def class_names(classes: str | Sequence[str]) -> list[str]:
    """Class names, wherever they come from.

    Args:
        classes (str | Sequence[str]): One of the lists that the package
            ships (``'ntu60'``, ``'ntu120'``, ``'smarthome_cs'``,
            ``'smarthome_cv'``, ``'uav_human'``, ``'nw_ucla'``,
            ``'ucf101'``), a text file with a name a line, or the names
            themselves.

    Returns:
        list[str]: The names in label order.

    Raises:
        ValueError: If there is no such list or file, or a name comes twice.
    """
    return class_list(classes)

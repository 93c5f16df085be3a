"""Class names of the benchmarks, in label order."""
import difflib
import os.path as osp
from importlib import resources

from .sources import read_classes


def class_names(classes):
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
    if not isinstance(classes, str):
        names = list(classes)
    elif osp.isfile(classes):
        names = read_classes(classes)
    else:
        folder = resources.files(__package__) / 'labels'
        shipped = {item.name[:-4]: item for item in folder.iterdir()
                   if item.name.endswith('.txt')}
        if classes not in shipped:
            close = difflib.get_close_matches(classes, shipped, 3, 0.3)
            raise ValueError(
                f'{classes}: no such file of class names, and none of the '
                f'lists that are shipped, {sorted(shipped)}'
                + (f'; the closest is {close[0]!r}' if close else ''))
        names = shipped[classes].read_text(encoding='utf-8').splitlines()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ValueError(f'class names {classes!r}: '
                         + (f'{twice} more than once' if twice else 'none'))
    return names

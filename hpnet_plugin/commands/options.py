"""Options that several commands have, and what their values must be."""
from __future__ import annotations

import argparse
import math
import os.path as osp
from collections.abc import Callable, Sequence
from typing import Any


def command_parser(about: str | None, **options: Any
                   ) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows a module's docstring as it is written.

    Args:
        about (str): The docstring.
        options: Others of ``ArgumentParser``.
    """
    return argparse.ArgumentParser(
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options)


def whole_number(least: int = 1) -> Callable[[str], int]:
    """The type of an option that is a whole number.

    Args:
        least (int): The smallest that will do.
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least:
            raise argparse.ArgumentTypeError(
                f'{text} is not a whole number, {least} or more')
        return value

    return read


def positive(text: str) -> float:
    """The type of an option that is a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return value


def output_file(text: str) -> str:
    """The type of an option that names a file to be written.

    What cannot be written is said before the work, not after it.
    """
    if osp.isdir(text):
        raise argparse.ArgumentTypeError(
            f'{text} is a folder; name a file to write')
    _refuse_file_above(text)
    return text


def output_folder(text: str) -> str:
    """The type of an option that names a folder to be written."""
    if osp.lexists(text) and not osp.isdir(text):
        raise argparse.ArgumentTypeError(
            f'{text} is a file; name a folder to write')
    _refuse_file_above(text)
    return text


def _refuse_file_above(path):
    above = osp.dirname(osp.abspath(path))
    while not osp.lexists(above):
        above = osp.dirname(above)
    if not osp.isdir(above):
        raise argparse.ArgumentTypeError(
            f'{path} cannot be written: {above} is a file, not a folder')


def add_classes(parser: argparse.ArgumentParser,
                more: str = '') -> None:
    """``--classes``.

    Args:
        parser (ArgumentParser): Where it is added.
        more (str): What else it does.
    """
    parser.add_argument(
        '--classes', metavar='FILE',
        help='class names in label order, one a line' + more)


def add_labels(parser: argparse.ArgumentParser) -> None:
    """``--labels``."""
    parser.add_argument(
        '--labels', metavar='FILE',
        help='file with "clip label" in each line, for score files that hold '
        'no labels')


def add_prob(parser: argparse.ArgumentParser) -> None:
    """``--prob``."""
    parser.add_argument(
        '--prob', action='store_true',
        help='turn logits into probabilities before the fusion; streams that '
        'hold probabilities stay as they are')


def config_options(words: Sequence[str]) -> dict[str, Any]:
    """Values of ``--cfg-options``.

    Args:
        words: ``KEY=VALUE`` each, as ``mim train`` takes them.

    Returns:
        dict: Dotted key to value.

    Raises:
        ValueError: A word that is no ``KEY=VALUE``.
    """
    from mmengine.config import DictAction
    options = {}
    for word in words:
        key, sign, value = word.partition('=')
        if not sign:
            raise ValueError(f'--cfg-options {word}: expected KEY=VALUE')
        options[key] = DictAction._parse_iterable(value)
    return options

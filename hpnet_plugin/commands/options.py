"""Options that several commands have, and what their values must be."""
from __future__ import annotations

import argparse
import math
import os.path as osp
from collections.abc import Callable, Sequence
from typing import Any


def whole_number(least: int = 1, most: int | None = None
                 ) -> Callable[[str], int]:
    """The type of an option that is a whole number.

    Args:
        least: The smallest that will do.
        most: The largest. Defaults to None: any.
    """
    expected = f', {least} or more' if most is None else \
        f' from {least} to {most}'

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None
                                              and value > most):
            raise argparse.ArgumentTypeError(
                f'{text} is not a whole number{expected}')
        return value

    return read


def number(least: float | None = None, most: float | None = None
           ) -> Callable[[str], float]:
    """The type of an option that is a finite number.

    Args:
        least: The smallest that will do. Defaults to None:
            any.
        most: The largest, of one that has a smallest.
            Defaults to None: any.
    """
    expected = '' if least is None else f', {least:g} or more' \
        if most is None else f' from {least:g} to {most:g}'

    def read(text: str) -> float:
        value = _finite(text)
        if value is None or least is not None and value < least or \
                most is not None and value > most:
            raise argparse.ArgumentTypeError(
                f'{text} is not a number{expected}')
        return value

    return read


def positive(text: str) -> float:
    """The type of an option that is a number above 0."""
    value = _finite(text)
    if value is None or value <= 0:
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return value


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


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
    if '://' in text:
        raise argparse.ArgumentTypeError(
            f'{text} is a URL; only hpnet extract writes to one')
    if osp.lexists(text) and not osp.isdir(text):
        raise argparse.ArgumentTypeError(
            f'{text} is a file; name a folder to write')
    _refuse_file_above(text)
    return text


def _refuse_file_above(path: str) -> None:
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
        parser: Where it is added.
        more: What else it does.
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


def add_weights(add: Callable[..., Any]) -> None:
    """``--weights`` and ``--learnt`` of a fusion.

    They are looked at by :func:`refuse_weights`.

    Args:
        add: ``add_argument`` of a parser or a group.
    """
    add('--weights', nargs='+', type=number(), metavar='W',
        help='of the models of a fusion, one each (default: those of their '
        'dataset, or equal ones)')
    add('--learnt', metavar='FILE.json',
        help='in place of --weights, the layer that hpnet fuse --learn --save '
        'FILE.json wrote: one model for each stream that it was learnt over, '
        'in the same order')


def refuse_weights(parser: argparse.ArgumentParser,
                   args: argparse.Namespace,
                   models: Sequence[str]) -> None:
    """End the program where ``--weights`` are not one a model.

    Args:
        parser: Says so.
        args: What was given, ``--weights`` and ``--learnt`` among it.
        models: Likewise.
    """
    weights = args.weights
    if weights and args.learnt:
        parser.error('--learnt has a layer in place of weights: leave '
                     '--weights out')
    if weights and len(models) == 1:
        parser.error('--weights are for a fusion of several models')
    if weights and len(weights) != len(models):
        parser.error(f'{len(weights)} --weights for {len(models)} models: '
                     'give one a model, in the same order')


def config_options(words: Sequence[str]) -> dict[str, Any]:
    """Values of ``--cfg-options``.

    Args:
        words: ``KEY=VALUE`` each, as ``mim train`` takes them.

    Returns:
        Dotted key to value.

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

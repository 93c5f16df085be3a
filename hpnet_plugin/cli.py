"""The command ``hpnet``: one subcommand a tool."""
from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from .compat.packages import OPENMMLAB
from .own_files import OwnFileError, import_own_file
from .version import __version__

# title -> subcommand -> module of this package, what it does
GROUPS = {
    'From videos to a dataset folder': {
        'prepare': ('commands.prepare',
                    "check a benchmark's download; write labels and splits"),
        'extract': ('commands.extract',
                    'extract pooled features from videos'),
        'plan': ('commands.plan',
                 'plan a large extraction: machines, hours, bytes, cost'),
        'taps': ('commands.taps',
                 'list the feature maps of a pose net that can be pooled'),
        'import-released': ('commands.import_released',
                            "make a dataset folder from the authors' files"),
        'import-poses': ('commands.import_poses',
                         'convert 2D or 3D poses of other tools'),
        'fetch': ('commands.fetch',
                  'copy a dataset folder that is at a URL'),
        'verify': ('commands.verify',
                   'check every byte of a dataset folder, and repair it'),
        'store': ('commands.store',
                  'merge and split dataset folders, pack them anew'),
    },
    'Training and results': {
        'train': ('commands.train', 'train a model by its name or config'),
        'test': ('commands.test', 'test a trained model and write its scores'),
        'fuse': ('commands.fuse', 'fuse the scores of several streams'),
        'calibrate': ('commands.calibrate',
                      'fit how sure a model is, and when it says "unknown"'),
        'analyze': ('commands.analyze',
                    'tables and figures: classes, gains, Fisher scores, '
                    't-SNE, timelines'),
        'visualize': ('commands.visualize',
                      'feature maps, detectors, and what moved a score'),
        'report': ('commands.report',
                   'write trainings, scores and data to an HTML page'),
        'reproduce': ('commands.reproduce', "reproduce the paper's tables"),
        'study': ('commands.study',
                  'compare methods on a small dataset, fold by fold'),
    },
    'Prediction': {
        'predict': ('commands.predict', 'say what people in new videos do'),
        'app': ('commands.app', 'serve a page that does so for visitors'),
    },
    'Models': {
        'save': ('commands.save',
                 'save a trained model, or a fusion, as a folder with its '
                 'card'),
        'config': ('commands.config', 'print a whole config'),
        'convert': ('commands.convert', 'convert a published checkpoint'),
        'export': ('commands.export',
                   'export a trained model to ONNX, with its pose net'),
        'cost': ('commands.cost',
                 'count parameters, multiply-adds and memory'),
    },
    'This installation': {
        'doctor': ('compat.doctor',
                   'check this installation and repair it'),
        'benchmark': ('commands.benchmark',
                      'compare speed and memory with plain implementations'),
        'demo': ('commands.demo',
                 'run everything on a small synthetic dataset'),
    },
}
STOCK = tuple(package.module for package in OPENMMLAB)
COMMANDS = {name: module for group in GROUPS.values()
            for name, (module, _) in group.items()}


def usage() -> str:
    """The text of ``hpnet --help``.

    Returns:
        Its lines.
    """
    lines = ['usage: hpnet COMMAND …', '',
             'HP-Net for MMAction2: action recognition from heatmap pooled '
             'features.']
    for title, group in GROUPS.items():
        lines += ['', f'{title}:']
        lines += [f'  {name:16}  {about}' for name, (_, about)
                  in group.items()]
    return '\n'.join([
        *lines, '', '"hpnet COMMAND --help" describes a command; "hpnet '
        '--version" prints the version.', '"hpnet --import FILE.py COMMAND …" '
        'imports a file of your own first, which registers', 'networks that '
        'a model of yours is made of.'])


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: The words after ``hpnet``; those of the process if None.

    Returns:
        The exit status, that of the subcommand; 2 if there is none of
        that name, 1 if a stock package is missing.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    while words[:1] == ['--import']:
        try:
            import_own_file(''.join(words[1:2]))
        except OwnFileError as error:
            print(f'hpnet --import: {error}', file=sys.stderr)
            return 2
        words = words[2:]
    if not words or words[0] in ('-h', '--help', 'help'):
        print(usage())
        return 0 if words else 2
    name, *rest = words
    if name == '--version':
        print(f'hpnet_plugin {__version__}')
        return 0
    # the names of the files in tools/, and of the words in Python
    name = name.replace('_', '-')
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, 3, .5)
        print(f'hpnet: no command {name!r}; '
              + (f'closest: {", ".join(close)}; ' if close else '')
              + '"hpnet --help" lists all', file=sys.stderr)
        return 2
    sys.argv = [f'hpnet {name}', *rest]  # for the usage lines
    try:
        module = import_module(f'.{COMMANDS[name]}', __package__)
        return module.main(rest) or 0
    except ModuleNotFoundError as error:
        if error.name not in STOCK:
            raise
        print(f'hpnet {name}: {error.name} is not installed; pip cannot '
              'resolve it, "hpnet doctor --fix" installs it',
              file=sys.stderr)
        return 1
    except BrokenPipeError:  # of "hpnet … | head"
        # what is left to be written at the end has nowhere to go, either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def tool(module: str, command: str) -> Callable[..., int]:
    """What a file of ``tools/`` is: a command that runs if the file does.

    Args:
        module: ``__name__`` of the file.
        command: The subcommand.

    Returns:
        Its ``main``, which takes a command line.
    """
    def call(argv: Sequence[str] | None = None) -> int:
        return main([command, *(sys.argv[1:] if argv is None else argv)])

    if module == '__main__':
        sys.exit(call())
    return call


if __name__ == '__main__':
    sys.exit(main())

"""The command ``hpnet``: one subcommand a tool."""
from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

from .compat.packages import OPENMMLAB
from .version import __version__

# title -> subcommand -> module of this package, what it does
GROUPS = {
    'From videos to a dataset folder': {
        'prepare': ('commands.prepare',
                    "check a benchmark's download; write labels and splits"),
        'extract': ('commands.extract',
                    'extract pooled features: from videos to a dataset '
                    'folder'),
        'import-released': ('commands.import_released',
                            "make a dataset folder of the authors' files"),
        'import-poses': ('commands.import_poses',
                         'bring 2D or 3D poses of others into annotations'),
        'verify': ('commands.verify', 'check every array of a dataset folder'),
    },
    'Training and results': {
        'train': ('commands.train', 'train a model, by its name or config'),
        'test': ('commands.test', 'test a trained model, dump its scores'),
        'fuse': ('commands.fuse', 'fuse the scores of several streams'),
        'calibrate': ('commands.calibrate',
                      'fit how sure a model is, and when it says "unknown"'),
        'analyze': ('commands.analyze',
                    'classes, gains, Fisher scores, t-SNE, timelines'),
        'report': ('commands.report',
                   'write an HTML page of trainings, scores and data'),
        'reproduce': ('commands.reproduce', "reproduce the paper's tables"),
    },
    'Prediction': {
        'predict': ('commands.predict', 'say what people in new videos do'),
        'app': ('commands.app', 'serve a page that does so for visitors'),
    },
    'Models': {
        'save': ('commands.save',
                 'a trained model, or a fusion, as a folder with its card'),
        'config': ('commands.config', 'print a composed config'),
        'convert': ('commands.convert', 'convert a published checkpoint'),
        'export': ('commands.export',
                   'export a trained model to ONNX, with its pose net'),
        'cost': ('commands.cost', 'parameters, multiply-adds and memory'),
    },
    'This installation': {
        'doctor': ('compat.doctor', 'say whether it can do the main job'),
        'benchmark': ('commands.benchmark',
                      'measure speed and memory beside the plain way'),
        'demo': ('commands.demo', 'the whole job on a small made-up dataset'),
    },
}
STOCK = tuple(package.module for package in OPENMMLAB)
COMMANDS = {name: module for group in GROUPS.values()
            for name, (module, _) in group.items()}


def usage() -> str:
    """What ``hpnet --help`` prints."""
    lines = ['usage: hpnet COMMAND …', '',
             'HP-Net for MMAction2: action recognition from heatmap pooled '
             'features.']
    for title, group in GROUPS.items():
        lines += ['', f'{title}:']
        lines += [f'  {name:16}  {about}' for name, (_, about)
                  in group.items()]
    return '\n'.join([*lines, '', '"hpnet COMMAND --help" describes a '
                      'command; "hpnet --version" prints the version.'])


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: The words after ``hpnet``; those of the process if None.

    Returns:
        int: The exit status, that of the subcommand; 2 if there is none of
        that name, 1 if a stock package is missing.
    """
    words = list(sys.argv[1:] if argv is None else argv)
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


if __name__ == '__main__':
    sys.exit(main())

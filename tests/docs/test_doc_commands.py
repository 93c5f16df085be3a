"""Every command on the pages is understood; none of them is run here."""
import __future__

import argparse
import ast
import os
import pathlib
import re
from importlib import import_module, util
from unittest import mock

import pytest
from doc_pages import (
    FENCE,
    ROOT,
    SPAN,
    Block,
    blocks,
    commands,
    pages,
    parsed,
)
from mmengine.config import DictAction

from hpnet_plugin.cli import COMMANDS, usage
from hpnet_plugin.commands.names import find_config
from hpnet_plugin.compat.packages import OPTIONAL
from hpnet_plugin.recipes import RECIPES
from hpnet_plugin.recipes.checks import RUNNER_KEYS

OWN_FILE = re.compile(r'\w+\.py(:\w+)?')  # of a reader
# of mim, git, pip, pytest and tests/fuzz/run.py, and of hpnet itself
OTHERS = ('--launcher', '--import', '--version', '--help', '--no-deps',
          '--guided')
ELSEWHERE = ('source', 'pip', 'ray')  # programs of others
STARTERS = ('srun', 'torchrun')  # of processes, each of one of ours
MMACTION = pathlib.Path(util.find_spec('mmaction').origin).parent
MIM = pathlib.Path(util.find_spec('mim').origin).parent / 'commands'
BLOCKS = [block for block in blocks('', 'bash', 'console')
          if commands(block.text)]


def check_hpnet(words):
    """A subcommand of hpnet: by its own parser."""
    name, *words = without_imports(words)
    assert name in COMMANDS, f'no command {name!r}'
    module = import_module(f'hpnet_plugin.{COMMANDS[name]}')
    args = parsed(module.main, words)
    if name == 'train' and '…' not in args.name:
        find_config(args.name)
    check_settings(getattr(args, 'cfg_options', None) or [])


def without_imports(words):
    """The words behind ``hpnet --import FILE.py``."""
    while words[:1] == ['--import']:
        assert words[1].endswith('.py') and '--import' in usage()
        words = words[2:]
    return words


def check_settings(words):
    """``key=value``: a key of a config, and a value that it may have."""
    known = {*RUNNER_KEYS, 'ann_file'}  # of compat.stock_configs
    for recipe in RECIPES.values():
        known |= set(recipe.defaults())
    for word in words:
        key, _, value = word.partition('=')
        assert key.split('.')[0] in known, f'no setting {key!r}'
        for recipe in RECIPES.values():
            recipe.checks.get(key, str)(value)  # or it is refused
        allowed = [recipe.settings[key] for recipe in RECIPES.values()
                   if key in recipe.settings and key not in recipe.checks]
        if allowed and not OWN_FILE.fullmatch(value):
            assert any(value in map(str, values) for values in allowed), word


def check_mim(words):
    """mim, and mmaction2's script that it starts.

    mim's own options are read from its source: with mim comes a pip that
    changes Python's typing for every test after this one.
    """
    name, *words = words
    source = (MIM / f'{name}.py').read_text()
    if words[0] == '…':  # what comes first does not matter there
        words = ['mmaction2', 'configs/stream.py', *words[1:]]
    package, *words = words
    assert package in ('mmaction2', 'hpnet_plugin')
    if name == 'search':
        assert not words
        return
    config, *words = words
    if config.startswith('configs/'):
        assert (ROOT / config).is_file(), config
    else:
        assert list(MMACTION.glob(f'.mim/configs/**/{config}')), config
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in set(re.findall(r"'(--[a-z-]+)'", source)):
        parser.add_argument(option)
    own, rest = parser.parse_known_args(words)
    if name == 'test':
        rest.insert(0, own.checkpoint or 'checkpoint')
    args = parse_script(MMACTION / f'.mim/tools/{name}.py',
                        [config, *rest])
    check_settings(f'{key}={value}'
                   for key, value in (args.cfg_options or {}).items())


def parse_script(path, words):
    """Hand words to the ``parse_args`` of a script, and run no more of it."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body
                 if getattr(node, 'name', '') == 'parse_args']
    names = dict(argparse=argparse, os=os, pathlib=pathlib,
                 DictAction=DictAction, Path=pathlib.Path, HERE=path.parent,
                 __doc__='')
    exec(compile(tree, str(path), 'exec',
                 __future__.annotations.compiler_flag), names)
    return parsed(names['parse_args'], argv=[str(path), *words])


def check_python(words):
    """A module or a script of this project."""
    if OWN_FILE.fullmatch(words[0]):
        return
    if words[0] != '-m':
        path, words = ROOT / words[0], words[1:]
        assert path.is_file(), path
        if 'def parse_args' in path.read_text():
            parse_script(path, words)
        return
    _, name, *words = words
    if util.find_spec(name).submodule_search_locations:
        name += '.__main__'
    module = import_module(name)
    if hasattr(module, 'parse_args'):
        parsed(module.parse_args, argv=[name, *words])


def check_make(words):
    """Targets of the Makefile."""
    rules = (ROOT / 'Makefile').read_text()
    for target in words:
        if '=' not in target:
            assert re.search(rf'^{target}:', rules, re.MULTILINE), target


def check_started(words):
    """What srun or torchrun starts, as it would find itself."""
    ranks = dict.fromkeys(('RANK', 'LOCAL_RANK', 'SLURM_PROCID',
                           'SLURM_LOCALID'), '0')
    with mock.patch.dict(os.environ, ranks, WORLD_SIZE='1', SLURM_NTASKS='1'):
        check_hpnet(words[words.index('hpnet') + 1:])


def check_ray(words):
    """Options of Ray's command, read from its source."""
    ray = util.find_spec('ray')
    if ray:
        source = pathlib.Path(ray.origin).with_name('scripts') / 'scripts.py'
        for word in words[1:]:
            if word.startswith('--'):
                assert f'"{word}"' in source.read_text(), word


CHECKS = dict(hpnet=check_hpnet, mim=check_mim, python=check_python,
              make=check_make, srun=check_started, torchrun=check_started,
              ray=check_ray)


def check(words):
    """A command of whatever program."""
    program, *words = words
    if program in STARTERS:
        while words[0] not in CHECKS and words[0] != '-m':
            words = words[1:]
        if words[0] == '-m':  # of torchrun: a module
            words = ['python', *words]
        program, *words = words
    if program == 'pip':
        extras = {package.extra for package in OPTIONAL} | {'all'}
        assert set(re.findall(r'hpnet-plugin\[(\w+)\]', ' '.join(words))
                   ) <= extras
    if program not in ELSEWHERE:
        assert program in CHECKS, f'{program}: not known on these pages'
        CHECKS[program](words)
    for word in words:
        if word.startswith('configs/') and '…' not in word:
            assert (ROOT / word).is_file(), word


def test_the_pages_have_commands():
    assert len(BLOCKS) > 50
    assert 'README.md' in {block.page for block in BLOCKS}


@pytest.mark.parametrize('block', BLOCKS, ids=str)
def test_commands_are_understood(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where nothing is
    for words in commands(block.text):
        try:
            check(words)
        except SystemExit:
            pytest.fail(f'{" ".join(words)} is refused by its parser')


def options_of(parser):
    """Options of a parser and of those below it."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= options_of(below)
    return found


@pytest.fixture(scope='module')
def options():
    """Every subcommand of hpnet to its options."""
    found, parsers = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args',
                      lambda self, *_: parsers.append(self) or 1 / 0)
        for name, module in COMMANDS.items():
            with pytest.raises(ZeroDivisionError):
                import_module(f'hpnet_plugin.{module}').main([])
            found[name] = options_of(parsers[-1])
    return found


@pytest.mark.parametrize('page', pages())
def test_options_in_sentences(page, options):
    """Commands and ``--option`` in the sentences and tables of a page."""
    anywhere = set(OTHERS).union(*options.values())
    text = FENCE.sub('', (ROOT / page).read_text(encoding='utf-8'))
    for span in SPAN.findall(text):
        program, *words = span.split()
        known = anywhere
        if program in ('make', 'python') and words:
            check([program, *words])
            continue
        if program == 'hpnet' and words:
            words = without_imports(words)
            if re.fullmatch('[a-z-]+', words[0]) and words[0][0] != '-':
                assert words[0] in options, f'{page}: hpnet {words[0]}'
                known = options[words[0]]
        for word in (program, *words):
            if re.match('--[a-z]', word):
                assert re.match('[a-z0-9-]+', word)[0] in known, (
                    f'{page}: {span}')


def test_a_renamed_option_is_noticed(tmp_path, monkeypatch):
    """What these tests are for."""
    wrong = Block('page.md', 0, '', 'hpnet extract videos --output data')
    with pytest.raises(pytest.fail.Exception):
        test_commands_are_understood(wrong, tmp_path, monkeypatch)
    for command in ('hpnet train hp_j --cfg-options strem=hp_j',
                    'mim train mmaction2 configs/streams.py',
                    'make demos', 'hpent doctor'):
        with pytest.raises(AssertionError):
            check(command.split())

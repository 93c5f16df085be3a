"""The commands of make demo are those that a user types."""
import sys
from importlib import import_module

import pytest

from hpnet_plugin.cli import COMMANDS, main
from hpnet_plugin.commands import demo
from hpnet_plugin.commands.names import find_config
from hpnet_plugin.demo.__main__ import parse_args


def steps():
    return [*demo.first_steps(), *demo.last_steps(),
            *(step for name in demo.RUNS
              for step in demo.train_and_test(name))]


@pytest.mark.parametrize('step', steps(), ids=lambda step: step.name)
def test_the_words_are_understood(step, monkeypatch):
    """By the parsers of the commands themselves; nothing is run."""
    program, name, *words = map(str, step.command)
    if program == 'python':
        monkeypatch.setattr(sys, 'argv', ['demo', *words[1:]])
        assert parse_args().out == str(demo.PEOPLE)
        return
    assert program == 'hpnet'
    module = import_module(f'hpnet_plugin.{COMMANDS[name]}')
    args = module.main.parse(words)
    if name == 'train':
        assert find_config(args.name).recipe in ('stream', 'hpnet', 'posec3d')
        assert args.work_dir == str(step.out.parent)


def test_a_step_that_fails_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, 'first_steps', lambda: [demo.Step(
        'wrong', ['hpnet', 'extrct'], tmp_path / 'nothing')])
    assert main(['demo']) == 1
    assert "no command 'extrct'" in capsys.readouterr().err
    assert (tmp_path / 'work_dirs/demo/logs/wrong.part').is_file()
